"""Which volunteers each client network has learned of, and which failed it.

Whoever asks for volunteers learns their addresses. A network is given the same few for a day, so
that one who asks ever again learns no more than those.
"""

from __future__ import annotations

from collections import OrderedDict

DAY_S = 86_400.0
FAILED_REST_S = 60.0
"""A volunteer that failed a client is not given to it again for so long, whoever else is there."""
FAILURES = 2
"""After so many it is not given to it for a day: two NATs do not change their mind."""


class Acquaintance:
    """The volunteers that one network knows. Times are monotonic seconds."""

    __slots__ = ("_failed", "_failures", "_known")

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._failed: OrderedDict[bytes, float] = OrderedDict()
        self._failures: dict[bytes, int] = {}

    def __contains__(self, volunteer: bytes) -> bool:
        return volunteer in self._known

    def __len__(self) -> int:
        """Return how many it knows, as of the last call of `known`."""
        return len(self._known)

    def known(self, now: float) -> list[bytes]:
        """Return the volunteers it learned of within a day, in that order."""
        _forget(self._known, now - DAY_S)
        return list(self._known)

    def learn(self, volunteer: bytes, now: float) -> None:
        """Count `volunteer` as known for a day."""
        self._known[volunteer] = now
        self._known.move_to_end(volunteer)

    def unlearn(self, volunteer: bytes) -> None:
        """Take back `learn`: the client was told nothing."""
        self._known.pop(volunteer, None)

    def fail(self, volunteer: bytes, now: float, most: int) -> bool:
        """Note that `volunteer` failed; return False if that was known. The latest `most` count."""
        new = volunteer not in self._failed
        self._failed[volunteer] = now
        self._failed.move_to_end(volunteer)
        self._failures[volunteer] = self._failures.get(volunteer, 0) + 1
        if len(self._failed) > most:
            oldest, _ = self._failed.popitem(last=False)
            del self._failures[oldest]
        return new

    def failures(self, volunteer: bytes, now: float) -> int:
        """Return how often `volunteer` failed, as long as each time came within a day."""
        for forgotten in _forget(self._failed, now - DAY_S):
            del self._failures[forgotten]
        return self._failures.get(volunteer, 0)

    def is_barred(self, volunteer: bytes, now: float) -> bool:
        """Whether a volunteer that failed must not be given to this network (again, or yet)."""
        failures = self.failures(volunteer, now)
        return failures >= FAILURES or (
            failures > 0 and now - self._failed[volunteer] < FAILED_REST_S
        )


class Acquaintances:
    """All networks' acquaintances; those of whoever asked least recently are forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._by_key: OrderedDict[bytes, Acquaintance] = OrderedDict()

    def __len__(self) -> int:
        """Return how many networks are remembered."""
        return len(self._by_key)

    def of(self, key: bytes) -> Acquaintance:
        """Return what the network `key` knows."""
        found = self._by_key.get(key)
        if found is None:
            if len(self._by_key) >= self._capacity:
                self._by_key.popitem(last=False)
            found = self._by_key[key] = Acquaintance()
        else:
            self._by_key.move_to_end(key)
        return found


def _forget(times: OrderedDict[bytes, float], before: float) -> list[bytes]:
    forgotten = []
    while times and next(iter(times.values())) < before:
        forgotten.append(times.popitem(last=False)[0])
    return forgotten
