"""Compute a STUN server's answers (RFC 8489 §6, RFC 5780 §7), and limit how many each network gets.

A server has up to four sockets, on one or two addresses and two ports. The source address of a UDP
packet can be forged, so answers are small, and each network gets a limited number. With IP and UDP
headers an answer is at most 2.1 times as long as its request (84 bytes for 48 over IPv4, 140 for 68
over IPv6).

A network is a /24 or a /48, and its requests are answered up to a number that all in it share. Who
forges requests from the network uses that number up. Beyond it each part of the network, an IPv4
address or a /56, has a number of its own, which a forger has to use up for each part by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from passerelle import serverlimits
from passerelle.errors import PeerError
from passerelle.wire import stun
from passerelle.wire.stun import BindingError, BindingRequest, BindingResponse, Endpoint


class SocketIndex(NamedTuple):
    """One socket of a server, as the indices (0 or 1) of its address and of its port."""

    address: int
    port: int


class StunServer:
    """Answers datagrams. `now` is monotonic seconds."""

    def __init__(self, endpoints: Mapping[SocketIndex, Endpoint | None]) -> None:
        """`endpoints` has an entry for each socket: its public address, or None if not known."""
        self._endpoints = endpoints
        self._counts: dict[bytes, int] = {}
        """How many requests came since `_since`: from each network, and beyond its shared number
        from each of its parts. The length of a key tells which of them it is."""
        self._since = 0.0

    def answer(
        self, receiver: SocketIndex, datagram: bytes, source: Endpoint, now: float
    ) -> tuple[SocketIndex, bytes] | None:
        """Return the socket to answer from and the answer; None if there is no answer.

        `receiver` is the socket that got `datagram` from `source`.
        """
        if not self._may_ask(source, now):
            return None
        try:
            request = stun.decode(datagram)
        except PeerError:
            return None
        if not isinstance(request, BindingRequest):
            return None
        if request.unknown:
            return receiver, stun.encode(BindingError(request.transaction, request.unknown))
        sender = SocketIndex(
            receiver.address ^ request.change_address, receiver.port ^ request.change_port
        )
        if sender not in self._endpoints:
            return None
        response = BindingResponse(
            request.transaction, source, self._endpoints[sender], self._opposite(receiver)
        )
        return sender, stun.encode(response)

    def _opposite(self, receiver: SocketIndex) -> Endpoint | None:
        """Return the value of OTHER-ADDRESS: the server's other address and other port.

        On a server with one address it is the other port of that address.
        """
        other = SocketIndex(receiver.address ^ 1, receiver.port ^ 1)
        if other not in self._endpoints:
            other = SocketIndex(receiver.address, receiver.port ^ 1)
        return self._endpoints.get(other)

    def _may_ask(self, source: Endpoint, now: float) -> bool:
        # A request adds at most two prefixes.
        full = len(self._counts) + 2 > serverlimits.STUN_PREFIXES
        # Forged sources can fill the table. It is then emptied, which gives every prefix its full
        # share again, but costs the attacker one packet for each prefix in the table.
        if full or now - self._since >= serverlimits.STUN_WINDOW_S:
            self._counts.clear()
            self._since = now
        packed = source.address.packed
        network, part = (packed[:3], packed) if len(packed) == 4 else (packed[:6], packed[:7])
        if self._count(network) <= serverlimits.STUN_REQUESTS:
            return True
        return self._count(part) <= serverlimits.STUN_OWN_REQUESTS

    def _count(self, prefix: bytes) -> int:
        self._counts[prefix] = count = self._counts.get(prefix, 0) + 1
        return count
