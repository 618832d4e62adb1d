"""The tickets that a broker gives out: signed permissions that exits check by themselves."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.core.origin import SHARES, TAG_BYTES, parties
from passerelle.wire import tickets
from passerelle.wire.tickets import Ticket, TicketKind

_ID_BYTES = 16
_SECRET_BYTES: Final = 32


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
        self._tags = _OriginTags(clock, token)

    def client(self, exit_id: str, origin: bytes) -> str:
        """Return a client's permission to start and resume sessions at the exit.

        `origin` (`core.origin`) is whom the client counts for. The exit can tell clients of one
        origin from those of another by it, and nothing else.
        """
        life_s, tags = self._config.client_ticket_s, self._tags.of(origin)
        return self._sign(TicketKind.CLIENT, exit_id, life_s, self._id(), tags)

    def link(
        self, exit_id: str, *, patient: bool = False, gateway: bool = False
    ) -> tuple[bytes, str]:
        """Return a volunteer's permission to open one link to the exit: its id and its text.

        With `gateway` the link is one to the exit's gateway. A `patient` one lives as long as one
        for a lane: its offer waits for people to carry a text.
        """
        ticket_id = self._id()
        life_s = self._config.lane_ticket_s if patient else self._config.link_ticket_s
        kind = TicketKind.GATEWAY if gateway else TicketKind.LINK
        return ticket_id, self._sign(kind, exit_id, life_s, ticket_id)

    def test(self, exit_id: str) -> str:
        """Return a volunteer's permission to find out once how fast it is, at the exit."""
        return self._sign(TicketKind.TEST, exit_id, self._config.link_ticket_s, self._id())

    def lanes(self, exit_id: str, count: int) -> tuple[tuple[bytes, str], ...]:
        """Return `count` permissions for more links through a volunteer that has one.

        Each is its id and its text.
        """
        life_s = self._config.lane_ticket_s
        ids = [self._id() for _ in range(count)]
        return tuple(
            (ticket_id, self._sign(TicketKind.LINK, exit_id, life_s, ticket_id))
            for ticket_id in ids
        )

    def _id(self) -> bytes:
        return self._token(_ID_BYTES)

    def _sign(
        self, kind: TicketKind, exit_id: str, life_s: int, ticket_id: bytes, tags: bytes = b""
    ) -> str:
        ticket = Ticket(kind, exit_id, int(self._clock()) + life_s, ticket_id, tags)
        return tickets.sign(ticket, self._config.ticket_key)


class _OriginTags:
    """Tags for the parties of an origin, by a secret that is forgotten after an hour.

    Nobody can find out afterwards which network a tag stood for, not even with the broker's keys.
    Brokers of one network draw secrets of their own, so a network has as many tags as brokers.
    """

    def __init__(self, clock: Callable[[], float], token: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._token = token
        self._secret = token(_SECRET_BYTES)
        self._period = self._now()

    def of(self, origin: bytes) -> bytes:
        """Return a tag for each number of shares in `core.origin.SHARES`, in that order.

        For more shares than any party of `origin` has, the tag stands for its widest party. For
        fewer, it is random and so unlike any other.
        """
        if self._now() != self._period:
            self._secret, self._period = self._token(_SECRET_BYTES), self._now()
        by_shares = {shares: key for key, shares in parties(origin)}
        widest = max(by_shares)
        tags = []
        for shares in SHARES:
            key = by_shares.get(min(shares, widest))
            tags.append(self._token(TAG_BYTES) if key is None else self._tag(shares, key))
        return b"".join(tags)

    def _tag(self, shares: int, key: bytes) -> bytes:
        message = bytes([shares]) + key
        return hmac.digest(self._secret, message, hashlib.sha256)[:TAG_BYTES]

    def _now(self) -> int:
        return int(self._clock() // limits.TAG_SECRET_S)
