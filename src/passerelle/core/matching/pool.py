"""Decide which volunteer is asked to take a client's offer.

A volunteer has slots; being asked reserves one until the offer is settled. `VolunteerPool.pick`
compares a few random volunteers of each NAT class and takes the best (Mitzenmacher, "The Power of
Two Choices in Randomized Load Balancing", 2001). So the time of a decision does not depend on how
many volunteers there are, and brokers and clients do not all run after the same one.

What counts, in this order:

0. A client that names a family gets one of its volunteers or none, and no other client gets one.
1. A volunteer in the client's own /24, /48 or provider's network is never taken, nor is one whose
   network lets no UDP through: it can help nobody. Only where that is the word of most volunteers,
   it says rather that the STUN servers are silent, and they are taken (`DOUBTED`).
2. One without a fault is taken before one with a fault. Faults, from the least on: it is in the
   client's country, its quality is poor, it rests after an offer that it left unanswered, it
   failed this client. One that failed this client's network a moment ago, or twice in a day, is
   taken only as a last resort, after a rest that each failure doubles.
3. Then the product counts of: the chance that the two NATs reach each other, its quality, how
   little it was asked lately, how many slots it has left.
4. In that product a volunteer that is new to the client's network counts the less, the more other
   networks know it, and half once the client's knows half of those it may. A network is told of
   `ClientProfile.disclosure_limit` volunteers a day and no more, and a wider one of that many for
   each of its shares (`core.origin`).
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Final

from passerelle import serverlimits
from passerelle.core.matching.availability import AvailableVolunteers
from passerelle.core.matching.best import BestVolunteer
from passerelle.core.matching.disclosure import DisclosureTable
from passerelle.core.matching.peers import (
    UNKNOWN_LOCATION,
    ClientProfile,
    PeerLocation,
    PooledVolunteer,
)
from passerelle.core.matching.quality import LinkExperience, NeighbourhoodQuality
from passerelle.core.matching.sample import Draws
from passerelle.core.nat.classifier import NatClass, chance

REST_S = 30.0
"""How long a volunteer rests after an unanswered offer: its page was suspended, or lost its
network."""
DOUBTED: Final = 8
"""Number of volunteers without UDP from which on they are doubted, where most have none."""
CLIENT_REPORT_WEIGHT: Final = 0.5
"""What a client's word about a failure counts; an exit's counts 1."""


class Outcome(enum.Enum):
    """How an offer ended."""

    ANSWERED = "answered"
    """The volunteer answered. The slot is in use until the volunteer says otherwise. It is taken
    off unless the volunteer has declared its slots since it was asked."""
    BUSY = "busy"
    """The volunteer has no slot left, whatever it said before."""
    DECLINED = "declined"
    """The volunteer could not take this offer."""
    SILENT = "silent"
    """No answer came in time."""
    SLOW = "slow"
    """The offer was withdrawn because others had to be asked meanwhile. That may be the
    volunteer's distance, so it rests, and its quality stays."""
    WITHDRAWN = "withdrawn"
    """The client or the broker no longer wanted it, which says nothing about the volunteer."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A volunteer that was chosen for a client, with a slot reserved. Each must be settled."""

    volunteer: bytes
    """Its handle."""
    chance: float
    """How likely the two NATs reach each other."""
    client: ClientProfile
    newly_disclosed: int
    """How many parties of the client's key, from the narrowest on, did not know this volunteer
    before."""
    declared: int
    """The volunteer's `declared` when the slot was reserved."""
    country: str | None = None
    """The volunteer's."""


