"""The volunteers that each client network has learned of, and those of them that failed it.

Whoever asks for volunteers learns their addresses. A network is given the same few for a day, so
that a censor who asks again and again learns of no more than those. Whoever holds a whole IPv6
prefix can ask from ever new networks, so the wider networks have records too (`core.origin`).
"""

from __future__ import annotations

from collections import OrderedDict

from passerelle.core.origin import parties

DAY_S = 86_400.0
FAILED_REST_S = 60.0
"""A volunteer that failed a client is not given to its network again for so long, whoever else is
there."""
FAILURES_MOST = 2
"""After so many failures it is not given to that network for a day: two NATs that did not meet
twice will not meet the third time."""


class DisclosureRecord:
    """What one client network knows of volunteers. Times are monotonic seconds."""

    __slots__ = ("_complained", "_disclosed", "_failed", "_failures")

    def __init__(self) -> None:
        self._disclosed: OrderedDict[bytes, float] = OrderedDict()
        self._failed: OrderedDict[bytes, float] = OrderedDict()
        self._failures: dict[bytes, int] = {}
        self._complained: set[bytes] = set()
        """Those it knows and has complained of."""

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

        A word within FAILED_REST_S of a failure is about that same failure, since the network is
        not given the volunteer in that time, and changes nothing. Beyond `limit` volunteers, the
        one whose failure is longest ago is forgotten.
        """
        first = volunteer not in self._failed
        if not first and now - self._failed[volunteer] < FAILED_REST_S:
            return False
        self._failed[volunteer] = now
        self._failed.move_to_end(volunteer)
        self._failures[volunteer] = self._failures.get(volunteer, 0) + 1
        if len(self._failed) > limit:
            oldest, _ = self._failed.popitem(last=False)
            del self._failures[oldest]
        return first

    def failures(self, volunteer: bytes, now: float) -> int:
        """Return how often `volunteer` failed; a day after the last failure, all are forgotten."""
        for forgotten in _forget(self._failed, now - DAY_S):
            del self._failures[forgotten]
        return self._failures.get(volunteer, 0)

    def is_barred(self, volunteer: bytes, now: float) -> bool:
        """Whether `volunteer` must not be given to this network because it failed it."""
        failures = self.failures(volunteer, now)
        return failures >= FAILURES_MOST or (
            failures > 0 and now - self._failed[volunteer] < FAILED_REST_S
        )


class DisclosureTable:
    """The records of all client networks; the one used least recently is forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._by_key: OrderedDict[bytes, DisclosureRecord] = OrderedDict()

    def __len__(self) -> int:
        """Return how many networks have a record."""
        return len(self._by_key)

    def disclose(self, origin: bytes, volunteer: bytes, now: float) -> int:
        """Count `volunteer` as known to each party of `origin`; return to how many it was new.

        They are the narrowest: whatever a network knows, the wider ones around it know too.
        """
        for number, (key, _) in enumerate(parties(origin)):
            record = self.of(key)
            if volunteer in record:
                return number
            record.disclose(volunteer, now)
        return len(parties(origin))

    def retract(self, origin: bytes, volunteer: bytes, new: int) -> None:
        """Take `disclose` back for those parties to which the volunteer was new."""
        for key, _ in parties(origin)[:new]:
            self.of(key).retract(volunteer)

    def all_it_may_know(self, origin: bytes, most: int, now: float) -> list[bytes] | None:
        """Return the volunteers beyond which `origin` may learn of none; None if it may.

        `most` is how many volunteers each party may learn of in a day, for each of its shares.
        """
        for key, shares in parties(origin):
            known = self.of(key).disclosed(now)
            if len(known) >= most * shares:
                return known
        return None

    def of(self, key: bytes) -> DisclosureRecord:
        """Return the record of the network `key`, made if there is none."""
        found = self._by_key.get(key)
        if found is None:
            if len(self._by_key) >= self._capacity:
                self._by_key.popitem(last=False)
            found = self._by_key[key] = DisclosureRecord()
        else:
            self._by_key.move_to_end(key)
        return found


def _forget(times: OrderedDict[bytes, float], before: float) -> list[bytes]:
    """Remove what is older than `before` from the front; return what was removed."""
    forgotten = []
    while times and next(iter(times.values())) < before:
        forgotten.append(times.popitem(last=False)[0])
    return forgotten
