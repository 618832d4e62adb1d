"""Compare volunteers for one client: see `core.matching` for what counts."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from passerelle import limits
from passerelle.core.disclosure import FAILED_REST_S, Acquaintance
from passerelle.core.nat import NatClass, chance
from passerelle.core.quality import Quality
from passerelle.core.sample import Bag

QUALITY_POWER: Final = 4
"""How much more good experience weighs than an even load."""
DECENT: Final = 0.5
"""Expectations above this are not much below a stranger's."""
EVEN: Final = 1.0
SPARE: Final = 2.0
"""Beyond EVEN × the mean load of decent volunteers + SPARE, one is soon asked no more, however good
it is."""
EVEN_POWER: Final = 8
FRESH: Final = 0.25
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
class Entry:
    """A volunteer in the pool."""

    handle: bytes
    free: int
    """Slots the volunteer declared, less those it has answered with since."""
    nat: NatClass
    origin: Origin
    quality: Quality
    loaded_at: float
    load: float = 0.0
    """Times it was asked, each counting half after LOAD_HALF_LIFE_S; as of `loaded_at`."""
    known_by: int = 0
    """Client networks that were told of it and can reach it: they will be back."""
    reserved: int = 0
    resting_until: float = 0.0
    bag: Bag[Entry] | None = None
    country_bag: Bag[Entry] | None = None
    """The bags it is in while it is available; a resting one is in no country's."""
    at: list[int] = field(default_factory=lambda: [0, 0])
    """Its places there: `core.sample.Bagged`."""

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
    client: {
        volunteer: chance(client, volunteer)
        for volunteer in NatClass
        if chance(client, volunteer) > 0
    }
    for client in NatClass
}
"""The classes that a client of each class can reach at all."""


class Choice:
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
        self.best: Entry | None = None
        self.decent = 0
        """Candidates not much worse than a stranger, who should share the load."""
        self.decent_load = 0.0
        """Theirs, all together."""
        self._best_rank = (-4, 0.0)
        self._avoid = avoid
        self._origin = seeker.origin
        self._fresh = 1.0
        if acquaintance is not None and len(acquaintance) >= seeker.most / 2:
            self._fresh = FRESH
        self._even = 1.0 + SPARE + EVEN * mean_load

    @property
    def flawless(self) -> bool:
        """Whether the best has nothing against it."""
        return self._best_rank[0] == 0

    def see_all(self, entries: Iterable[Entry]) -> None:
        """Compare several."""
        for entry in entries:
            self.see(entry)

    def see(self, entry: Entry) -> None:
        """Keep `entry` if it is better than the best so far."""
        rank = self._rank(entry)
        if rank is not None and rank > self._best_rank:
            self.best, self._best_rank = entry, rank

    def _rank(self, entry: Entry) -> tuple[int, float] | None:
        """Return what is for `entry`: less its faults, then its score. None: never."""
        weight = self.chances.get(entry.nat)
        if weight is None or entry.handle in self._avoid:
            return None
        mine, theirs = self._origin, entry.origin
        if mine.site is not None and mine.site == theirs.site:
            return None
        if mine.asn is not None and mine.asn == theirs.asn:
            return None
        faults = 0
        if mine.country is not None and mine.country == theirs.country:
            faults = 1
        if entry.resting_until > self.now:
            faults = 2
        if self.acquaintance is not None:
            failed_s = self.acquaintance.failed_s(entry.handle, self.now)
            if failed_s is not None:
                if failed_s < FAILED_REST_S:
                    return None
                faults = 3
            if entry.handle not in self.acquaintance:
                weight *= self._fresh / (1 + entry.known_by)
        return -faults, weight * self._merit(entry)

    def _merit(self, entry: Entry) -> float:
        load = 1.0 + entry.load_at(self.now)
        quality = entry.quality.value(self.now)
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
