"""Look names up by c-ares, which needs no thread to wait for a slow name server.

The hosts file is read first. Then the servers of `/etc/resolv.conf` are asked for IPv6 and IPv4
addresses at once (RFC 8305 §3). Answers are cached for their time to live, within bounds, so that
a page with forty connections to one site asks once. Search domains are never tried, because a name
that a reader asks for must not turn into one inside the operator's network.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import aiodns
import pycares

from passerelle.core.address.host import IPAddress
from passerelle.core.origin import UNKNOWN
from passerelle.core.shares import ShareTable
from passerelle.errors import Failure, StreamFailed
from passerelle.io.net.hosts import HostsFile
from passerelle.io.tasks import TaskSet
from passerelle.limits import DNS_ADDRESSES, DNS_CACHE, DNS_LOOKUPS

Resolve = Callable[[str], Awaitable[Sequence[IPAddress]]]
"""A function that returns a name's addresses, best first (RFC 6724), or raises `StreamFailed`."""

TIMEOUT_S: Final = 5.0
"""How long a lookup may take, whatever the name servers do."""
TRY_TIMEOUT_S: Final = 1.5
"""How long c-ares waits before it asks a server again that it knows nothing of."""
TRIES: Final = 6
"""How often c-ares asks. After quick answers it waits only a quarter of a second at first and twice
as long after each try, so that fewer tries would give a name up long before `TIMEOUT_S`: a server
that has to ask others for a name takes seconds."""
RENEW_S: Final = 1.0
"""The shortest time between two replacements of a channel that could not send anything."""
RESOLUTION_DELAY_S: Final = 0.05
"""How long to wait for the second address family once the first has answered (RFC 8305 §3)."""
CACHE_MOST_S: Final = 60.0
"""The longest time an answer is cached, whatever its time to live."""
CACHE_LEAST_S: Final = 1.0
"""The shortest time an answer is cached, even if its time to live is 0: the forty connections of
one page ask once."""
CACHE_FAILURE_S: Final = 2.0
"""How long it is remembered that a lookup found no address."""

