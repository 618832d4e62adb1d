"""The delay before the next attempt after a failure."""

from __future__ import annotations


class Backoff:
    """Exponential backoff with jitter (Brooker, "Exponential Backoff And Jitter", 2015)."""

    def __init__(self, first_s: float, most_s: float) -> None:
        """Delays have a ceiling, which is `first_s` at first and doubles up to `most_s`."""
        self._first_s = first_s
        self._most_s = most_s
        self._ceiling_s = first_s

    def next_s(self, random: float) -> float:
        """Return the next delay in seconds, between a quarter of the ceiling and the ceiling.

        `random` is uniform in [0, 1). The quarter keeps an attempt from following at once.
        """
        ceiling, self._ceiling_s = self._ceiling_s, min(self._most_s, 2 * self._ceiling_s)
        return ceiling * (0.25 + 0.75 * random)

    def reset(self) -> None:
        """Set the ceiling back to its first value, after a success."""
        self._ceiling_s = self._first_s
