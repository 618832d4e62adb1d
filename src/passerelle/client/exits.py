"""Which exit a client asks for: another one, when one goes away or is not there any more."""

from __future__ import annotations

from collections.abc import Sequence

AVOID_S = 60.0
"""An exit that went away is not asked for again for so long: longer than a restart takes."""
TOGETHER_S = 0.5
"""Volunteers do not vanish in the same moment. When all links do, it was the exit."""
MISSES = 2
"""Links in a row that could not be made, after which the exit is thought to be gone."""


class ExitHealth:
    """What a client knows of its network's exits. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._avoided: dict[str, float] = {}
        """Until when; at most one entry for each exit of the descriptor."""
        self._misses = 0
        self._lost: list[tuple[float, bytes | None]] = []
        """Links lost lately: when, and whom they led through."""

    def avoid(self, exit_id: str | None, now: float) -> None:
        """Ask for others for a while."""
        if exit_id is not None:
            self._avoided[exit_id] = now + AVOID_S
        self._misses = 0
        self._lost.clear()

    def choose(self, exits: Sequence[str], now: float, chance: float) -> str | None:
        """Return the exit to ask for, by `chance` (0 to 1); None: whichever the broker likes.

        If all of several went away, the one that did first: it is the likeliest to be back.
        """
        good = [each for each in exits if self._avoided.get(each, now) <= now]
        if len(good) == len(exits):
            return None
        if not good:
            return min(exits, key=self._avoided.__getitem__)
        return good[int(chance * len(good)) % len(good)]

    def joined(self) -> None:
        """A link was made: the exit is there."""
        self._misses = 0
        self._lost.clear()

    def missed(self) -> bool:
        """Count a link that could not be made; return whether the exit is thought to be gone."""
        self._misses += 1
        return self._misses >= MISSES

    def lost(self, volunteer: bytes | None, now: float) -> bool:
        """Count a link that vanished; return whether so many did at once that the exit is gone.

        It means that if no other link is left.
        """
        self._lost = [each for each in self._lost if now - each[0] <= TOGETHER_S]
        self._lost.append((now, volunteer))
        return len({each for _, each in self._lost}) > 1