class VolunteerPool:
    """The volunteers of one broker, each by an opaque handle.

    `now` is monotonic seconds and never decreases. Handles that are not in the pool are ignored:
    an offer may be settled after its volunteer has left.
    """

    def __init__(
        self,
        *,
        networks: int = serverlimits.DISCLOSURE_RECORDS,
        neighbourhoods: int = serverlimits.VOLUNTEER_NEIGHBOURHOODS,
    ) -> None:
        """`networks` is how many client networks are remembered, `neighbourhoods` how many
        networks of volunteers that have left.
        """
        self._by_handle: dict[bytes, PooledVolunteer] = {}
        self._available = AvailableVolunteers()
        self._disclosures = DisclosureTable(networks)
        self._neighbourhoods = NeighbourhoodQuality(neighbourhoods)
        self._countries: Counter[str | None] = Counter()
        """Volunteers by country, kept up to date because the public numbers are often asked for."""
        self._nats: Counter[NatClass] = Counter()
        """Volunteers by the class of their NAT."""

    def __len__(self) -> int:
        """Return how many volunteers are in the pool, with a free slot or without."""
        return len(self._by_handle)

    def __contains__(self, handle: bytes) -> bool:
        return handle in self._by_handle

    @property
    def available(self) -> int:
        """How many volunteers have a free slot, and a network with which they are of use."""
        useless = 0 if self._doubts_blocked else self._available.count(NatClass.BLOCKED)
        return len(self._available) - useless

    @property
    def classes(self) -> frozenset[NatClass]:
        """NAT classes of the volunteers that are `available` and do not rest."""
        classes = self._available.classes
        return classes if self._doubts_blocked else classes - {NatClass.BLOCKED}

    @property
    def _doubts_blocked(self) -> bool:
        """Whether the STUN servers are silent, rather than volunteers without UDP."""
        blocked = self._nats[NatClass.BLOCKED]
        return blocked >= DOUBTED and 2 * blocked > len(self)

    @property
    def families(self) -> frozenset[bytes]:
        """Tags of the families that have a volunteer with a free slot."""
        return self._available.families

    def countries(self) -> Counter[str]:
        """Count the volunteers by country; those of an unknown country are left out."""
        return Counter({name: n for name, n in self._countries.items() if name is not None and n})

    # --- volunteers come, speak and go ----------------------------------------------------------

    def add(
        self,
        handle: bytes,
        free: int,
        now: float,
        *,
        nat: NatClass = NatClass.UNKNOWN,
        location: PeerLocation = UNKNOWN_LOCATION,
    ) -> None:
        """Add a volunteer with `free` slots. Raises ValueError if `handle` is in the pool."""
        if handle in self._by_handle:
            raise ValueError("this volunteer is in the pool already")
        quality = self._neighbourhoods.newcomer(location.site, now)
        # A newcomer starts with the mean load: with none, it would be given every offer.
        load = self._available.mean_load_of(nat)
        volunteer = PooledVolunteer(handle, free, nat, location, quality, now, load)
        self._by_handle[handle] = volunteer
        self._countries[location.country] += 1
        self._nats[nat] += 1
        self._available.update(volunteer, now)

    def remove(self, handle: bytes, now: float) -> None:
        """Forget a volunteer; its quality goes on counting for its /24 or /48."""
        volunteer = self._by_handle.pop(handle, None)
        if volunteer is None:
            return
        self._countries[volunteer.location.country] -= 1
        self._nats[volunteer.nat] -= 1
        self._available.discard(volunteer)
        self._neighbourhoods.remember(volunteer.location.site, volunteer.quality, now)

    def set_free(
        self, handle: bytes, free: int, now: float, *, nat: NatClass | None = None
    ) -> None:
        """Note how many slots a volunteer says it has. Its rest ends, since it has spoken."""
        volunteer = self._by_handle.get(handle)
        if volunteer is None:
            return
        volunteer.free = free
        volunteer.declared += 1
        self._nats[volunteer.nat] -= 1
        volunteer.nat = nat or volunteer.nat
        self._nats[volunteer.nat] += 1
        volunteer.resting_until = 0.0
        self._available.update(volunteer, now)

    def set_family(self, handle: bytes, tag: bytes, now: float) -> None:
        """Note that a volunteer helps only clients who name the family with this tag."""
        volunteer = self._by_handle.get(handle)
        if volunteer is not None:
            self._available.discard(volunteer)
            volunteer.family = tag
            self._available.update(volunteer, now)

    # --- the decision ---------------------------------------------------------------------------

    def pick(
        self,
        client: ClientProfile,
        avoid: Container[bytes],
        now: float,
        *,
        seed: int,
        only: bytes | None = None,
        last_resort: bool = False,
    ) -> Pick | None:
        """Return a volunteer that is not in `avoid`, and reserve a slot of it.

        `seed` is random, uniform in [0, 2⁶⁴). With `only` it is that volunteer or none, whatever
        its network and whoever knows it: somebody brought the request to it by hand. With
        `last_resort`, one that failed the client's network a moment ago or twice in a day is
        better than none, once it has rested (`DisclosureRecord.may_be_last_resort`). Every pick
        must be settled.
        """
        self._available.end_rests(now)
        if only is not None:
            named = self._by_handle.get(only)
            if named is None or not named.available or only in avoid:
                return None
            return self._reserve(named, client, now, counted=False)
        if client.family is not None:
            # Who names the family was told of it by its volunteers, so nothing is disclosed.
            client = replace(client, key=None)
        record = None if client.key is None else self._disclosures.of(client.key)
        load = self._available.mean_load()
        best = BestVolunteer(
            client,
            avoid,
            record,
            load,
            now,
            last_resort=last_resort,
            blocked=self._doubts_blocked,
        )
        self._search(best, Draws(seed))
        if best.volunteer is None:
            return None
        if record is not None and record.is_barred(best.volunteer.handle, now):
            record.give_again(best.volunteer.handle)
        return self._reserve(best.volunteer, client, now)

    def _search(self, best: BestVolunteer, draws: Draws) -> None:
        """Show volunteers to `best`: those its client's network knows, then others if it may."""
        if best.client.family is not None:
            self._available.search_family(best.client.family, best, draws)
            return
        key = best.client.key
        if key is not None and best.record is not None:
            known = best.record.disclosed(best.now)
            self._show(known, best, draws)
            limit = best.client.disclosure_limit
            allowed = self._disclosures.all_it_may_know(key, limit, best.now)
            if allowed is not None:
                if len(allowed) > len(known):
                    self._show(allowed, best, draws)
                return
        self._available.search(best, draws)

    def _show(self, handles: list[bytes], best: BestVolunteer, draws: Draws) -> None:
        for handle in _some(handles, draws):
            volunteer = self._by_handle.get(handle)
            if volunteer is not None and volunteer.available and volunteer.family is None:
                best.see(volunteer)

    def _reserve(
        self, volunteer: PooledVolunteer, client: ClientProfile, now: float, *, counted: bool = True
    ) -> Pick:
        volunteer.reserved += 1
        volunteer.add_load(1.0, now)
        self._available.update(volunteer, now)
        newly_disclosed = 0
        if counted and client.key is not None:
            newly_disclosed = self._disclosures.disclose(client.key, volunteer.handle, now)
            volunteer.known_by += newly_disclosed > 0
        odds = chance(client.nat, volunteer.nat)
        return Pick(
            volunteer.handle,
            odds,
            client,
            newly_disclosed,
            volunteer.declared,
            volunteer.location.country,
        )

    # --- what became of it ----------------------------------------------------------------------

    def settle(self, pick: Pick, outcome: Outcome, now: float) -> None:
        """End one reservation."""
        answered = outcome is Outcome.ANSWERED
        if pick.client.key is not None:
            self._settle_record(pick, pick.client.key, outcome, now)
        volunteer = self._by_handle.get(pick.volunteer)
        if volunteer is None:
            return
        volunteer.reserved -= 1
        if not answered:
            volunteer.known_by -= pick.newly_disclosed > 0
            volunteer.add_load(-1.0, now)
        if answered:
            # What it declared after it had got the offer leaves the offer's slot out already.
            if volunteer.declared == pick.declared:
                volunteer.free = max(0, volunteer.free - 1)
            volunteer.resting_until = 0.0
        elif outcome is Outcome.BUSY:
            volunteer.free = 0
        elif outcome in (Outcome.SILENT, Outcome.SLOW):
            if outcome is Outcome.SILENT:
                volunteer.quality.add(0.0, CLIENT_REPORT_WEIGHT, now)
            self._available.rest(volunteer, now + REST_S)
        self._available.update(volunteer, now)

    def _settle_record(self, pick: Pick, key: bytes, outcome: Outcome, now: float) -> None:
        record = self._disclosures.of(key)
        if outcome is Outcome.ANSWERED:
            # Of two offers to it, the first may have been withdrawn, and the disclosure with it.
            self._disclosures.disclose(key, pick.volunteer, now)
            return
        self._disclosures.retract(key, pick.volunteer, pick.newly_disclosed)
        if outcome in (Outcome.SILENT, Outcome.DECLINED) and not pick.client.key_is_shared:
            record.add_failure(pick.volunteer, now, serverlimits.FAILED_VOLUNTEERS)

    def report(
        self, handle: bytes, experience: LinkExperience, now: float, *, expected: float
    ) -> None:
        """Count what an exit saw of a link; `expected` is the chance it was picked with."""
        volunteer = self._by_handle.get(handle)
        if volunteer is not None:
            volunteer.quality.add(experience.worth, expected, now)

    def complain(self, client: ClientProfile, handle: bytes, now: float) -> None:
        """Note a client's word that a link through a volunteer failed it.

        It counts only about a volunteer that the client's network was given: fully for that
        network, and once, with CLIENT_REPORT_WEIGHT, for all others.
        """
        if client.key is None or client.key_is_shared:
            return
        record = self._disclosures.of(client.key)
        if handle not in record:
            return
        failed = record.add_failure(handle, now, serverlimits.FAILED_VOLUNTEERS)
        first = record.complain(handle) and failed
        volunteer = self._by_handle.get(handle)
        if first and volunteer is not None:
            volunteer.known_by -= 1
            expected = CLIENT_REPORT_WEIGHT * chance(client.nat, volunteer.nat)
            volunteer.quality.add(0.0, expected, now)


def _some(known: list[bytes], draws: Draws) -> Iterable[bytes]:
    """Return `known`, or a sample of it: a token may allow so many that comparing all is slow."""
    if len(known) <= serverlimits.DISCLOSED_VOLUNTEERS:
        return known
    return [known[draws.below(len(known))] for _ in range(serverlimits.DISCLOSED_VOLUNTEERS)]
