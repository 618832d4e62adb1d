"""The volunteers that have a free slot, kept so that a few of them can be drawn at random."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from typing import Final

from passerelle.core.matching.best import BestVolunteer
from passerelle.core.matching.peers import PooledVolunteer
from passerelle.core.matching.sample import Draws, SampledSet
from passerelle.core.nat.classifier import NatClass

SAMPLE: Final = 8
"""Volunteers of one NAT class that are compared for one decision."""
LARGE_SAMPLE: Final = 64
"""Volunteers of one NAT class that are compared when SAMPLE showed none without a fault."""
LOAD_MEMORY: Final = 500
"""The mean load of a NAT class is that of about so many volunteers compared last."""


class AvailableVolunteers:
    """Sets of the available volunteers, by NAT class and country, and one set of those that rest.

    `now` is monotonic seconds and never decreases.
    """

    def __init__(self) -> None:
        self._classes = {nat: _NatClassSets() for nat in NatClass}
        self._families: dict[bytes, SampledSet[PooledVolunteer]] = {}
        """Those that help one family only, by its tag. They are in no other set."""
        self._resting: SampledSet[PooledVolunteer] = SampledSet(0)
        self._rest_ends: deque[tuple[float, PooledVolunteer]] = deque()

    def __len__(self) -> int:
        """Return how many volunteers are available to everybody, those that rest included."""
        return len(self._resting) + sum(len(each.all) for each in self._classes.values())

    @property
    def classes(self) -> frozenset[NatClass]:
        """NAT classes of the available volunteers that do not rest."""
        return frozenset(nat for nat, each in self._classes.items() if each.all)

    @property
    def families(self) -> frozenset[bytes]:
        """Tags of the families that have an available volunteer."""
        return frozenset(self._families)

    def count(self, nat: NatClass) -> int:
        """Return how many volunteers of a NAT class are available to everybody and do not rest."""
        return len(self._classes[nat].all)

    def mean_load(self) -> float:
        """Return the mean load of ordinary volunteers, over all NAT classes."""
        classes = self._classes.values()
        count = sum(len(each.all) for each in classes)
        return sum(len(each.all) * each.mean_load for each in classes) / max(1, count)

    def mean_load_of(self, nat: NatClass) -> float:
        """Return the mean load of ordinary volunteers of one NAT class."""
        return self._classes[nat].mean_load

    def update(self, volunteer: PooledVolunteer, now: float) -> None:
        """Put `volunteer` into the sets it belongs to now."""
        self.discard(volunteer)
        if not volunteer.available:
            return
        if volunteer.family is not None:
            own = self._families.setdefault(volunteer.family, SampledSet(0))
            volunteer.main_set = own
        elif volunteer.resting_until > now:
            volunteer.main_set = self._resting
        else:
            sets = self._classes[volunteer.nat]
            volunteer.main_set = sets.all
            country = volunteer.location.country
            volunteer.country_set = sets.by_country.get(country)
            if volunteer.country_set is None:
                volunteer.country_set = sets.by_country[country] = SampledSet(1)
            volunteer.country_set.add(volunteer)
        volunteer.main_set.add(volunteer)

    def discard(self, volunteer: PooledVolunteer) -> None:
        """Take `volunteer` out of all sets."""
        if volunteer.main_set is not None:
            volunteer.main_set.discard(volunteer)
            if volunteer.family is not None and not volunteer.main_set:
                del self._families[volunteer.family]
        if volunteer.country_set is not None:
            volunteer.country_set.discard(volunteer)
        volunteer.main_set = volunteer.country_set = None

    def rest(self, volunteer: PooledVolunteer, until: float) -> None:
        """Let `volunteer` rest from the next `update` on; `until` never decreases over calls."""
        volunteer.resting_until = until
        self._rest_ends.append((until, volunteer))

    def end_rests(self, now: float) -> None:
        """Put the volunteers whose rest is over back among those of their NAT class."""
        while self._rest_ends and self._rest_ends[0][0] <= now:
            _, volunteer = self._rest_ends.popleft()
            # One that left the pool meanwhile, or has no slot, is in no set and stays out.
            if volunteer.main_set is self._resting:
                self.update(volunteer, now)

    def search_family(self, tag: bytes, best: BestVolunteer, draws: Draws) -> None:
        """Show random volunteers of one family to `best`."""
        if tag in self._families:
            best.see_all(self._families[tag].sample(LARGE_SAMPLE, draws))

    def search(self, best: BestVolunteer, draws: Draws) -> None:
        """Show random volunteers to `best`, more and more of them until one is without a fault."""
        classes = self._classes.values()
        for each in classes:
            each.show_sample(best, draws)
        if best.faultless:
            return
        for each in classes:
            best.see_all(each.sample_abroad(best.client.location.country, SAMPLE, draws))
        if best.faultless:
            return
        for each in classes:
            best.see_all(each.all.sample(LARGE_SAMPLE, draws))
        best.see_all(self._resting.sample(SAMPLE, draws))


class _NatClassSets:
    """The available volunteers of one NAT class that do not rest."""

    def __init__(self) -> None:
        self.all: SampledSet[PooledVolunteer] = SampledSet(0)
        self.by_country: dict[str | None, SampledSet[PooledVolunteer]] = {}
        self.mean_load = 0.0
        """Mean load of ordinary volunteers, estimated from those that were compared. Poor ones are
        left out: they are no longer asked and may be many, so they would pull the mean down."""

    def show_sample(self, best: BestVolunteer, draws: Draws) -> None:
        """Show a sample to `best`, and bring the mean load up to date with it."""
        count, load = best.see_sample(self.all.sample(SAMPLE, draws))
        if count:
            seen_all = len(self.all) <= 2 * SAMPLE
            share = 1.0 if seen_all else count / (count + LOAD_MEMORY)
            self.mean_load += share * (load / count - self.mean_load)

    def sample_abroad(
        self, country: str | None, size: int, draws: Draws
    ) -> Iterable[PooledVolunteer]:
        """Yield `size` random volunteers outside `country`, some perhaps twice.

        The time grows with the number of countries, of which there are no more than 250.
        """
        sets = [each for home, each in self.by_country.items() if home != country and each]
        ends = list(itertools.accumulate(map(len, sets)))
        for _ in range(size if sets else 0):
            place = draws.below(ends[-1])
            index = bisect_right(ends, place)
            yield sets[index][place - ends[index]]
