"""Choice of the exit a client asks for: another one, when one goes away or cannot be reached."""

from __future__ import annotations

from collections.abc import Sequence

AVOID_S = 60.0
"""An exit that went away is not asked for again for so long: longer than a restart takes."""
TOGETHER_S = 0.5
"""Volunteers do not vanish in the same moment: when all links do, the exit is gone."""
FAILURES_IN_A_ROW = 2
"""After so many links in a row that could not be made, the exit is thought to be gone."""


class ExitHealth:
    """What a client knows of its network's exits. Pure: `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._avoided_until: dict[str, float] = {}
        """When each avoided exit may be asked for again; at most one entry an exit."""
        self._failures = 0
        """Links that could not be made, in a row."""
        self._lost_link = False
        """Whether a link ended without a word since the last sign of the exit."""
        self._vanished: list[tuple[float, bytes | None]] = []
        """When links vanished lately, and whom they led through."""

    def avoid(self, exit_id: str | None, now: float) -> None:
        """Ask for others for a while, and count anew; None: no exit was chosen yet."""
        if exit_id is not None:
            self._avoided_until[exit_id] = now + AVOID_S
        self._count_anew()

    def choose(self, exits: Sequence[str], now: float, chance: float) -> str | None:
        """Return the exit to ask for, by `chance` (0 to 1); None: whichever the broker likes.

        If all of several went away, the one that did first: it is the likeliest to be back.
        """
        good = [each for each in exits if self._avoided_until.get(each, now) <= now]
        if len(good) == len(exits):
            return None
        if not good:
            return min(exits, key=self._avoided_until.__getitem__)
        return good[int(chance * len(good)) % len(good)]

    @property
    def is_doubted(self) -> bool:
        """Whether something has failed since the last sign of the exit."""
        return self._lost_link or self._failures > 0

    def link_is_up(self) -> None:
        """Learn that the exit is there."""
        self._count_anew()

    def link_failed(self, *, met_volunteer: bool) -> bool:
        """Count a link that could not be made; return whether the exit is thought to be gone.

        One failure is enough when the volunteer was there and did not reach the exit, and when a
        link that was up has ended without a word before.
        """
        self._failures += 1
        return self._failures >= FAILURES_IN_A_ROW or (met_volunteer and self._lost_link)

    def link_fell_silent(self) -> None:
        """Learn that nothing came by a link any more."""
        self._lost_link = True

    def link_vanished(self, volunteer: bytes | None, now: float) -> bool:
        """Count a link that broke without a word, by the volunteer it led through.

        Returns whether links through several volunteers broke at once. If no link is left, the
        exit is thought to be gone then.
        """
        self._vanished = [each for each in self._vanished if now - each[0] <= TOGETHER_S]
        self._vanished.append((now, volunteer))
        self._lost_link = True
        return len({through for _, through in self._vanished}) > 1

    def _count_anew(self) -> None:
        self._failures = 0
        self._lost_link = False
        self._vanished.clear()
