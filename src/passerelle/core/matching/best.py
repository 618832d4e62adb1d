"""Compare volunteers for one client: see `core.matching.pool` for what counts."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from passerelle import limits
from passerelle.core.matching.disclosure import Acquaintance
from passerelle.core.matching.quality import VolunteerQuality
from passerelle.core.matching.sample import Bag
from passerelle.core.nat.classifier import NatClass, chance

QUALITY_POWER: Final = 4
"""How much more good experience weighs than an even load."""
DISGRACED: Final = 0.25
"""Of whom less is to be expected, is asked only when nobody else is there, until that is forgotten:
a stranger's second clear failure does it."""
DECENT: Final = 0.5
"""Expectations above this are not much below a stranger's."""
SPARE: Final = 1.0
MARGIN: Final = 0.5
"""One that was asked more than SPARE times lately, and by MARGIN more than decent volunteers are on
average, is soon asked no more, however good it is."""
EVEN_POWER: Final = 8
FRESH: Final = 0.5
"""Weight of a volunteer that the client's network does not know yet, once it knows half of what it
may: the other half is kept for when those leave."""
LOAD_HALF_LIFE_S: Final = 3 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a peer is, coarsely. None where it is not known: then it says nothing."""

    site: bytes | None = None
    """Its /24 or /48."""
    country: str | None = None
    asn: int | None = None

    def __repr__(self) -> str:
        return "<origin withheld>"


NOWHERE: Final = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeker:
    """What is known of a client that asks for a volunteer."""

    nat: NatClass = NatClass.UNKNOWN
    origin: Origin = NOWHERE
    key: bytes | None = field(default=None, repr=False)
    """Whose acquaintances it shares: its /24 or /56, or its token. None counts for nobody."""
    most: int = limits.DISCLOSED_VOLUNTEERS
    """Volunteers that `key` may learn of in a day."""
    crowd: bool = False
    """Whether `key` stands for many who have nothing in common: whom a volunteer failed among them
    says nothing about the others."""


@dataclass(slots=True, eq=False)
class PooledVolunteer:
    """A volunteer in the pool."""

    handle: bytes
    free: int
    """Slots the volunteer declared, less those it has answered with since."""
    nat: NatClass
    origin: Origin
    quality: VolunteerQuality
    loaded_at: float
    load: float = 0.0
    """Times it was asked, each counting half after LOAD_HALF_LIFE_S; as of `loaded_at`."""
    known_by: int = 0
    """Client networks that were told of it and can reach it: they will be back."""
    reserved: int = 0
    resting_until: float = 0.0
    bag: Bag[PooledVolunteer] | None = None
    country_bag: Bag[PooledVolunteer] | None = None
    """The bags it is in while it is available; a resting one is in no country's."""
    at: list[int] = field(default_factory=lambda: [0, 0])
    """Its places there: `core.matching.sample.Bagged`."""

    @property
    def available(self) -> bool:
        """Whether it has a slot that is neither used nor promised."""
        return self.free > self.reserved

    def load_at(self, now: float) -> float:
        """Return how often it was asked lately."""
        return self.load * decayed(now - self.loaded_at)

    def add_load(self, change: float, now: float) -> None:
        """Count that it was asked once more, or was not after all."""
        self.load = max(0.0, self.load_at(now) + change)
        self.loaded_at = now


CHANCES: Final = {
    client: {volunteer: chance(client, volunteer) for volunteer in NatClass} for client in NatClass
}


class BestVolunteer:
    """The best candidate of those seen for one seeker."""

    __slots__ = (
        *("_avoid", "_best_rank", "_even", "_fresh", "_origin"),
        *("acquaintance", "best", "chances", "decent", "decent_load", "now", "seeker"),
    )

    def __init__(
        self,
        seeker: Seeker,
        avoid: Container[bytes],
        acquaintance: Acquaintance | None,
        mean_load: float,
        now: float,
    ) -> None:
        self.seeker = seeker
        self.acquaintance = acquaintance
        self.now = now
        self.chances = CHANCES[seeker.nat]
        self.best: PooledVolunteer | None = None
        self.decent = 0
        """Candidates not much worse than a stranger, who should share the load."""
        self.decent_load = 0.0
        """Theirs, all together."""
        self._best_rank = (-5, 0.0)
        self._avoid = avoid
        self._origin = seeker.origin
        self._fresh = 1.0
        if acquaintance is not None and len(acquaintance) >= seeker.most / 2:
            self._fresh = FRESH
        self._even = 1.0 + max(SPARE, MARGIN + mean_load)

    @property
    def flawless(self) -> bool:
        """Whether the best has nothing against it."""
        return self._best_rank[0] == 0

    def see_all(self, entries: Iterable[PooledVolunteer]) -> None:
        """Compare several."""
        for entry in entries:
            self.see(entry)

    def see(self, entry: PooledVolunteer) -> None:
        """Keep `entry` if it is better than the best so far."""
        rank = self._rank(entry)
        if rank is not None and rank > self._best_rank:
            self.best, self._best_rank = entry, rank

    def _rank(self, entry: PooledVolunteer) -> tuple[int, float] | None:
        """Return what is for `entry`: less its faults, then its score. None: never."""
        if entry.handle in self._avoid:
            return None
        weight = self.chances[entry.nat]
        mine, theirs = self._origin, entry.origin
        if mine.site is not None and mine.site == theirs.site:
            return None
        if mine.asn is not None and mine.asn == theirs.asn:
            return None
        faults = 0
        if mine.country is not None and mine.country == theirs.country:
            faults = 1
        quality = entry.quality.value(self.now)
        if quality < DISGRACED:
            faults = 2
        if entry.resting_until > self.now:
            faults = 3
        if self.acquaintance is not None:
            if self.acquaintance.is_barred(entry.handle, self.now):
                return None
            if self.acquaintance.failures(entry.handle, self.now):
                faults = 4
            if entry.handle not in self.acquaintance:
                weight *= self._fresh / (1 + entry.known_by)
        return -faults, weight * self._merit(entry, quality)

    def _merit(self, entry: PooledVolunteer, quality: float) -> float:
        load = 1.0 + entry.load_at(self.now)
        if quality > DECENT:
            self.decent += 1
            self.decent_load += load - 1.0
        room = entry.free - entry.reserved
        merit = quality**QUALITY_POWER / load * room / (room + 1)
        if load > self._even:
            merit *= (self._even / load) ** EVEN_POWER
        return merit


def decayed(age_s: float) -> float:
    """Return what is left of one unit of load after `age_s`."""
    return float(2.0 ** (-age_s / LOAD_HALF_LIFE_S))
