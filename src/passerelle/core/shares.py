"""A full table takes from whoever has most of it, instead of refusing whoever comes last."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from passerelle.core.origin import Party, parties

T = TypeVar("T", bound=Hashable)
M = TypeVar("M")


class OriginCounts:
    """How much each origin has of something, and each party that the origin is part of."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()

    def has_room(self, origin: bytes, most: int, count: int = 1) -> bool:
        """Whether `count` more leave all parties of `origin` within `most` for each share."""
        return all(self._counts[key] + count <= most * shares for key, shares in parties(origin))

    def add(self, origin: bytes, count: int = 1) -> None:
        """Count `count` more for `origin`."""
        for key, _ in parties(origin):
            self._counts[key] += count

    def remove(self, origin: bytes, count: int = 1) -> None:
        """Count `count` fewer for `origin`."""
        for key, _ in parties(origin):
            self._counts[key] -= count
            if not self._counts[key]:
                del self._counts[key]


class ShareTable(Generic[T]):
    """Items of many origins, at most `capacity` of them.

    The heaviest party is the one that has most items for each of its shares. When the table is
    full, an item of the heaviest party gives way to a new one. That is the new item itself if no
    party is heavier than one of its own, so an origin gains nothing by sending on and on. All
    operations take constant time.
    """

    def __init__(self, capacity: int, *, oldest_first: bool = False) -> None:
        """The item that gives way is the newest of its party, with `oldest_first` the oldest.

        Between the origins of one party, the one that grew last, or first, stands for its age.
        """
        self.capacity = capacity
        self._oldest_first = oldest_first
        self._origins: dict[T, bytes] = {}
        self._held: dict[bytes, dict[T, None]] = {}
        """The items of each origin, by age."""
        self._parts: dict[bytes, dict[bytes, None]] = {}
        """The narrower parties of each party that has some, the one that grew last at the end."""
        self._rankings: dict[int, _Ranking] = {}
        """By shares."""

    def __len__(self) -> int:
        """Return how many items there are."""
        return len(self._origins)

    def __contains__(self, item: object) -> bool:
        return item in self._origins

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items, by age."""
        return iter(self._origins)

    def load(self, origin: bytes) -> float:
        """Return how many items the heaviest of the origin's parties has for each of its shares."""
        return max(self._load(party) for party in parties(origin))

    def add(self, item: T, origin: bytes) -> T | None:
        """Put `item` in; return the item that gives way, taken out again, None if there is room.

        Raises ValueError if `item` is there already.
        """
        if item in self._origins:
            raise ValueError("this item is in the table already")
        self._origins[item] = origin
        self._held.setdefault(origin, {})[item] = None
        own = parties(origin)
        for narrow, wide in itertools.pairwise(own):
            siblings = self._parts.setdefault(wide.key, {})
            siblings.pop(narrow.key, None)
            siblings[narrow.key] = None
        self._count(own, 1)
        if len(self._origins) <= self.capacity:
            return None
        return self.give_way(origin)

    def refuses(self, origin: bytes) -> bool:
        """Return whether a new item of `origin` would have to give way itself."""
        if len(self._origins) < self.capacity:
            return False
        own = max((self._of(party) + 1) / party.shares for party in parties(origin))
        return own >= max(ranking.most / shares for shares, ranking in self._rankings.items())

    def give_way(self, origin: bytes | None = None) -> T | None:
        """Take an item of the heaviest party out and return it; None if there is no item.

        Of equally heavy parties it is one of `origin`.
        """
        if not self._origins:
            return None
        gone = self._newest_of(self._heaviest(() if origin is None else parties(origin)))
        self.discard(gone)
        return gone

    def discard(self, item: T) -> bool:
        """Take `item` out; return whether it was there."""
        origin = self._origins.pop(item, None)
        if origin is None:
            return False
        held = self._held[origin]
        del held[item]
        own = parties(origin)
        self._count(own, -1)
        if not held:
            del self._held[origin]
        for narrow, wide in itertools.pairwise(own):
            if self._of(narrow) == 0:
                siblings = self._parts[wide.key]
                del siblings[narrow.key]
                if not siblings:
                    del self._parts[wide.key]
        return True

    def lighten(self, item: T, origin: bytes) -> None:
        """Let `item`, which is there, count for `origin` from now on if that has fewer."""
        if self.load(origin) < self.load(self._origins[item]):
            self.discard(item)
            self.add(item, origin)

    def _count(self, own: Iterable[Party], change: int) -> None:
        for key, shares in own:
            ranking = self._rankings.get(shares)
            if ranking is None:
                ranking = self._rankings[shares] = _Ranking()
            ranking.change(key, change)

    def _of(self, party: Party) -> int:
        ranking = self._rankings.get(party.shares)
        return 0 if ranking is None else ranking.counts.get(party.key, 0)

    def _load(self, party: Party) -> float:
        return self._of(party) / party.shares

    def _heaviest(self, own: Iterable[Party]) -> bytes:
        """Return the key of the heaviest party; of equally heavy ones, one of `own`."""
        key, most = b"", 0.0
        for party in own:
            if self._load(party) > most:
                key, most = party.key, self._load(party)
        for shares, ranking in self._rankings.items():
            if ranking.most / shares > most:
                key, most = ranking.heaviest(), ranking.most / shares
        return key

    def _newest_of(self, key: bytes) -> T:
        while (parts := self._parts.get(key)) is not None:
            key = self._end(parts)
        return self._end(self._held[key])

    def _end(self, members: dict[M, None]) -> M:
        return next(iter(members)) if self._oldest_first else next(reversed(members))


class _Ranking:
    """Parties with equally many shares, by how many items they have."""

    __slots__ = ("_by_count", "counts", "most")

    def __init__(self) -> None:
        self.counts: dict[bytes, int] = {}
        self.most = 0
        """The count of the heaviest party; 0 without any."""
        self._by_count: dict[int, dict[bytes, None]] = {}

    def heaviest(self) -> bytes:
        """Return the party that has most; of several, the one that came to it first."""
        return next(iter(self._by_count[self.most]))

    def change(self, key: bytes, change: int) -> None:
        """Add `change`, 1 or -1, to the count of a party."""
        old = self.counts.pop(key, 0)
        new = old + change
        if old:
            peers = self._by_count[old]
            del peers[key]
            if not peers:
                del self._by_count[old]
        if new:
            self.counts[key] = new
            self._by_count.setdefault(new, {})[key] = None
        if new > self.most or self.most not in self._by_count:
            self.most = new
