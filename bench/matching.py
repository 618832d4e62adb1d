"""Matching of clients with volunteers: a simulation of 100,000, and the time of a decision."""

from __future__ import annotations

import gc
import heapq
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from zlib import crc32

from bench.command import main, say
from bench.report import Row, at_least, at_most, median, percentile
from passerelle import serverlimits
from passerelle.core.matching.peers import ClientProfile, PeerLocation
from passerelle.core.matching.pool import Outcome, Pick, VolunteerPool
from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.core.nat.classifier import NatClass, chance

MEANING = """
Simulated with the broker's own decision: half of the volunteers are replaced every 20 h; each
client, in a network of its own, holds three links for 20 minutes, asks again for every link that
failed, and comes back with three new ones. Whether client and volunteer reach each other follows,
for each pair for good, from the chance that their NAT classes have. What is possible is that
every first attempt succeeds: each client could be given volunteers that it reaches. With a
volunteer new to the client nobody can know; the row below says what the best assignment reaches in
which no class of volunteers carries more than twice the mean load. Load is matches of a volunteer
per hour of its presence, over those present for at least two hours after the warm-up. Hostile
volunteers answer and then carry nothing, which the exit sees; their share is of all matches after
the warm-up, in which they are all still strangers. Per prefix: the most that any client network
learned of. Time of a match is that of pick and settle.
"""

VOLUNTEERS = 100_000
CLIENTS = 10_000
QUICK_SCALE = 10
HALF_REPLACED_S = 20 * 3600.0
SESSION_S, PAUSE_S = 1200.0, 60.0
LINKS = 3
TRIES = 4
RETRY_S = 2.0
HONEST_S, HOSTILE_S = 12 * 3600.0, 12 * 3600.0
WARM_S, HOSTILE_WARM_S = 3600.0, 8 * 3600.0
PRESENT_S = 2 * 3600.0
MIX = {NatClass.RESTRICTED: 0.57, NatClass.UNKNOWN: 0.41, NatClass.OPEN: 0.02}
COUNTRIES = [f"{first}{second}" for first in "ABCDEFGH" for second in "ABCDEFGH"]
SITES, OPERATORS = 60_000, 4000
SIZES = (1_000, 10_000, 100_000, 1_000_000)
PICKS, ROUNDS = 2000, 9
EVEN = 2.0


@dataclass(slots=True)
class Volunteer:
    """A volunteer, with properties that the pool does not know."""

    hostile: bool
    since: float
    free: int
    matches: int = 0
    counted_from: float = 0.0


@dataclass(slots=True)
class Client:
    """A client that asks for volunteers."""

    profile: ClientProfile
    holds: set[bytes] = field(default_factory=set)


