"""How many messages a peer may still send: a token bucket."""

from __future__ import annotations


class Allowance:
    """Starts full with `burst` and grows by `per_s` a second, up to `burst`.

    `now` is monotonic seconds.
    """

    __slots__ = ("_burst", "_left", "_per_s", "_then")

    def __init__(self, burst: float, per_s: float, now: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = burst
        self._then = now

    def take(self, now: float) -> bool:
        """Take one, and return whether there was one."""
        self._left = min(self._burst, self._left + (now - self._then) * self._per_s)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def grant(self, count: float) -> None:
        """Add `count`, within the burst."""
        self._left = min(self._burst, self._left + count)
