"""A token bucket: a rate with a burst, for whatever its owner counts."""

from __future__ import annotations


class Bucket:
    """Starts full with `burst` tokens and gains `per_s` a second, up to `burst`.

    `now` is monotonic seconds; a clock that stands or steps back adds nothing.
    """

    __slots__ = ("_burst", "_left", "_per_s", "_then")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._then = now

    def left(self, now: float) -> float:
        """Return how many tokens there are; negative while overdrawn."""
        if now > self._then:
            self._left = min(self._burst, self._left + (now - self._then) * self._per_s)
            self._then = now
        return self._left

    def take(self, now: float, count: float = 1) -> bool:
        """Take `count` if there are so many, and return whether there were."""
        if self.left(now) < count:
            return False
        self._left -= count
        return True

    def grant(self, count: float) -> None:
        """Add `count` tokens, up to `burst`."""
        self._left = min(self._burst, self._left + count)

    def spend(self, count: float, now: float) -> float:
        """Take `count` even if there are fewer; return the seconds until nothing is owed."""
        left = self.left(now) - count
        self._left = left
        return 0.0 if left >= 0 else -left / self._per_s
