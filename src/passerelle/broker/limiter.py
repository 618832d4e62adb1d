"""How much each client network may ask for, and when a request must carry a proof of work.

Requests are counted for their origin (`core.origin`): a token if they carry one, else the network
they came from, and the wider networks around that. What came through a cache or a front counts for
all who ask by it, and what came from nowhere that is known counts for all of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from passerelle import limits, serverlimits
from passerelle.broker.config import BrokerConfig
from passerelle.core.originrates import OriginRates
from passerelle.core.shares import OriginCounts

_MORE_BITS: Final = 4
"""Zero bits that are added to a proof as a broker goes from half full to full."""


class RequestLimiter:
    """Counts requests and pending offers. `now` is monotonic seconds."""

    def __init__(
        self, config: BrokerConfig, *, networks: int = serverlimits.COUNTED_NETWORKS
    ) -> None:
        """Beyond `networks` parties, those that asked least recently are forgotten."""
        self._config = config
        self._sealed = OriginRates(networks)
        self._opened = OriginRates(networks)
        self._pending = OriginCounts()
        self._all_pending = 0

    @property
    def pending_offers(self) -> int:
        """Offers that wait for answers."""
        return self._all_pending

    def is_flood(self, origin: bytes, now: float) -> bool:
        """Count a request that is still sealed, and return whether it must stay so.

        Opening a request costs time. An origin that sends more than `network_flood` is not worth
        it, whatever proofs its requests may carry.
        """
        return not self._sealed.take(origin, self._config.network_flood, now)

    def is_within_rate(self, origin: bytes, rate: tuple[float, float], now: float) -> bool:
        """Count a well-formed request, and return whether all parties of `origin` keep to `rate`.

        `rate` is a number of requests at once, and a number a second, for each share.
        """
        return self._opened.take(origin, rate, now)

    def has_room_for(self, origin: bytes, offers: int) -> bool:
        """Whether `offers` more may wait for answers, in all and of `origin`."""
        if self._all_pending + offers > self._config.pending_offers:
            return False
        return self._pending.has_room(origin, self._config.network_offers, offers)

    def proof_bits(self, fullness: float) -> int:
        """Return how many zero bits a proof must have when the broker is so full (0 to 1)."""
        more = max(0.0, min(1.0, 2 * fullness - 1)) * _MORE_BITS
        return min(limits.PROOF_BITS, self._config.proof_bits + round(more))

    @contextmanager
    def count_pending(self, origin: bytes, offers: int) -> Iterator[None]:
        """Count `offers` as waiting for answers for the length of a `with`."""
        self._all_pending += offers
        self._pending.add(origin, offers)
        try:
            yield
        finally:
            self._all_pending -= offers
            self._pending.remove(origin, offers)
