"""UDP sockets: the exit's, connected to a site, and the client's, for its applications.

`dial_udp` resolves a name, judges its addresses and connects. A connected socket receives from its
peer only and sends to nobody else, so it cannot be used to reflect packets. The name is resolved
once, so its address cannot change after it was judged.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from typing import Any, Final

from passerelle import limits
from passerelle.core.address.host import IPAddress
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.errors import Failure, StreamFailed
from passerelle.io.net.dial import vetted
from passerelle.io.net.dns import Resolve

# Socket options from linux/in.h and linux/in6.h. They set "don't fragment" and leave it to the
# application to find the path's packet size, as QUIC does.
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_PROBE: Final = 3
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOSSES: Final = frozenset({errno.EAGAIN, errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of `send` that lose one datagram only; after any other error the socket is useless."""


async def dial_udp(
    host: str,
    port: int,
    *,
    policy: ConnectionPolicy,
    resolve: Resolve,
    timeout_s: float = limits.DIAL_TIMEOUT_S,
) -> socket.socket:
    """Return a connected, non-blocking UDP socket; the caller closes it. Nothing is sent.

    `policy` is the exit's policy, of which the rules for datagrams are used. `timeout_s` bounds
    the resolution. Raises the errors of `io.net.dial.dial`, except PORT_CLOSED, which only a
    datagram could find out. Cancelling leaves no socket open.
    """
    try:
        async with asyncio.timeout(timeout_s):
            addresses = await vetted(host, port, policy=policy.for_datagrams, resolve=resolve)
    except TimeoutError:
        raise StreamFailed(Failure.TIMEOUT) from None
    failure = Failure.UNREACHABLE
    for address in addresses[: limits.DIAL_ADDRESSES]:
        try:
            return _connected(address, port)
        except OSError as error:  # there is no route, which the kernel says at once
            if error.errno in _NO_ROOM:
                failure = Failure.LIMIT
    raise StreamFailed(failure)


def _connected(address: IPAddress, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if sys.platform == "linux":
            # Datagrams must not be fragmented, here or on the way (RFC 9298 §3.1).
            if address.version == 4:
                opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
            else:
                opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
        opened.connect((str(address), port))
    except OSError:
        opened.close()
        raise
    return opened


def bound(address: str) -> socket.socket:
    """Return a non-blocking UDP socket at a free port of `address`, which is this machine's.

    Raises StreamFailed(LIMIT) when no port or no socket is free.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.bind((address, 0))
        except OSError:
            opened.close()
            raise
    except OSError:
        raise StreamFailed(Failure.LIMIT) from None
    return opened


def send(connected: socket.socket, payload: bytes) -> bool:
    """Send one datagram; return False if it was lost. Raises OSError when there is no peer."""
    try:
        connected.send(payload)
    except OSError as error:
        if error.errno not in _LOSSES:
            raise
        return False
    return True


def send_to(opened: socket.socket, payload: bytes, address: tuple[str, int]) -> bool:
    """Send one datagram to `address`; return False if it was lost."""
    try:
        opened.sendto(payload, address)
    except OSError:
        return False
    return True


def receive(connected: socket.socket) -> list[bytes]:
    """Return the datagrams that have arrived, at most `limits.FLOW_BATCH` of them.

    Raises OSError when nothing receives at the peer's address.
    """
    return [payload for payload, _ in receive_from(connected)]


def receive_from(opened: socket.socket) -> list[tuple[bytes, tuple[Any, ...]]]:
    """Return the datagrams that have arrived, each with its sender's socket address.

    There are at most `limits.FLOW_BATCH` of them. Raises OSError only for a connected socket, when
    nothing receives at its peer's address.
    """
    datagrams: list[tuple[bytes, tuple[Any, ...]]] = []
    try:
        while len(datagrams) < limits.FLOW_BATCH:
            datagrams.append(opened.recvfrom(limits.DATAGRAM_BYTES))
    except BlockingIOError:
        pass
    return datagrams
