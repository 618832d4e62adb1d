"""Compare volunteers for one client. `core.matching.pool` says what counts, in which order."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from passerelle.core.matching.disclosure import DisclosureRecord
from passerelle.core.matching.peers import ClientProfile, PooledVolunteer
from passerelle.core.nat.classifier import NatClass, chance

QUALITY_POWER: Final = 4
"""Exponent of quality in the score: good experience weighs more than an even load."""
POOR_QUALITY: Final = 0.25
"""A volunteer of a lower quality is asked only when nobody better is there, until its failures
fade. A stranger falls below this with its second clear failure."""
ORDINARY_QUALITY: Final = 0.5
"""A volunteer of a higher quality is not much worse than a stranger, and should share the load."""
LOAD_FLOOR: Final = 1.0
"""Load up to which a volunteer's score is never reduced."""
LOAD_MARGIN: Final = 0.5
"""Load above the mean of ordinary volunteers up to which a volunteer's score is not reduced."""
OVERLOAD_POWER: Final = 8
"""Exponent by which a score falls with the load beyond LOAD_FLOOR and LOAD_MARGIN. It is so steep
that others are soon asked instead of even the best volunteer."""
UNDISCLOSED_WEIGHT: Final = 0.5
"""Weight of a volunteer that the client's network does not know yet, once that network knows half
of those it may: the other half is kept for when known volunteers leave."""

_SAME_COUNTRY: Final = 1
_POOR: Final = 2
_RESTING: Final = 3
_FAILED_THIS_CLIENT: Final = 4
_BARRED: Final = 5
"""Faults, the worst last. A volunteer counts with its worst fault, and any volunteer with a lesser
one comes before it."""
_NOBODY: Final = (-_BARRED - 1, 0.0)
"""A rank below that of every volunteer."""

_CHANCES: Final = {
    client: {volunteer: chance(client, volunteer) for volunteer in NatClass} for client in NatClass
}


class BestVolunteer:
    """The best volunteer for one client among those that were shown."""

    __slots__ = (
        *("_avoid", "_best_rank", "_blocked", "_chances", "_last_resort", "_load_limit"),
        *("_location", "_ordinary", "_ordinary_load", "_undisclosed_weight"),
        *("client", "now", "record", "volunteer"),
    )

    def __init__(
        self,
        client: ClientProfile,
        avoid: Container[bytes],
        record: DisclosureRecord | None,
        mean_load: float,
        now: float,
        *,
        last_resort: bool = False,
        blocked: bool = False,
    ) -> None:
        """`avoid` are handles never to be chosen; `record` is what the client's network knows,
        None when that is not counted; `mean_load` is that of ordinary volunteers; `now` is
        monotonic seconds. With `last_resort`, one that the client's network is barred from may be
        chosen, if nobody else is shown. With `blocked`, one whose network lets no UDP through may.
        """
        self.client = client
        self.record = record
        self.now = now
        self.volunteer: PooledVolunteer | None = None
        self._best_rank = _NOBODY
        self._avoid = avoid
        self._last_resort = last_resort
        self._blocked = blocked
        self._location = client.location
        self._chances = _CHANCES[client.nat]
        self._load_limit = 1.0 + max(LOAD_FLOOR, LOAD_MARGIN + mean_load)
        self._undisclosed_weight = 1.0
        if record is not None and len(record) >= client.disclosure_limit / 2:
            self._undisclosed_weight = UNDISCLOSED_WEIGHT
        self._ordinary = 0
        self._ordinary_load = 0.0

    @property
    def faultless(self) -> bool:
        """Whether there is a best volunteer, and it has no fault."""
        return self._best_rank[0] == 0

    def see_sample(self, volunteers: Iterable[PooledVolunteer]) -> tuple[int, float]:
        """Compare several; return how many of them are ordinary, and the sum of their loads."""
        self._ordinary, self._ordinary_load = 0, 0.0
        self.see_all(volunteers)
        return self._ordinary, self._ordinary_load

    def see_all(self, volunteers: Iterable[PooledVolunteer]) -> None:
        """Compare several."""
        for volunteer in volunteers:
            self.see(volunteer)

    def see(self, volunteer: PooledVolunteer) -> None:
        """Keep `volunteer` if it is better than the best so far."""
        rank = self._rank(volunteer)
        if rank is not None and rank > self._best_rank:
            self.volunteer, self._best_rank = volunteer, rank

    def _rank(self, volunteer: PooledVolunteer) -> tuple[int, float] | None:
        """Return its worst fault, negated, and its score; None if it must not be asked."""
        if volunteer.handle in self._avoid:
            return None
        if volunteer.nat is NatClass.BLOCKED and not self._blocked:
            return None
        mine, theirs = self._location, volunteer.location
        if mine.site is not None and mine.site == theirs.site:
            return None
        if mine.asn is not None and mine.asn == theirs.asn:
            return None
        weight = self._chances[volunteer.nat]
        fault = 0
        if mine.country is not None and mine.country == theirs.country:
            fault = _SAME_COUNTRY
        quality = volunteer.quality.value(self.now)
        if quality < POOR_QUALITY:
            fault = _POOR
        if volunteer.resting_until > self.now:
            fault = _RESTING
        if self.record is not None:
            if self.record.failures(volunteer.handle, self.now):
                fault = _FAILED_THIS_CLIENT
            if self.record.is_barred(volunteer.handle, self.now):
                fault = _BARRED
                rested = self.record.may_be_last_resort(volunteer.handle, self.now)
                if not (self._last_resort and rested):
                    return None
            if volunteer.handle not in self.record:
                weight *= self._undisclosed_weight / (1 + volunteer.known_by)
        return -fault, weight * self._merit(volunteer, quality)

    def _merit(self, volunteer: PooledVolunteer, quality: float) -> float:
        """Return the part of the score that is the same for every client."""
        load = 1.0 + volunteer.load_at(self.now)
        if quality > ORDINARY_QUALITY:
            self._ordinary += 1
            self._ordinary_load += load - 1.0
        room = volunteer.free - volunteer.reserved
        merit = quality**QUALITY_POWER / load * room / (room + 1)
        if load > self._load_limit:
            merit *= (self._load_limit / load) ** OVERLOAD_POWER
        return merit
