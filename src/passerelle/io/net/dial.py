"""TCP connections from the exit to the Internet: resolve, judge, connect.

The policy judges each address after resolution. The connecting code gets only addresses that were
allowed, as literals, so nothing is resolved a second time. `aiohappyeyeballs`, which aiohttp uses
too, connects by Happy Eyeballs (RFC 8305).
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

from passerelle.core.address.host import HostError, IPAddress, parse_host
from passerelle.core.address.policy import ConnectionPolicy, Denial, DestinationRefused
from passerelle.errors import Failure, StreamFailed
from passerelle.io.net.dns import Resolve
from passerelle.limits import DIAL_ADDRESSES, DIAL_TIMEOUT_S, OWN_ADDRESSES

STAGGER_S: Final = 0.25
"""Seconds before the next address is tried beside the last (RFC 8305 §5)."""
OWN_CACHE_S: Final = 5.0
"""How long `OwnAddresses` keeps an answer; a new interface's address is noticed after this time."""
_ANY_PORT: Final = 9
_ERRNO = re.compile(r"\[Errno (\d+)\]")
# The first row whose error occurred in any attempt gives the failure; without a match the host
# counts as unreachable.
_FAILURES: Final = (
    (errno.ECONNREFUSED, Failure.PORT_CLOSED),
    (errno.ETIMEDOUT, Failure.TIMEOUT),
    (errno.EMFILE, Failure.LIMIT),
    (errno.ENFILE, Failure.LIMIT),
    (errno.ENOBUFS, Failure.LIMIT),
)


async def dial(
    host: str,
    port: int,
    *,
    policy: ConnectionPolicy,
    resolve: Resolve,
    timeout_s: float = DIAL_TIMEOUT_S,
) -> socket.socket:
    """Return a connected, non-blocking socket with Nagle's algorithm off; the caller closes it.

    `host` is an IP literal or a name, in a form that `core.address.host.parse_host` accepts.
    `timeout_s` covers resolution and connection together.

    Raises `DestinationRefused` if the policy denies the port, the name or every address. Raises
    `StreamFailed` with DNS, PORT_CLOSED, UNREACHABLE, TIMEOUT, or LIMIT (this machine has no more
    sockets). Cancelling closes every socket.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _connect(await vetted(host, port, policy=policy, resolve=resolve), port)
    except TimeoutError:
        raise StreamFailed(Failure.TIMEOUT) from None


async def vetted(
    host: str, port: int, *, policy: ConnectionPolicy, resolve: Resolve
) -> list[IPAddress]:
    """Return the addresses of `host` that the policy allows: at least one, the best first.

    Raises the errors of `dial`, except those of connecting.
    """
    try:
        parsed = parse_host(host)
    except HostError:
        raise StreamFailed(Failure.DNS) from None
    # Judge port and name before resolution, so that a denied one costs no lookup.
    if denial := policy.decide_port(port) or policy.decide_host(parsed):
        raise DestinationRefused(denial)
    addresses = await resolve(parsed) if isinstance(parsed, str) else [parsed]
    return _permitted(addresses, port, policy)


class OwnAddresses:
    """A short-lived cache of `is_own`, because each question costs a socket."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[IPAddress, bool] = {}
        self._since_s = clock()

    def __contains__(self, address: IPAddress) -> bool:
        """Return the answer of `is_own`, which may be up to `OWN_CACHE_S` old."""
        now = self._clock()
        if now - self._since_s > OWN_CACHE_S or len(self._known) >= OWN_ADDRESSES:
            self._known.clear()
            self._since_s = now
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = is_own(address)
        return known


def is_own(address: IPAddress) -> bool:
    """Return whether `address` is one of this machine's own. Nothing is sent.

    The kernel is asked for the source address of packets to `address`: for an address of this
    machine, it is that same address. No list of interfaces is needed, which would become wrong
    when one comes or goes. Raises StreamFailed(LIMIT) when this machine has no more sockets.
    """
    family, kind, _, _, sockaddr = _addr_info(address, _ANY_PORT, socket.SOCK_DGRAM)
    try:
        probe = socket.socket(family, kind)
    except OSError as error:
        raise StreamFailed(_failure(error)) from None
    with probe:
        try:
            probe.connect(sockaddr)
        except OSError:  # there is no route, or it is a broadcast address
            return False
        return ip_address(str(probe.getsockname()[0]).partition("%")[0]) == address


_own = OwnAddresses()


def _permitted(
    addresses: Sequence[IPAddress], port: int, policy: ConnectionPolicy
) -> list[IPAddress]:
    permitted: list[IPAddress] = []
    denial: Denial | None = None
    for address in addresses:
        if verdict := policy.decide(address, port, own=address in _own):
            denial = denial or verdict
        else:
            permitted.append(address)
    if denial is not None and not permitted:
        raise DestinationRefused(denial)
    if not permitted:
        raise StreamFailed(Failure.DNS)
    return permitted


async def _connect(addresses: list[IPAddress], port: int) -> socket.socket:
    infos = [_addr_info(address, port) for address in _interleave(addresses)[:DIAL_ADDRESSES]]
    try:
        return await aiohappyeyeballs.start_connection(
            infos, happy_eyeballs_delay=STAGGER_S, socket_factory=_socket
        )
    except (OSError, RuntimeError) as error:  # uvloop raises RuntimeError for some failures
        raise StreamFailed(_failure(error)) from None


def _interleave(addresses: list[IPAddress]) -> list[IPAddress]:
    """Return the addresses with the two families in turn, beginning with the first's (RFC 8305 §4).

    A list that is then cut short still has addresses of both families.
    """
    first = [a for a in addresses if a.version == addresses[0].version]
    other = [a for a in addresses if a.version != addresses[0].version]
    paired = [a for pair in zip(first, other, strict=False) for a in pair]
    return paired + first[len(other) :] + other[len(first) :]


def _addr_info(
    address: IPAddress, port: int, kind: socket.SocketKind = socket.SOCK_STREAM
) -> AddrInfoType:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sockaddr = (str(address), port) if address.version == 4 else (str(address), port, 0, 0)
    return family, kind, 0, "", sockaddr


def _socket(info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    opened = socket.socket(family, kind, protocol)
    # The session hands over whole frames; Nagle's algorithm would delay them to fill packets.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _failure(error: OSError | RuntimeError) -> Failure:
    # When attempts fail in different ways, the library raises one error without an errno, whose
    # text quotes that of each attempt.
    numbers = {int(number) for number in _ERRNO.findall(str(error))}
    return next(
        (failure for number, failure in _FAILURES if number in numbers), Failure.UNREACHABLE
    )
