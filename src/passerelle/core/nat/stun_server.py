"""What a STUN server answers (RFC 8489 §6, RFC 5780 §7), and to whom no more.

A server is made of up to four sockets, on one or two addresses and two ports. UDP sources can be
forged, so answers are small and bounded for each prefix: with IP and UDP headers an answer is at
most 2.1 times as long as its request (84 bytes for 48 over IPv4, 140 for 68 over IPv6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from passerelle import limits
from passerelle.core.address.prefix import site
from passerelle.errors import PeerError
from passerelle.wire import stun
from passerelle.wire.stun import BindingError, BindingRequest, BindingResponse, Endpoint


class Corner(NamedTuple):
    """One socket of a server: which of its addresses, which of its ports."""

    address: int
    port: int


class StunServer:
    """Answers datagrams. `now` is monotonic seconds."""

    def __init__(self, endpoints: Mapping[Corner, Endpoint | None]) -> None:
        """`endpoints` are the sockets there are, each as others reach it, None if not known."""
        self._endpoints = endpoints
        self._counts: dict[bytes, int] = {}
        """Requests of each prefix since `_since`."""
        self._since = 0.0

    def answer(
        self, corner: Corner, datagram: bytes, source: Endpoint, now: float
    ) -> tuple[Corner, bytes] | None:
        """Return the answer to what came to `corner`, and from where to send it; None for none."""
        if not self._may_ask(source, now):
            return None
        try:
            request = stun.decode(datagram)
        except PeerError:
            return None
        if not isinstance(request, BindingRequest):
            return None
        if request.unknown:
            return corner, stun.encode(BindingError(request.transaction, request.unknown))
        here = Corner(corner.address ^ request.change_address, corner.port ^ request.change_port)
        if here not in self._endpoints:
            return None
        response = BindingResponse(
            request.transaction, source, self._endpoints[here], self._opposite(corner)
        )
        return here, stun.encode(response)

    def _opposite(self, corner: Corner) -> Endpoint | None:
        """Return what OTHER-ADDRESS says: the other address and port, or the other port alone."""
        other = Corner(corner.address ^ 1, corner.port ^ 1)
        if other not in self._endpoints:
            other = Corner(corner.address, corner.port ^ 1)
        return self._endpoints.get(other)

    def _may_ask(self, source: Endpoint, now: float) -> bool:
        full = len(self._counts) >= limits.STUN_PREFIXES
        # Forged sources can fill the table. Then all begin anew: each prefix costs them a packet.
        if full or now - self._since >= limits.STUN_WINDOW_S:
            self._counts.clear()
            self._since = now
        # Private addresses are a laboratory's, each a party of its own.
        key = site(source.address) or source.address.packed
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key] <= limits.STUN_REQUESTS
