"""Random samples of a changing set in constant time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_MASK = 2**64 - 1


class Draws:
    """Numbers that follow from a seed (Knuth's MMIX congruence, its upper bits)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        """`seed` is uniform in [0, 2⁶⁴)."""
        self._state = seed & _MASK

    def below(self, bound: int) -> int:
        """Return a whole number in [0, bound); `bound` is below 2³⁰."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % bound


class Bagged(Protocol):
    """What a bag holds: it knows its place in the bag of each level."""

    at: list[int]


B = TypeVar("B", bound=Bagged)


class Bag(Generic[B]):
    """A set of items, each in at most one bag of the same level."""

    __slots__ = ("_items", "_level")

    def __init__(self, level: int) -> None:
        self._items: list[B] = []
        self._level = level

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[B]:
        return iter(self._items)

    def __getitem__(self, index: int) -> B:
        return self._items[index]

    def add(self, item: B) -> None:
        """Put in an item that is in no bag of this level."""
        item.at[self._level] = len(self._items)
        self._items.append(item)

    def discard(self, item: B) -> None:
        """Take out an item that is in this bag; the last one takes its place."""
        last = self._items.pop()
        place = item.at[self._level]
        if last is not item:
            self._items[place] = last
            last.at[self._level] = place

    def sample(self, size: int, draws: Draws) -> Iterator[B]:
        """Yield all items if they are few, else `size` random ones, some perhaps twice."""
        if len(self._items) <= 2 * size:
            yield from self._items
            return
        for _ in range(size):
            yield self._items[draws.below(len(self._items))]
