"""The tickets with which volunteers find out how fast they are, before they help anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from passerelle.broker.exits import Exits
from passerelle.broker.issuer import TicketIssuer
from passerelle.wire.signalling import RateTicket

_DRAW_BYTES: Final = 8


class RateTickets:
    """Makes a ticket for each volunteer that comes, at an exit that is not very busy."""

    def __init__(
        self, exits: Exits, issuer: TicketIssuer, *, token: Callable[[int], bytes]
    ) -> None:
        """`token` gives that many random bytes."""
        self._exits = exits
        self._issuer = issuer
        self._token = token

    def make(self) -> RateTicket:
        """Return a ticket for one test. Call it inside a running event loop."""
        exit_id = self._exits.choose(self._below, asyncio.get_running_loop().time())
        return RateTicket(exit_id, self._issuer.test(exit_id))

    def _below(self, bound: int) -> int:
        return int.from_bytes(self._token(_DRAW_BYTES)) % bound
