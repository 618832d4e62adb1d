"""When to try again after a failure."""

from __future__ import annotations


class Backoff:
    """Exponential backoff with jitter (Brooker, "Exponential Backoff And Jitter", 2015)."""

    def __init__(self, first_s: float, most_s: float) -> None:
        """The first delay is up to `first_s`; the ceiling then doubles, up to `most_s`."""
        self._first_s = first_s
        self._most_s = most_s
        self._ceiling_s = first_s

    def next_s(self, random: float) -> float:
        """Return the next delay in seconds; `random` is uniform in [0, 1).

        At least a quarter of the ceiling, so that "again" is never "at once".
        """
        ceiling, self._ceiling_s = self._ceiling_s, min(self._most_s, 2 * self._ceiling_s)
        return ceiling * (0.25 + 0.75 * random)

    def reset(self) -> None:
        """Start over after a success."""
        self._ceiling_s = self._first_s
