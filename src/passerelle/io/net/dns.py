"""Names to addresses, by c-ares: no thread waits for a slow name server.

`/etc/hosts` is asked first, then the servers of `/etc/resolv.conf`, for IPv6 and IPv4 at once
(RFC 8305 §3). Answers are kept for their time to live, within bounds, so that a page with forty
connections to one site asks once. Search domains are never tried: a reader's name must not become
one inside the operator's network.
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
from passerelle.errors import Failure, StreamFailed
from passerelle.io.tasks import TaskSet
from passerelle.limits import DNS_ADDRESSES, DNS_CACHE, DNS_LOOKUPS

Resolve = Callable[[str], Awaitable[Sequence[IPAddress]]]
"""Looks a name up; returns its addresses, best first (RFC 6724), or raises `StreamFailed`."""

TIMEOUT_S: Final = 5.0
"""A lookup ends by then, whatever the name servers do."""
TRY_S: Final = 1.5
TRIES: Final = 2
RENEW_S: Final = 1.0
"""Channels that could send nothing are opened anew, so often at most."""
RESOLUTION_DELAY_S: Final = 0.05
"""How long the second family is waited for once the first has answered (RFC 8305 §3)."""
KEEP_MOST_S: Final = 60.0
"""Longest time an answer is kept, whatever its time to live."""
KEEP_LEAST_S: Final = 1.0
"""Shortest: forty connections of one page ask once even where the answer says 0."""
KEEP_FAILURE_S: Final = 2.0

_FAMILIES = (socket.AF_INET6, socket.AF_INET)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is known of a name; without addresses, that it has none."""

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
        """Ask `servers` at `port` in place of the system's."""
        self._timeout_s = timeout_s
        self._clock = clock
        self._servers = servers
        self._port = port
        self._channels: tuple[aiodns.DNSResolver, aiodns.DNSResolver] | None = None
        self._asked = 0
        self._renew_at = clock()
        self._kept: OrderedDict[str, _Answer] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[_Answer]] = {}
        self._tasks = TaskSet("dns", limit=DNS_LOOKUPS)

    async def __call__(self, name: str) -> Sequence[IPAddress]:
        """Return the addresses of `name`, without repeats.

        Raise `StreamFailed`: DNS if there are none or nobody answers in time, LIMIT if too many
        lookups are under way. Cancelling returns at once; the lookup goes on for its other callers.
        """
        answer = self._kept.get(name)
        if answer is None or answer.until_s <= self._clock():
            answer = await asyncio.shield(self._lookup(name))
        if not answer.addresses:
            raise StreamFailed(Failure.DNS)
        return answer.addresses

    async def close(self) -> None:
        """Give up all lookups. Idempotent."""
        await self._tasks.close()
        channels, self._channels = self._channels or (), None
        for channel in channels:
            await channel.close()

    def _lookup(self, name: str) -> asyncio.Task[_Answer]:
        task = self._lookups.get(name)
        if task is None:
            if self._tasks.full:
                raise StreamFailed(Failure.LIMIT)
            task = self._tasks.start(self._ask(name), "lookup")
            self._lookups[name] = task
            task.add_done_callback(lambda _: self._lookups.pop(name, None))
        return task

    async def _ask(self, name: str) -> _Answer:
        files, network = self._open()
        found = await _query(files, name, socket.AF_UNSPEC)
        if not found:
            found = await self._ask_network(network, name)
        if found is None:
            # c-ares sometimes ends its set-up with a channel that sends nothing; a new one does.
            await self._renew(network)
            found = await self._ask_network(self._open()[1], name) or []
        # A zone id behind % would choose an interface of this machine; it is no part of an address.
        addresses = tuple(dict.fromkeys(address for address, _ in found))[:DNS_ADDRESSES]
        keep_s = min((ttl for _, ttl in found), default=KEEP_FAILURE_S)
        keep_s = min(max(keep_s, KEEP_LEAST_S), KEEP_MOST_S)
        answer = _Answer(addresses, self._clock() + keep_s)
        self._kept[name] = answer
        self._kept.move_to_end(name)
        if len(self._kept) > DNS_CACHE:
            self._kept.popitem(last=False)
        return answer

    async def _ask_network(
        self, network: aiodns.DNSResolver, name: str
    ) -> list[tuple[IPAddress, float]] | None:
        """Ask for both families; the late one is waited for a moment only (RFC 8305 §3).

        Return None if no server could be asked.
        """
        self._asked += 1
        if self._asked % DNS_CACHE == 0:
            # c-ares keeps answers of its own without a bound; neither library offers a switch.
            network._channel.reinit()
        async with TaskSet("dns") as tasks:
            queries = [tasks.start(_query(network, name, each), "query") for each in _FAMILIES]
            await asyncio.wait(
                queries, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            some = any(query.done() and query.result() for query in queries)
            await asyncio.wait(queries, timeout=RESOLUTION_DELAY_S if some else self._timeout_s)
            answers = [query.result() for query in queries if query.done()]
        if answers and all(answer is None for answer in answers):
            return None
        return [each for answer in answers for each in answer or ()]

    async def _renew(self, refusing: aiodns.DNSResolver) -> None:
        """Open new channels in place of one that could send nothing; once in a while."""
        now = self._clock()
        if self._channels is None or self._channels[1] is not refusing or now < self._renew_at:
            return
        self._renew_at = now + RENEW_S
        retired, self._channels = self._channels, None
        for channel in retired:
            await channel.close()

    def _open(self) -> tuple[aiodns.DNSResolver, aiodns.DNSResolver]:
        """Open both channels at the first lookup: c-ares wants a running loop."""
        if self._channels is None:
            flags = pycares.ARES_FLAG_NOSEARCH
            network = aiodns.DNSResolver(
                self._servers,
                lookups="b",
                flags=flags,
                timeout=TRY_S,
                tries=TRIES,
                udp_port=self._port,
                tcp_port=self._port,
            )
            self._channels = aiodns.DNSResolver(lookups="f", flags=flags), network
        return self._channels


async def _query(
    channel: aiodns.DNSResolver, name: str, family: socket.AddressFamily
) -> list[tuple[IPAddress, float]] | None:
    """Return addresses with their time to live in seconds, or None if no server could be asked."""
    try:
        found = await channel.getaddrinfo(name, family=family, type=socket.SOCK_STREAM)
    except aiodns.error.DNSError as error:
        return None if error.args[0] == pycares.errno.ARES_ECONNREFUSED else []
    except (UnicodeError, ValueError):
        return []
    return [(_address(node.addr[0]), float(node.ttl)) for node in found.nodes]


def _address(text: bytes | str) -> IPAddress:
    plain = text.decode() if isinstance(text, bytes) else text
    return ip_address(plain.partition("%")[0])
