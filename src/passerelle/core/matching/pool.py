"""Decide which volunteer is asked to take a client's offer.

A volunteer has slots; being asked reserves one until the offer is settled. Who is asked is one
decision (`VolunteerPool.pick`): a few random volunteers of each NAT class are compared, and the
best is taken (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). So its
time does not depend on how many there are, and no two brokers or clients run after the same one.

What counts, in this order:

1. never a neighbour of the client's: the same /24, /48 or network operator;
2. whoever did not fail this client, is not resting after an offer it left unanswered, and is in
   another country, as long as there is such a one;
3. how likely the two NATs reach each other, what experience says of the volunteer, how little it
   was asked lately, how many slots it has left;
4. those the client's network knows already: it is told of `Seeker.most` a day and no more.
"""

from __future__ import annotations

import enum
import itertools
from bisect import bisect_right
from collections import Counter, OrderedDict, deque
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Final

from passerelle import limits
from passerelle.core.matching.best import NOWHERE, BestVolunteer, Origin, PooledVolunteer, Seeker
from passerelle.core.matching.disclosure import Acquaintances
from passerelle.core.matching.quality import LinkExperience, VolunteerQuality
from passerelle.core.matching.sample import Bag, Draws
from passerelle.core.nat.classifier import NatClass, chance

REST_S = 30.0
"""Rest after an unanswered offer: a page that was suspended or lost its network."""
SAMPLE: Final = 8
"""Volunteers of one class that are looked at for one decision."""
SEARCH: Final = 64
"""… and when none of those may be given to this client."""
LOAD_MEMORY: Final = 500
"""Volunteers looked at over which the mean load is taken."""
CLIENT_WORD: Final = 0.5
"""What a client's word about a failure counts, against an exit's."""


class Outcome(enum.Enum):
    """How an offer ended."""

    ANSWERED = "answered"
    """The slot is in use until the volunteer says otherwise."""
    BUSY = "busy"
    """It has no slot left, whatever it said before."""
    DECLINED = "declined"
    SILENT = "silent"
    """No answer in time."""
    WITHDRAWN = "withdrawn"
    """The client or the broker no longer wanted it: says nothing about the volunteer."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A decision; each must be settled."""

    volunteer: bytes
    chance: float
    """How likely the two NATs reach each other."""
    seeker: Seeker
    fresh: bool
    """Whether the client's network did not know this volunteer."""


class _Class:
    """The available volunteers of one NAT class."""

    def __init__(self) -> None:
        self.all: Bag[PooledVolunteer] = Bag(0)
        self.by_country: dict[str | None, Bag[PooledVolunteer]] = {}
        self.mean_load = 0.0
        """Of the decent ones, as estimated from those that were looked at. Those who are asked no
        more, for good reasons, may be many: they do not count."""

    def offer(self, choice: BestVolunteer, draws: Draws) -> None:
        """Let `choice` see a sample, and learn from it how loaded these are."""
        choice.decent, choice.decent_load = 0, 0.0
        choice.see_all(self.all.sample(SAMPLE, draws))
        if choice.decent:
            few = len(self.all) <= 2 * SAMPLE  # and so all of them were seen
            share = 1.0 if few else choice.decent / (choice.decent + LOAD_MEMORY)
            self.mean_load += share * (choice.decent_load / choice.decent - self.mean_load)

    def abroad(self, country: str | None, size: int, draws: Draws) -> Iterable[PooledVolunteer]:
        """Yield `size` random ones outside `country`. There are no more than 250 countries."""
        bags = [bag for home, bag in self.by_country.items() if home != country and bag]
        ends = list(itertools.accumulate(map(len, bags)))
        for _ in range(size if bags else 0):
            place = draws.below(ends[-1])
            index = bisect_right(ends, place)
            yield bags[index][place - ends[index]]