_Found = tuple[IPAddress, float]
"""An address, and its time to live in seconds."""
_FAMILIES = (socket.AF_INET6, socket.AF_INET)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The cached answer for a name. An empty `addresses` means that the name has none."""

    addresses: tuple[IPAddress, ...]
    until_s: float


class Resolver:
    """A `Resolve` with a bounded cache and a bounded number of lookups."""

    def __init__(
        self,
        *,
        servers: Sequence[str] | None = None,
        port: int | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`servers` and `port`, if given, are asked in place of the system's name servers.

        `timeout_s` bounds each lookup; `clock` returns monotonic seconds.
        """
        self._timeout_s = timeout_s
        self._clock = clock
        self._servers = servers
        self._port = port
        self._hosts = HostsFile()
        self._channel: aiodns.DNSResolver | None = None
        self._asked = 0
        self._renew_at = clock()
        self._cache: OrderedDict[str, _Answer] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[_Answer]] = {}
        self._shares: ShareTable[str] = ShareTable(DNS_LOOKUPS)
        """The names that are looked up, by whom that counts for."""
        self._tasks = TaskSet("dns")
        self._closed = False

    async def __call__(self, name: str, origin: bytes = UNKNOWN) -> Sequence[IPAddress]:
        """Return the addresses of `name`, without repeats.

        `origin` (`core.origin`) is whom the lookup counts for. Raises `StreamFailed`: DNS if there
        are none or no server answers in time, LIMIT if too many lookups are under way and nobody
        has more of them than `origin`, or if this one had to give way. Cancelling returns at once;
        the lookup goes on for other callers.
        """
        answer = self._cache.get(name)
        if answer is None or answer.until_s <= self._clock():
            answer = await self._wait_for(self._lookup(name, origin))
        if not answer.addresses:
            raise StreamFailed(Failure.DNS)
        return answer.addresses

    async def close(self) -> None:
        """Give up all lookups. Idempotent."""
        self._closed = True
        await self._tasks.close()
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _wait_for(self, lookup: asyncio.Task[_Answer]) -> _Answer:
        try:
            return await asyncio.shield(lookup)
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if self._closed or (own is not None and own.cancelling()):
                raise
            raise StreamFailed(Failure.LIMIT) from None  # the lookup had to give way

    def _lookup(self, name: str, origin: bytes) -> asyncio.Task[_Answer]:
        task = self._lookups.get(name)
        if task is not None:
            # It counts for whoever has fewer, so that nobody's lookup is lost with a flood's.
            self._shares.lighten(name, origin)
            return task
        gone = self._shares.add(name, origin)
        if gone == name:
            raise StreamFailed(Failure.LIMIT)
        if gone is not None:
            self._lookups.pop(gone).cancel()
        task = self._tasks.start(self._ask(name), "lookup")
        self._lookups[name] = task
        task.add_done_callback(lambda ended: self._end(name, ended))
        return task

    def _end(self, name: str, ended: asyncio.Task[_Answer]) -> None:
        # A lookup that gave way may have been begun anew meanwhile.
        if self._lookups.get(name) is ended:
            del self._lookups[name]
            self._shares.discard(name)

    async def _ask(self, name: str) -> _Answer:
        found = [(address, 0.0) for address in self._hosts.addresses(name)]
        if not found:
            found = await self._ask_servers(name)
        addresses = tuple(dict.fromkeys(address for address, _ in found))[:DNS_ADDRESSES]
        cache_s = min((ttl for _, ttl in found), default=CACHE_FAILURE_S)
        cache_s = min(max(cache_s, CACHE_LEAST_S), CACHE_MOST_S)
        answer = _Answer(addresses, self._clock() + cache_s)
        self._cache[name] = answer
        self._cache.move_to_end(name)
        if len(self._cache) > DNS_CACHE:
            self._cache.popitem(last=False)
        return answer

    async def _ask_servers(self, name: str) -> list[_Found]:
        """Ask the name servers, and once more by a new channel if the first could not ask any.

        On a busy machine c-ares sometimes sets up a channel that never does anything; a new one
        works.
        """
        channel = self._open()
        found = await self._ask_by(channel, name)
        if found is None:
            await self._renew(channel)
            found = await self._ask_by(self._open(), name)
        return found or []

    async def _ask_by(self, channel: aiodns.DNSResolver, name: str) -> list[_Found] | None:
        """Ask the name servers for IPv6 and IPv4 addresses, and return those that came in time.

        Once one family has answered, the other is waited for only `RESOLUTION_DELAY_S`
        (RFC 8305 §3). Returns None if no server could be asked.
        """
        self._asked += 1
        if self._asked % DNS_CACHE == 0:
            # c-ares has a cache of its own without a bound, which neither library can switch off;
            # this call empties it.
            channel._channel.reinit()
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        async with TaskSet("dns") as tasks:
            queries = [tasks.start(_query(channel, name, each), "query") for each in _FAMILIES]
            await asyncio.wait(
                queries, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            some = any(query.done() and query.result() for query in queries)
            left_s = max(0.0, deadline_s - asyncio.get_running_loop().time())
            await asyncio.wait(queries, timeout=min(RESOLUTION_DELAY_S, left_s) if some else left_s)
            answers = [query.result() for query in queries if query.done()]
        if answers and all(answer is None for answer in answers):
            return None
        return [each for answer in answers for each in answer or ()]

    async def _renew(self, refusing: aiodns.DNSResolver) -> None:
        """Close the channel if it is `refusing`, which could not send anything.

        The next lookup opens a new one. Does nothing within `RENEW_S` of the last time.
        """
        now = self._clock()
        if self._channel is not refusing or now < self._renew_at:
            return
        self._renew_at = now + RENEW_S
        self._channel = None
        await refusing.close()

    def _open(self) -> aiodns.DNSResolver:
        """Return the channel to the name servers.

        It is opened at the first lookup, because c-ares needs a running event loop.
        """
        if self._channel is None:
            self._channel = aiodns.DNSResolver(
                self._servers,
                lookups="b",
                flags=pycares.ARES_FLAG_NOSEARCH,
                timeout=TRY_TIMEOUT_S,
                tries=TRIES,
                udp_port=self._port,
                tcp_port=self._port,
            )
        return self._channel


async def _query(
    channel: aiodns.DNSResolver, name: str, family: socket.AddressFamily
) -> list[_Found] | None:
    """Return addresses, each with its time to live in seconds; None if no server could be asked."""
    try:
        found = await channel.getaddrinfo(name, family=family, type=socket.SOCK_STREAM)
    except aiodns.error.DNSError as error:
        return None if error.args[0] == pycares.errno.ARES_ECONNREFUSED else []
    except (UnicodeError, ValueError):
        return []
    return [(_address(node.addr[0]), float(node.ttl)) for node in found.nodes]


def _address(text: bytes | str) -> IPAddress:
    plain = text.decode() if isinstance(text, bytes) else text
    # A zone id after % names an interface of this machine; it is no part of the address.
    return ip_address(plain.partition("%")[0])
