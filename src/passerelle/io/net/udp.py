"""UDP sockets from the exit to the Internet: resolve, judge, connect.

A connected socket takes datagrams from its peer only, and sends to nobody else: nothing is
reflected, and no second look-up moves the destination after it was judged.
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

# linux/in.h and linux/in6.h: set "don't fragment" and leave finding the path's size to the
# application, as QUIC does.
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_PROBE: Final = 3
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOSSES: Final = frozenset({errno.EAGAIN, errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of `send` that cost one datagram; after any other the socket is of no use."""


async def dial_udp(
    host: str,
    port: int,
    *,
    policy: ConnectionPolicy,
    resolve: Resolve,
    timeout_s: float = limits.DIAL_TIMEOUT_S,
) -> socket.socket:
    """Return a connected, non-blocking UDP socket; the caller closes it. Sends nothing.

    `policy` is the one for TCP; its rules for datagrams are used. Raises as `io.net.dial.dial`
    does; UDP knows no PORT_CLOSED here. Cancelling leaves no socket.
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
        except OSError as error:  # no way there, which a UDP socket knows at once
            if error.errno in _NO_ROOM:
                failure = Failure.LIMIT
    raise StreamFailed(failure)


def _connected(address: IPAddress, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if sys.platform == "linux":
            # RFC 9298 §3.1: datagrams must not be cut, here or on the way.
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
    """Return a non-blocking UDP socket at a free port of one of this machine's addresses.

    Raises StreamFailed(LIMIT) when there is none.
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
    """Send one datagram, or lose it: False. Raises OSError when the peer is not there."""
    try:
        connected.send(payload)
    except OSError as error:
        if error.errno not in _LOSSES:
            raise
        return False
    return True


def send_to(opened: socket.socket, payload: bytes, address: tuple[str, int]) -> bool:
    """Send one datagram to `address`, or lose it: False."""
    try:
        opened.sendto(payload, address)
    except OSError:
        return False
    return True


def receive(connected: socket.socket) -> list[bytes]:
    """Return the datagrams that are here, `limits.FLOW_BATCH` at most.

    Raises OSError when the peer is not there.
    """
    return [payload for payload, _ in receive_from(connected)]


def receive_from(opened: socket.socket) -> list[tuple[bytes, tuple[Any, ...]]]:
    """Do as `receive` does, and tell where each came from. A socket without a peer never raises."""
    datagrams: list[tuple[bytes, tuple[Any, ...]]] = []
    try:
        while len(datagrams) < limits.FLOW_BATCH:
            datagrams.append(opened.recvfrom(limits.DATAGRAM_BYTES))
    except BlockingIOError:
        pass
    return datagrams
