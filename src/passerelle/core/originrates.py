"""How often each origin may do something, and each party that the origin is part of."""

from __future__ import annotations

from collections import OrderedDict

from passerelle.core.bucket import Bucket
from passerelle.core.origin import parties


class OriginRates:
    """Counts what origins (`core.origin`) do. `now` is monotonic seconds."""

    def __init__(self, most: int) -> None:
        """Beyond `most` parties, those that were counted least recently are forgotten."""
        self._most = most
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()

    def take(self, origin: bytes, rate: tuple[float, float], now: float) -> bool:
        """Count one more if all parties of `origin` then keep to `rate`; return whether they do.

        `rate` is how many at once, and how many a second, for each share of a party.
        """
        burst, per_s = rate
        own: list[Bucket] = []
        # The widest comes first: a network that has used up its rate makes no buckets for those
        # inside it, which would push out those of others.
        for key, shares in reversed(parties(origin)):
            bucket = self._buckets.get(key)
            if bucket is None:
                if len(self._buckets) >= self._most:
                    self._buckets.popitem(last=False)
                bucket = self._buckets[key] = Bucket(per_s * shares, burst * shares, now)
            else:
                self._buckets.move_to_end(key)
            if bucket.left(now) < 1:
                return False
            own.append(bucket)
        for bucket in own:
            bucket.take(now)
        return True
