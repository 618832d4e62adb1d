"""Which volunteers each client network has learned of, and which failed it.

Whoever asks for volunteers learns their addresses. A network is given the same few for a day, so
that one who asks ever again learns no more than those.
"""

from __future__ import annotations

from collections import OrderedDict

DAY_S = 86_400.0
FAILED_REST_S = 60.0
"""A volunteer that failed a client is not given to it again for so long, whoever else is there."""


class Acquaintance:
    """The volunteers that one network knows. Times are monotonic seconds."""

    __slots__ = ("_failed", "_known")

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._failed: OrderedDict[bytes, float] = OrderedDict()

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
        if len(self._failed) > most:
            self._failed.popitem(last=False)
        return new

    def failed_s(self, volunteer: bytes, now: float) -> float | None:
        """Return how long ago `volunteer` failed, None if it did not within a day."""
        _forget(self._failed, now - DAY_S)
        when = self._failed.get(volunteer)
        return None if when is None else now - when


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


def _forget(times: OrderedDict[bytes, float], before: float) -> None:
    while times and next(iter(times.values())) < before:
        times.popitem(last=False)
