"""The tickets that a broker gives out: signed permissions that exits check by themselves."""

from __future__ import annotations

from collections.abc import Callable

from passerelle.broker.config import BrokerConfig
from passerelle.wire import tickets
from passerelle.wire.tickets import Ticket, TicketKind

_ID_BYTES = 16


class TicketIssuer:
    """Signs tickets with the broker's key, each for one exit and a short time."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        clock: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes."""
        self._config = config
        self._clock = clock
        self._token = token

    def client(self, exit_id: str) -> str:
        """Return a client's permission to start and resume sessions at the exit."""
        return self._sign(TicketKind.CLIENT, exit_id, self._config.client_ticket_s, self._id())

    def link(self, exit_id: str, *, patient: bool = False) -> tuple[bytes, str]:
        """Return a volunteer's permission to open one link to the exit: its id and its text.

        A `patient` one lives as long as one for a lane: its offer waits for people to carry a text.
        """
        ticket_id = self._id()
        life_s = self._config.lane_ticket_s if patient else self._config.link_ticket_s
        return ticket_id, self._sign(TicketKind.LINK, exit_id, life_s, ticket_id)

    def lanes(self, exit_id: str, count: int) -> tuple[str, ...]:
        """Return `count` permissions for more links through a volunteer that has one."""
        life_s = self._config.lane_ticket_s
        return tuple(self._sign(TicketKind.LINK, exit_id, life_s, self._id()) for _ in range(count))

    def _id(self) -> bytes:
        return self._token(_ID_BYTES)

    def _sign(self, kind: TicketKind, exit_id: str, life_s: int, ticket_id: bytes) -> str:
        ticket = Ticket(kind, exit_id, int(self._clock()) + life_s, ticket_id)
        return tickets.sign(ticket, self._config.ticket_key)
