"""Names to addresses, through the system's resolver, with bounded threads and a bounded queue."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from passerelle.core.host import IPAddress
from passerelle.errors import Failure, StreamFailed
from passerelle.limits import DNS_LOOKUPS, DNS_WAITING

Resolve = Callable[[str], Awaitable[Sequence[IPAddress]]]
"""Looks a name up; returns its addresses, best first (RFC 6724), or raises `StreamFailed`."""


class Resolver:
    """A `Resolve` over `getaddrinfo`.

    The threads are its own: `getaddrinfo` cannot be interrupted, and a name server that is slow on
    purpose must not hold up everything else that uses the event loop's threads.
    """

    def __init__(self, lookup: Callable[[str], Sequence[IPAddress]] | None = None) -> None:
        """Use `lookup`, a blocking function, in place of the system's."""
        self._lookup = lookup or _system_lookup
        self._threads = ThreadPoolExecutor(DNS_LOOKUPS, thread_name_prefix="dns")
        self._places = threading.BoundedSemaphore(DNS_WAITING)

    async def __call__(self, name: str) -> Sequence[IPAddress]:
        """Return the addresses of `name`, without repeats.

        Raise `StreamFailed`: DNS if there are none, LIMIT if too many lookups wait. Cancelling
        returns at once; a lookup under way keeps its thread until the system gives up.
        """
        if not self._places.acquire(blocking=False):
            raise StreamFailed(Failure.LIMIT)
        lookup = self._threads.submit(self._lookup, name)
        # The place is taken until the thread is done, not until the caller has gone.
        lookup.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(lookup)

    def close(self) -> None:
        """Cancel lookups that wait. Does not wait for those under way. Idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _system_lookup(name: str) -> Sequence[IPAddress]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise StreamFailed(Failure.DNS) from None
    # A zone id behind % would choose an interface of this machine; it is not part of an address.
    texts = [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found]
    return [ip_address(text) for text in dict.fromkeys(texts)]