class World:
    """Volunteers that come and go, clients that ask, and the results."""

    def __init__(self, scale: int, hostile: float, warm_s: float) -> None:
        self.draw = random.Random(1)
        self.hostile = hostile
        self.warm_s = warm_s
        self.pool = VolunteerPool()
        self.volunteers: dict[bytes, Volunteer] = {}
        self.names: list[bytes] = []
        self.loads: list[float] = []
        self.first = Counter[bool]()
        self.strangers = Counter[bool]()
        """First attempts with a volunteer that the client did not know, by their success."""
        self.matches = Counter[bool]()
        self.learned: dict[bytes, set[bytes]] = {}
        self.refused = 0
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._serial = itertools.count()
        self.count = VOLUNTEERS // scale
        self.clients: list[Client] = []
        for _ in range(CLIENTS // scale):
            self.clients.append(self._client())
        for _ in range(self.count):
            self._arrive(0.0)

    def run(self, until_s: float) -> None:
        """Let simulated time pass."""
        self._at(self._until_replacement(), self._replace)
        for client in self.clients:
            self._at(self.draw.uniform(0, SESSION_S), partial(self._session, client))
        while self._events[0][0] < until_s:
            now, _, happen = heapq.heappop(self._events)
            happen(now)
        for each in self.volunteers.values():
            self._measure(each, until_s)

    def _at(self, when: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._serial), happen))

    def _until_replacement(self) -> float:
        return self.draw.expovariate(self.count * math.log(2) / HALF_REPLACED_S)

    def _replace(self, now: float) -> None:
        self._leave(now)
        self._arrive(now)
        self._at(now + self._until_replacement(), self._replace)

    def _session(self, client: Client, now: float) -> None:
        self._at(now + SESSION_S, partial(self._session, client))
        for _ in range(LINKS):
            self._try(client, 1, now)

    def _try(self, client: Client, attempt: int, now: float) -> None:
        picked = self._ask(client, now, attempt)
        if picked is not None:
            self._at(now + SESSION_S - PAUSE_S, partial(self._over, client, picked))
        elif attempt < TRIES:
            self._at(now + RETRY_S, partial(self._try, client, attempt + 1))

    def _over(self, client: Client, picked: Pick, now: float) -> None:
        client.holds.discard(picked.volunteer)
        self._end(
            picked, now, LinkExperience(ending=LinkEnding.CLEAN, duration_s=SESSION_S - PAUSE_S)
        )

    def _client(self) -> Client:
        number = len(self.clients)
        key = number.to_bytes(3, "big")
        location = PeerLocation(site=key, country=COUNTRIES[number % 3], asn=number % 50)
        return Client(ClientProfile(nat=self._nat(), location=location, key=key))

    def _nat(self) -> NatClass:
        return self.draw.choices(list(MIX), list(MIX.values()))[0]

    def _arrive(self, now: float) -> None:
        draw = self.draw
        handle = draw.randbytes(8)
        free = draw.randint(1, 5)
        self.volunteers[handle] = Volunteer(
            draw.random() < self.hostile, now, free, counted_from=max(now, self.warm_s)
        )
        self.names.append(handle)
        location = PeerLocation(
            site=draw.randrange(SITES).to_bytes(4, "big"),
            country=draw.choice(COUNTRIES),
            asn=draw.randrange(OPERATORS),
        )
        self.pool.add(handle, free, now, nat=self._nat(), location=location)

    def _leave(self, now: float) -> None:
        index = self.draw.randrange(len(self.names))
        self.names[index], self.names[-1] = self.names[-1], self.names[index]
        handle = self.names.pop()
        self.pool.remove(handle, now)
        self._measure(self.volunteers.pop(handle), now)

    def _measure(self, volunteer: Volunteer, now: float) -> None:
        present_s = now - volunteer.counted_from
        if present_s >= PRESENT_S and not volunteer.hostile:
            self.loads.append(3600 * volunteer.matches / present_s)

    def _ask(self, client: Client, now: float, attempt: int) -> Pick | None:
        """Return the match that carries a link, or None."""
        seed = self.draw.getrandbits(64)
        picked = self.pool.pick(client.profile, client.holds, now, seed=seed)
        counts = now >= self.warm_s
        if picked is None:
            self.refused += counts
            return None
        volunteer = self.volunteers[picked.volunteer]
        self.learned.setdefault(client.profile.key or b"", set()).add(picked.volunteer)
        self.pool.settle(picked, Outcome.ANSWERED, now)
        volunteer.free -= 1
        works = not volunteer.hostile and _fate(client, picked.volunteer) < picked.chance
        if counts:
            volunteer.matches += 1
            self.matches[volunteer.hostile] += 1
            if attempt == 1:
                self.first[works] += 1
                if picked.newly_disclosed:
                    self.strangers[works] += 1
        if works:
            client.holds.add(picked.volunteer)
            return picked
        self.pool.complain(client.profile, picked.volunteer, now)
        self._end(picked, now, LinkExperience(ending=LinkEnding.UNUSED))
        return None

    def _end(self, picked: Pick, now: float, report: LinkExperience) -> None:
        self.pool.report(picked.volunteer, report, now, expected=picked.chance)
        volunteer = self.volunteers.get(picked.volunteer)
        if volunteer is not None:
            volunteer.free += 1
            self.pool.set_free(picked.volunteer, volunteer.free, now)


def _fate(client: Client, volunteer: bytes) -> float:
    """Return a number in [0, 1) that decides for this pair: two NATs do not change their mind."""
    return crc32(volunteer, crc32(client.profile.key or b"")) / 2**32


