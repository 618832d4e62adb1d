"""Who may ask how much, and when a request must show a proof of work or a token.

Counted by token where there is one, else by the network (/24 or /56) a request came from. Requests
from where nobody tells us are not counted: they share what all may learn, and pay when it is busy.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.core.bucket import Bucket

_MORE_BITS = 4
"""How much harder a proof becomes, in bits, from half full to full."""


class Gate:
    """Keeps count. `now` is monotonic seconds."""

    def __init__(self, config: BrokerConfig, *, networks: int = limits.COUNTED_NETWORKS) -> None:
        """The networks that asked least recently are forgotten beyond `networks`."""
        self._config = config
        self._most_networks = networks
        self._floods: OrderedDict[bytes, Bucket] = OrderedDict()
        self._usual: OrderedDict[bytes, Bucket] = OrderedDict()
        self._pending: Counter[bytes] = Counter()
        self._all_pending = 0

    @property
    def pending(self) -> int:
        """Offers that wait for answers."""
        return self._all_pending

    def is_flood(self, network: bytes | None, now: float) -> bool:
        """Count a request that was not opened yet; tell whether it is one too many even to be."""
        if network is None:
            return False
        return not self._take(self._floods, network, self._config.network_flood, now)

    def is_usual(self, key: bytes | None, rate: tuple[float, float], now: float) -> bool:
        """Count a request that is well formed; tell whether `key` asks no more than is usual."""
        return key is None or self._take(self._usual, key, rate, now)

    def has_room(self, key: bytes | None, offers: int) -> bool:
        """Whether `offers` more may wait for answers."""
        if self._all_pending + offers > self._config.pending_offers:
            return False
        return key is None or self._pending[key] + offers <= self._config.network_offers

    def proof_bits(self, fullness: float) -> int:
        """Return how hard a proof must be when so much (0 to 1) is taken of what there is."""
        more = max(0.0, min(1.0, 2 * fullness - 1)) * _MORE_BITS
        return min(limits.PROOF_BITS, self._config.proof_bits + round(more))

    @contextmanager
    def waiting(self, key: bytes | None, offers: int) -> Iterator[None]:
        """Count `offers` as waiting for the length of a `with`."""
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
        table: OrderedDict[bytes, Bucket],
        key: bytes,
        rate: tuple[float, float],
        now: float,
    ) -> bool:
        bucket = table.get(key)
        if bucket is None:
            if len(table) >= self._most_networks:
                table.popitem(last=False)
            burst, per_s = rate
            bucket = table[key] = Bucket(per_s, burst, now)
        else:
            table.move_to_end(key)
        return bucket.take(now)
