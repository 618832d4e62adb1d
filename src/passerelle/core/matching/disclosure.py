"""The volunteers that each client network has learned of, and those of them that failed it.

Whoever asks for volunteers learns their addresses. A network is given the same few for a day, so
that a censor who asks again and again learns of no more than those. Whoever holds a whole IPv6
prefix can ask from ever new networks, so the wider networks have records too (`core.origin`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict

from passerelle import serverlimits
from passerelle.core.origin import parties
from passerelle.core.shares import ShareTable

DAY_S = 86_400.0
FAILED_REST_S = 60.0
"""A volunteer that failed a client is not given to its network again for so long, unless it is the
last resort."""
FAILURES_MOST = 2
"""After so many failures it is not given to that network for a day, unless it is the last resort:
two NATs that did not meet twice will hardly meet the third time."""


class DisclosureRecord:
    """What one client network knows of volunteers. Times are monotonic seconds."""

    __slots__ = ("_complained", "_disclosed", "_failed", "_failures", "_given_again")

    def __init__(self) -> None:
        self._disclosed: OrderedDict[bytes, float] = OrderedDict()
        self._failed: OrderedDict[bytes, float] = OrderedDict()
        self._failures: dict[bytes, int] = {}
        self._complained: set[bytes] = set()
        """Those it knows and has complained of."""
        self._given_again: set[bytes] = set()
        """Those that failed and were given to it as a last resort since."""

    def __contains__(self, volunteer: bytes) -> bool:
        """Whether the network knows `volunteer`, as of the last call of `disclosed`."""
        return volunteer in self._disclosed

    def __len__(self) -> int:
        """Return how many the network knows, as of the last call of `disclosed`."""
        return len(self._disclosed)

    def disclosed(self, now: float) -> list[bytes]:
        """Return the volunteers it learned of within a day, in that order; forget earlier ones."""
        self._complained.difference_update(_forget(self._disclosed, now - DAY_S))
        return list(self._disclosed)

    def disclose(self, volunteer: bytes, now: float) -> None:
        """Count `volunteer` as known for a day."""
        self._disclosed[volunteer] = now
        self._disclosed.move_to_end(volunteer)

    def retract(self, volunteer: bytes) -> None:
        """Take `disclose` back: the client was told nothing after all."""
        self._disclosed.pop(volunteer, None)
        self._complained.discard(volunteer)

    def complain(self, volunteer: bytes) -> bool:
        """Return whether the network knows `volunteer` and complains of it for the first time.

        It is remembered for as long as the volunteer is known, unlike failures, of which a network
        that knows many can have the first forgotten by further ones.
        """
        if volunteer not in self._disclosed or volunteer in self._complained:
            return False
        self._complained.add(volunteer)
        return True

    def add_failure(self, volunteer: bytes, now: float, limit: int) -> bool:
        """Note that `volunteer` failed; return whether it is the first failure on record.

        A word within FAILED_REST_S of a failure is about that same failure and changes nothing,
        unless the network was given the volunteer as a last resort since. Beyond `limit`
        volunteers, the one whose failure is longest ago is forgotten.
        """
        first = volunteer not in self._failed
        again = volunteer in self._given_again
        if not first and not again and now - self._failed[volunteer] < FAILED_REST_S:
            return False
        self._given_again.discard(volunteer)
        self._failed[volunteer] = now
        self._failed.move_to_end(volunteer)
        self._failures[volunteer] = self._failures.get(volunteer, 0) + 1
        if len(self._failed) > limit:
            oldest, _ = self._failed.popitem(last=False)
            self._forget_failures(oldest)
        return first

    def failures(self, volunteer: bytes, now: float) -> int:
        """Return how often `volunteer` failed; a day after the last failure, all are forgotten."""
        for forgotten in _forget(self._failed, now - DAY_S):
            self._forget_failures(forgotten)
        return self._failures.get(volunteer, 0)

    def is_barred(self, volunteer: bytes, now: float) -> bool:
        """Whether this network may have `volunteer`, which failed it, only as a last resort."""
        failures = self.failures(volunteer, now)
        return failures >= FAILURES_MOST or (
            failures > 0 and now - self._failed[volunteer] < FAILED_REST_S
        )

    def may_be_last_resort(self, volunteer: bytes, now: float) -> bool:
        """Whether `volunteer` has rested long enough to be given where there is nobody else.

        The rest is LAST_RESORT_REST_S, doubled for each failure after the first, and
        LAST_RESORT_LONGEST_REST_S at most.
        """
        failures = self.failures(volunteer, now)
        if not failures:
            return True
        # Further doublings change nothing, and a float holds no more than a thousand of them.
        rest_s = serverlimits.LAST_RESORT_REST_S * 2.0 ** min(failures - 1, 16)
        rested_s = now - self._failed[volunteer]
        return rested_s >= min(rest_s, serverlimits.LAST_RESORT_LONGEST_REST_S)

    def give_again(self, volunteer: bytes) -> None:
        """Note that the network is given `volunteer`, which failed it, as a last resort.

        The next failure counts then, however soon it comes.
        """
        if volunteer in self._failed:
            self._given_again.add(volunteer)

    def _forget_failures(self, volunteer: bytes) -> None:
        del self._failures[volunteer]
        self._given_again.discard(volunteer)


class DisclosureTable:
    """The records of all client networks, and of the wider networks around them.

    In a full table the heaviest party (`core.shares`) loses the record that was used least
    recently of its own, so that nobody who asks from ever new networks has others' forgotten. A
    wider network's record lasts as long as one of its networks has one.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._by_key: dict[bytes, DisclosureRecord] = {}
        self._origins: ShareTable[bytes] = ShareTable(capacity, oldest_first=True)
        """The origins that have records."""
        self._inside: Counter[bytes] = Counter()
        """How many of them each party has."""

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._by_key)

    def disclose(self, origin: bytes, volunteer: bytes, now: float) -> int:
        """Count `volunteer` as known to each party of `origin`; return to how many it was new.

        They are the narrowest: whatever a network knows, the wider ones around it know too.
        """
        self.of(origin)
        for number, (key, _) in enumerate(parties(origin)):
            record = self._by_key[key]
            if volunteer in record:
                return number
            record.disclose(volunteer, now)
        return len(parties(origin))

    def retract(self, origin: bytes, volunteer: bytes, new: int) -> None:
        """Take `disclose` back for those parties to which the volunteer was new."""
        for key, _ in parties(origin)[:new]:
            record = self._by_key.get(key)
            if record is not None:
                record.retract(volunteer)

    def all_it_may_know(self, origin: bytes, most: int, now: float) -> list[bytes] | None:
        """Return the volunteers beyond which `origin` may learn of none; None if it may.

        `most` is how many volunteers each party may learn of in a day, for each of its shares.
        """
        self.of(origin)
        for key, shares in parties(origin):
            known = self._by_key[key].disclosed(now)
            if len(known) >= most * shares:
                return known
        return None

    def of(self, origin: bytes) -> DisclosureRecord:
        """Return the record of `origin`; one is made for each of its parties that has none."""
        if self._origins.discard(origin):
            self._origins.add(origin, origin)
            return self._by_key[origin]
        for key, _ in parties(origin):
            self._inside[key] += 1
            if key not in self._by_key:
                self._by_key[key] = DisclosureRecord()
        while len(self._by_key) > self._capacity and len(self._origins):
            self._give_way()
        self._origins.add(origin, origin)
        return self._by_key[origin]

    def _give_way(self) -> None:
        gone = self._origins.give_way()
        assert gone is not None  # the table is not empty
        for key, _ in parties(gone):
            self._inside[key] -= 1
            if not self._inside[key]:
                del self._inside[key], self._by_key[key]


def _forget(times: OrderedDict[bytes, float], before: float) -> list[bytes]:
    """Remove what is older than `before` from the front; return what was removed."""
    forgotten = []
    while times and next(iter(times.values())) < before:
        forgotten.append(times.popitem(last=False)[0])
    return forgotten
