"""How much each client network may ask for, and when a request must carry a proof of work.

Requests are counted by token if they carry one, else by the network (/24 or /56) they came from.
Requests from an unknown address are not counted by network: together they share what volunteers all
of them may learn of, and under overload each pays with a proof of work.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.core.bucket import Bucket

_MORE_BITS: Final = 4
"""Zero bits that are added to a proof as a broker goes from half full to full."""


class RequestLimiter:
    """Counts requests and pending offers. `now` is monotonic seconds."""

    def __init__(self, config: BrokerConfig, *, networks: int = limits.COUNTED_NETWORKS) -> None:
        """Beyond `networks` networks and tokens, those that asked least recently are forgotten."""
        self._config = config
        self._most_networks = networks
        self._sealed: OrderedDict[bytes, Bucket] = OrderedDict()
        self._opened: OrderedDict[bytes, Bucket] = OrderedDict()
        self._pending: Counter[bytes] = Counter()
        self._all_pending = 0

    @property
    def pending_offers(self) -> int:
        """Offers that wait for answers."""
        return self._all_pending

    def is_flood(self, network: bytes | None, now: float) -> bool:
        """Count a request that is still sealed, and return whether it must stay so.

        Opening a request costs time. A network that sends more than `network_flood` is not worth
        it, whatever proofs its requests may carry.
        """
        if network is None:
            return False
        return not self._take(self._sealed, network, self._config.network_flood, now)

    def is_within_rate(self, key: bytes | None, rate: tuple[float, float], now: float) -> bool:
        """Count a well-formed request, and return whether `key` keeps to `rate`.

        `rate` is a number of requests at once, and a number a second. None as `key` keeps to any.
        """
        return key is None or self._take(self._opened, key, rate, now)

    def has_room_for(self, key: bytes | None, offers: int) -> bool:
        """Whether `offers` more may wait for answers, in all and of `key`."""
        if self._all_pending + offers > self._config.pending_offers:
            return False
        return key is None or self._pending[key] + offers <= self._config.network_offers

    def proof_bits(self, fullness: float) -> int:
        """Return how many zero bits a proof must have when the broker is so full (0 to 1)."""
        more = max(0.0, min(1.0, 2 * fullness - 1)) * _MORE_BITS
        return min(limits.PROOF_BITS, self._config.proof_bits + round(more))

    @contextmanager
    def count_pending(self, key: bytes | None, offers: int) -> Iterator[None]:
        """Count `offers` as waiting for answers for the length of a `with`."""
        self._all_pending += offers
        if key is not None:
            self._pending[key] += offers
        try:
            yield
        finally:
            self._all_pending -= offers
            if key is not None:
                self._pending[key] -= offers
                if not self._pending[key]:
                    del self._pending[key]

    def _take(
        self,
        buckets: OrderedDict[bytes, Bucket],
        key: bytes,
        rate: tuple[float, float],
        now: float,
    ) -> bool:
        bucket = buckets.get(key)
        if bucket is None:
            if len(buckets) >= self._most_networks:
                buckets.popitem(last=False)
            burst, per_s = rate
            bucket = buckets[key] = Bucket(per_s, burst, now)
        else:
            buckets.move_to_end(key)
        return bucket.take(now)