def possible() -> float:
    """Return the success of the best assignment with an even load.

    Clients that lose most by the second-best volunteer are assigned first (Vogel's rule).
    """
    room = {nat: EVEN * share for nat, share in MIX.items()}
    wanted = dict(MIX)
    reached = 0.0
    while wanted:
        choices = {
            mine: [*sorted((chance(mine, nat) for nat in room), reverse=True), 0.0]
            for mine in wanted
        }
        mine = max(wanted, key=lambda nat: choices[nat][0] - choices[nat][1])
        theirs = max(room, key=lambda nat: chance(mine, nat))
        share = min(wanted[mine], room[theirs])
        reached += share * chance(mine, theirs)
        for left, nat in ((wanted, mine), (room, theirs)):
            left[nat] -= share
            if left[nat] < 1e-9:
                del left[nat]
    return reached


def simulate(quick: bool) -> Iterator[Row]:
    """Simulate the network without and with hostile volunteers."""
    scale = QUICK_SCALE if quick else 1
    say(f"{VOLUNTEERS // scale:,} volunteers, all honest")
    world = World(scale, 0.0, WARM_S)
    world.run(HONEST_S)
    first = world.first[True] / world.first.total()
    strangers = world.strangers[True] / world.strangers.total()
    yield Row("matches simulated", world.matches.total(), "", digits=0)
    yield Row("first attempts that succeed, of what is possible", 100 * first, "%", at_least(95))
    yield Row("… with a volunteer new to the client", 100 * strangers, "%")
    yield Row("… of those, at best, load being even", 100 * possible(), "%")
    mean = sum(world.loads) / len(world.loads)
    yield Row("load, p99 ÷ mean", percentile(world.loads, 0.99) / mean, "", at_most(2), digits=2)
    yield Row("requests without a volunteer", 100 * world.refused / world.matches.total(), "%")
    yield Row(
        "volunteers learned of, per prefix and day",
        max(len(names) for names in world.learned.values()),
        "",
        at_most(serverlimits.DISCLOSED_VOLUNTEERS),
        digits=0,
    )
    say("half of them hostile")
    world = World(scale, 0.5, HOSTILE_WARM_S)
    world.run(HOSTILE_S)
    share = world.matches[True] / world.matches.total()
    yield Row("hostile, of 50 % of the pool", 100 * share, "% of matches", at_most(10))
    yield Row(
        "first attempts that succeed then", 100 * world.first[True] / world.first.total(), "%"
    )


def speed(size: int) -> float:
    """Return the median time of a match among `size` volunteers, in microseconds."""
    draw = random.Random(2)
    pool = VolunteerPool()
    locations = [
        PeerLocation(site=n.to_bytes(4, "big"), country=COUNTRIES[n % len(COUNTRIES)], asn=n)
        for n in range(min(size, 50_000))
    ]
    nats = draw.choices(list(MIX), list(MIX.values()), k=size)
    for number, nat in enumerate(nats):
        pool.add(
            number.to_bytes(8, "big"), 5, 0, nat=nat, location=locations[number % len(locations)]
        )
    clients = [
        ClientProfile(
            nat=nats[n], location=PeerLocation(site=b"c%d" % n, country="AA"), key=b"c%d" % n
        )
        for n in range(500)
    ]
    times = []
    for turn in range(ROUNDS):
        seeds = [draw.getrandbits(64) for _ in range(PICKS)]
        started = time.perf_counter()
        for number, seed in enumerate(seeds):
            now = float(turn * PICKS + number)
            picked = pool.pick(clients[number % 500], (), now, seed=seed)
            if picked is not None:
                pool.settle(picked, Outcome.WITHDRAWN, now)
        times.append((time.perf_counter() - started) / PICKS * 1e6)
    return median(times)


def measure(quick: bool) -> Iterator[Row]:
    """Yield the rows: first the time of one decision, then the simulation."""
    gc.disable()  # its pauses grow with the number of objects, and would distort the times
    times = []
    for size in SIZES[:3] if quick else SIZES:
        say(f"time of a match among {size:,}")
        times.append(speed(size))
        yield Row(f"match among {size:,}", times[-1], "µs")
        gc.collect()
    growth = times[-1] / times[0]
    allowed = (len(times) + 2) / 3  # log n ÷ log 1,000
    yield Row("… longer, largest ÷ smallest", growth, "", at_most(round(allowed, 2)), digits=2)
    yield from simulate(quick)


if __name__ == "__main__":
    main("matching", measure, MEANING)
