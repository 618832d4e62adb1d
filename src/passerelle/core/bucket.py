"""A token bucket that may be overdrawn: what it owes is how long its owner has to wait."""

from __future__ import annotations


class Bucket:
    """Starts full with `burst` and grows by `per_s` a second, up to `burst`.

    `now` is monotonic seconds; tokens are whatever its owner counts.
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

    def spend(self, count: float, now: float) -> float:
        """Take `count` whatever there is; return the seconds until nothing is owed any more."""
        left = self.left(now) - count
        self._left = left
        return 0.0 if left >= 0 else -left / self._per_s
