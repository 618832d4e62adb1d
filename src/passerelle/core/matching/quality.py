"""What experience says of a volunteer: mostly an exit's, which sees its links live and end."""

from __future__ import annotations

import enum
from dataclasses import dataclass

HALF_LIFE_S = 12 * 3600.0
"""Experience counts half after this time: people move, and get another chance."""
PRIOR_GOOD = 1.0
PRIOR_BAD = 0.5
"""What a stranger starts with: little, so that experience soon weighs more."""
FAILURE_WEIGHT = 0.3
"""A failure counts this much times the odds of success: it says much where success was likely, and
whoever fails no more often than was to be expected comes out the same, whatever that is."""
SUREST = 0.8
"""Nothing is expected more surely than this."""
INHERITED_WEIGHT = 6.0
"""Most that a newcomer inherits from its neighbours, so that a new name is no new reputation."""
LASTING_S = 60.0
"""A link that broke after this time was worth half of one that ended in good order."""
GOOD_RATE_BYTES_S = 125_000.0
"""Where a faster link counts no more: a page loads well with 1 Mbit/s."""
RATED_BYTES = 256 * 1024
"""Fewer bytes say nothing about a rate."""


class LinkEnding(enum.Enum):
    """How one link through a volunteer ended."""

    CLEAN = "clean"
    """In good order: someone closed it, or it was drained."""
    LOST = "lost"
    """It broke."""
    UNUSED = "unused"
    """The client never came through, or the volunteer never came to the exit."""
    BROKEN = "broken"
    """Somebody in the middle altered bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkExperience:
    """What an exit saw of one link."""

    ending: LinkEnding
    duration_s: float = 0.0
    bytes: int = 0
    """Both directions."""
    rate_bytes_s: float = 0.0
    """Highest delivery rate."""

    @property
    def worth(self) -> float:
        """How good it was, 0 to 1."""
        if self.ending in (LinkEnding.UNUSED, LinkEnding.BROKEN):
            return 0.0
        worth = 1.0
        if self.ending is LinkEnding.LOST:
            worth = self.duration_s / (self.duration_s + LASTING_S)
        if self.bytes >= RATED_BYTES:
            worth *= 0.5 + 0.5 * min(1.0, self.rate_bytes_s / GOOD_RATE_BYTES_S)
        return worth


@dataclass(slots=True)
class VolunteerQuality:
    """Good and bad experience with one volunteer, or with one network's; both fade."""

    since: float
    """When `good` and `bad` were last brought up to date; monotonic seconds."""
    good: float = 0.0
    bad: float = 0.0

    def value(self, now: float) -> float:
        """Return how much is to be expected, above 0 and below 1."""
        left = self._left(now)
        good = self.good * left + PRIOR_GOOD
        return good / (good + self.bad * left + PRIOR_BAD)

    def add(self, worth: float, expected: float, now: float) -> None:
        """Count one link's `worth`; with little expected (0 to 1), a failure says little."""
        self._fade(now)
        self.good += worth
        expected = min(expected, SUREST)
        self.bad += (1 - worth) * FAILURE_WEIGHT * expected / (1 - expected)

    def absorb(self, other: VolunteerQuality, now: float) -> None:
        """Add what is known of `other`, and keep no more than a newcomer may inherit."""
        self._fade(now)
        left = other._left(now)
        self.good += other.good * left
        self.bad += other.bad * left
        excess = max(1.0, (self.good + self.bad) / INHERITED_WEIGHT)
        self.good /= excess
        self.bad /= excess

    def _left(self, now: float) -> float:
        return float(2.0 ** ((self.since - now) / HALF_LIFE_S))

    def _fade(self, now: float) -> None:
        left = self._left(now)
        self.good *= left
        self.bad *= left
        self.since = now