class VolunteerPool:
    """Volunteers known to one broker, each by an opaque handle.

    `now` is monotonic seconds and never decreases. Handles that are not in the pool are ignored:
    an offer may be settled after its volunteer has left.
    """

    def __init__(
        self,
        *,
        networks: int = limits.ACQUAINTED_NETWORKS,
        neighbourhoods: int = limits.VOLUNTEER_NEIGHBOURHOODS,
    ) -> None:
        self._entries: dict[bytes, PooledVolunteer] = {}
        self._homes: Counter[str | None] = Counter()
        """Volunteers by country: not counted anew for each who asks for the public numbers."""
        self._classes = {nat: _Class() for nat in NatClass}
        self._resting: Bag[PooledVolunteer] = Bag(0)
        self._rests: deque[tuple[float, PooledVolunteer]] = deque()
        self._acquaintances = Acquaintances(networks)
        self._neighbourhoods: OrderedDict[bytes, VolunteerQuality] = OrderedDict()
        self._most_neighbourhoods = neighbourhoods

    def __len__(self) -> int:
        """Return how many volunteers are in the pool, free or not."""
        return len(self._entries)

    def __contains__(self, volunteer: bytes) -> bool:
        return volunteer in self._entries

    @property
    def available(self) -> int:
        """How many volunteers have a free slot."""
        return len(self._resting) + sum(len(each.all) for each in self._classes.values())

    @property
    def classes(self) -> frozenset[NatClass]:
        """NAT classes of the volunteers with a free slot, those that rest left out."""
        return frozenset(nat for nat, each in self._classes.items() if each.all)

    def countries(self) -> Counter[str]:
        """Count the volunteers by country; those of an unknown one are in none."""
        return Counter({home: n for home, n in self._homes.items() if home is not None and n})

    # --- volunteers come, speak and go ----------------------------------------------------------

    def add(
        self,
        volunteer: bytes,
        free: int,
        now: float,
        *,
        nat: NatClass = NatClass.UNKNOWN,
        origin: Origin = NOWHERE,
    ) -> None:
        """Take in a new `volunteer` with `free` slots. Raises ValueError if it is here already."""
        if volunteer in self._entries:
            raise ValueError("this volunteer is in the pool already")
        quality = VolunteerQuality(now)
        if origin.site is not None and origin.site in self._neighbourhoods:
            quality.absorb(self._neighbourhoods[origin.site], now)
        # As if it had been asked as often as others: a newcomer is not to be overrun.
        load = self._classes[nat].mean_load
        entry = PooledVolunteer(volunteer, free, nat, origin, quality, now, load)
        self._entries[volunteer] = entry
        self._homes[origin.country] += 1
        self._place(entry, now)

    def remove(self, volunteer: bytes, now: float) -> None:
        """Forget `volunteer`, but not what its network is to be thought of."""
        entry = self._entries.pop(volunteer, None)
        if entry is None:
            return
        self._homes[entry.origin.country] -= 1
        self._take_out(entry)
        self._remember(entry, now)

    def set_free(
        self, volunteer: bytes, free: int, now: float, *, nat: NatClass | None = None
    ) -> None:
        """Note how many slots `volunteer` says it has. A word from it ends its rest."""
        entry = self._entries.get(volunteer)
        if entry is None:
            return
        entry.free = free
        entry.nat = nat or entry.nat
        entry.resting_until = 0.0
        self._place(entry, now)

    # --- the decision ---------------------------------------------------------------------------

    def pick(
        self,
        seeker: Seeker,
        avoid: Container[bytes],
        now: float,
        *,
        seed: int,
        only: bytes | None = None,
    ) -> Pick | None:
        """Return a volunteer that is not in `avoid`, and reserve a slot of it.

        `seed` is random, uniform in [0, 2⁶⁴). With `only` it is that one or none, whatever its
        network and whoever knows it: someone brought the request to it by hand. Every pick must
        be settled.
        """
        self._wake(now)
        if only is not None:
            entry = self._entries.get(only)
            usable = entry is not None and entry.available and only not in avoid
            return self._take(entry, seeker, now, counted=False) if entry and usable else None
        known = None if seeker.key is None else self._acquaintances.of(seeker.key)
        choice = BestVolunteer(seeker, avoid, known, self._mean_load(), now)
        self._search(choice, Draws(seed))
        return None if choice.best is None else self._take(choice.best, seeker, now)

    def _search(self, choice: BestVolunteer, draws: Draws) -> None:
        """Let `choice` see candidates, the likely places first, until one is without a fault."""
        spent = False
        if choice.acquaintance is not None:
            known = choice.acquaintance.known(choice.now)
            spent = len(known) >= choice.seeker.most
            for handle in _some(known, draws):
                if (entry := self._entries.get(handle)) is not None and entry.available:
                    choice.see(entry)
        if spent:
            return
        classes = [self._classes[nat] for nat in choice.chances]
        for each in classes:
            each.offer(choice, draws)
        if choice.flawless:
            return
        for each in classes:
            choice.see_all(each.abroad(choice.seeker.origin.country, SAMPLE, draws))
        if choice.flawless:
            return
        for each in classes:
            choice.see_all(each.all.sample(SEARCH, draws))
        choice.see_all(self._resting.sample(SAMPLE, draws))

    def _take(
        self, entry: PooledVolunteer, seeker: Seeker, now: float, *, counted: bool = True
    ) -> Pick:
        entry.reserved += 1
        entry.add_load(1.0, now)
        self._place(entry, now)
        fresh = False
        if counted and seeker.key is not None:
            acquaintance = self._acquaintances.of(seeker.key)
            fresh = entry.handle not in acquaintance
            if fresh:
                acquaintance.learn(entry.handle, now)
                entry.known_by += 1
        return Pick(entry.handle, chance(seeker.nat, entry.nat), seeker, fresh)

    # --- what became of it ----------------------------------------------------------------------

    def settle(self, pick: Pick, outcome: Outcome, now: float) -> None:
        """End one reservation."""
        answered = outcome is Outcome.ANSWERED
        if pick.seeker.key is not None:
            self._settle_acquaintance(pick, pick.seeker.key, outcome, now)
        entry = self._entries.get(pick.volunteer)
        if entry is None:
            return
        entry.reserved -= 1
        if not answered:
            entry.known_by -= pick.fresh
            entry.add_load(-1.0, now)
        if answered:
            entry.free = max(0, entry.free - 1)
            entry.resting_until = 0.0
        elif outcome is Outcome.BUSY:
            entry.free = 0
        elif outcome is Outcome.SILENT:
            entry.quality.add(0.0, CLIENT_WORD, now)
            entry.resting_until = now + REST_S
            self._rests.append((entry.resting_until, entry))
        self._place(entry, now)

    def _settle_acquaintance(self, pick: Pick, key: bytes, outcome: Outcome, now: float) -> None:
        acquaintance = self._acquaintances.of(key)
        if outcome is Outcome.ANSWERED:
            # Also when another offer to it, the first, was withdrawn meanwhile.
            if pick.volunteer not in acquaintance:
                acquaintance.learn(pick.volunteer, now)
            return
        if pick.fresh:
            acquaintance.unlearn(pick.volunteer)
        if outcome in (Outcome.SILENT, Outcome.DECLINED) and not pick.seeker.crowd:
            acquaintance.fail(pick.volunteer, now, limits.FAILED_VOLUNTEERS)

    def report(
        self, volunteer: bytes, report: LinkExperience, now: float, *, expected: float
    ) -> None:
        """Count what an exit saw of a link; `expected` is the pick's chance."""
        entry = self._entries.get(volunteer)
        if entry is not None:
            entry.quality.add(report.worth, expected, now)

    def complain(self, seeker: Seeker, volunteer: bytes, now: float) -> None:
        """Note a client's word that a link through `volunteer` failed it.

        It counts for that client; for others a little, once, and only about a volunteer that the
        client's network was given.
        """
        if seeker.key is None or seeker.crowd:
            return
        acquaintance = self._acquaintances.of(seeker.key)
        if volunteer not in acquaintance:
            return
        new = acquaintance.fail(volunteer, now, limits.FAILED_VOLUNTEERS)
        entry = self._entries.get(volunteer)
        if new and entry is not None:
            entry.known_by -= 1
            entry.quality.add(0.0, CLIENT_WORD * chance(seeker.nat, entry.nat), now)

    # --- bookkeeping ----------------------------------------------------------------------------

    def _place(self, entry: PooledVolunteer, now: float) -> None:
        """Put `entry` into the bags it belongs to."""
        self._take_out(entry)
        if not entry.available:
            return
        if entry.resting_until > now:
            entry.bag = self._resting
        else:
            group = self._classes[entry.nat]
            entry.bag = group.all
            country = entry.origin.country
            entry.country_bag = group.by_country.get(country)
            if entry.country_bag is None:
                entry.country_bag = group.by_country[country] = Bag(1)
            entry.country_bag.add(entry)
        entry.bag.add(entry)

    def _take_out(self, entry: PooledVolunteer) -> None:
        if entry.bag is not None:
            entry.bag.discard(entry)
        if entry.country_bag is not None:
            entry.country_bag.discard(entry)
        entry.bag = entry.country_bag = None

    def _wake(self, now: float) -> None:
        while self._rests and self._rests[0][0] <= now:
            _, entry = self._rests.popleft()
            if self._entries.get(entry.handle) is entry:
                self._place(entry, now)

    def _remember(self, entry: PooledVolunteer, now: float) -> None:
        site = entry.origin.site
        if site is None:
            return
        quality = self._neighbourhoods.pop(site, None) or VolunteerQuality(now)
        quality.absorb(entry.quality, now)
        self._neighbourhoods[site] = quality
        if len(self._neighbourhoods) > self._most_neighbourhoods:
            self._neighbourhoods.popitem(last=False)

    def _mean_load(self) -> float:
        classes = self._classes.values()
        count = sum(len(each.all) for each in classes)
        return sum(len(each.all) * each.mean_load for each in classes) / max(1, count)


def _some(known: list[bytes], draws: Draws) -> Iterable[bytes]:
    """Return `known`, or some of it where a token allows so many that a look at all would take
    too long.
    """
    if len(known) <= limits.DISCLOSED_VOLUNTEERS:
        return known
    return [known[draws.below(len(known))] for _ in range(limits.DISCLOSED_VOLUNTEERS)]
