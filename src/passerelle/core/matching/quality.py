"""Quality of volunteers, learned from earlier links: mostly from reports of exits."""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass

HALF_LIFE_S = 12 * 3600.0
"""Experience counts half after this time: people move to other networks, and the volunteer gets
another chance."""
PRIOR_GOOD = 1.0
"""Good experience that a stranger starts with: little, so that real experience soon weighs more."""
PRIOR_BAD = 0.5
"""Bad experience that a stranger starts with."""
FAILURE_WEIGHT = 0.3
"""A failure counts as this much bad experience, times the odds of success. It says much where
success was likely, and a volunteer that fails no more often than expected comes out the same,
whatever was expected."""
MOST_EXPECTED = 0.8
"""Success is never taken to be likelier than this: the odds, and the weight of one failure, would
grow without bound."""
MOST_INHERITED = 6.0
"""Most experience, good and bad together, that a newcomer inherits from its neighbours. It inherits
some so that a bad volunteer gains nothing by coming back under a new handle."""
LASTING_S = 60.0
"""A link that broke after this time was worth half of one that ended in good order."""
GOOD_RATE_BYTES_S = 125_000.0
"""A link faster than this is worth no more: a page loads well with 1 Mbit/s."""
RATED_BYTES = 256 * 1024
"""A link that carried fewer bytes says nothing about a rate."""


class LinkEnding(enum.Enum):
    """How one link through a volunteer ended."""

    CLEAN = "clean"
    """It ended in good order: one side closed it, or it was drained."""
    LOST = "lost"
    """Its connection broke."""
    UNUSED = "unused"
    """The client never came through, or the volunteer never came to the exit."""
    BROKEN = "broken"
    """Bytes arrived altered: whoever is in the middle changed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkExperience:
    """What an exit saw of one link."""

    ending: LinkEnding
    duration_s: float = 0.0
    bytes: int = 0
    """Bytes carried, both directions together."""
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
    """Good and bad experience with one volunteer, or with those of one network; both fade."""

    since: float
    """When `good` and `bad` were last brought up to date; monotonic seconds."""
    good: float = 0.0
    bad: float = 0.0

    def value(self, now: float) -> float:
        """Return how well a link is expected to do, above 0 and below 1; a stranger's is 2/3."""
        left = self._left(now)
        good = self.good * left + PRIOR_GOOD
        return good / (good + self.bad * left + PRIOR_BAD)

    def add(self, worth: float, expected: float, now: float) -> None:
        """Count a link's `worth`, 0 to 1. A failure says less where less was `expected`, 0 to 1."""
        self._fade(now)
        self.good += worth
        expected = min(expected, MOST_EXPECTED)
        self.bad += (1 - worth) * FAILURE_WEIGHT * expected / (1 - expected)

    def absorb(self, other: VolunteerQuality, now: float) -> None:
        """Add the experience of `other`, then scale the sum down to what may be inherited."""
        self._fade(now)
        left = other._left(now)
        self.good += other.good * left
        self.bad += other.bad * left
        excess = max(1.0, (self.good + self.bad) / MOST_INHERITED)
        self.good /= excess
        self.bad /= excess

    def _left(self, now: float) -> float:
        return float(2.0 ** ((self.since - now) / HALF_LIFE_S))

    def _fade(self, now: float) -> None:
        left = self._left(now)
        self.good *= left
        self.bad *= left
        self.since = now


class NeighbourhoodQuality:
    """The quality of volunteers that have left, by their /24 or /48.

    A newcomer inherits some of it. Beyond `capacity` networks, the one that was added to least
    recently is forgotten.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._by_site: OrderedDict[bytes, VolunteerQuality] = OrderedDict()

    def newcomer(self, site: bytes | None, now: float) -> VolunteerQuality:
        """Return what is expected of a new volunteer in `site`, None where that is not known."""
        quality = VolunteerQuality(now)
        if site is not None and site in self._by_site:
            quality.absorb(self._by_site[site], now)
        return quality

    def remember(self, site: bytes | None, quality: VolunteerQuality, now: float) -> None:
        """Add the quality of a volunteer that leaves."""
        if site is None:
            return
        remembered = self._by_site.pop(site, None) or VolunteerQuality(now)
        remembered.absorb(quality, now)
        self._by_site[site] = remembered
        if len(self._by_site) > self._capacity:
            self._by_site.popitem(last=False)
