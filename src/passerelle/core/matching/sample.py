"""Random samples of a changing set in constant time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_MASK = 2**64 - 1


class Draws:
    """Random numbers that follow from a seed (Knuth's MMIX congruence, its upper bits)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        """`seed` is uniform in [0, 2⁶⁴)."""
        self._state = seed & _MASK

    def below(self, bound: int) -> int:
        """Return a whole number in [0, bound); `bound` is below 2³⁰."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % bound


class Sampled(Protocol):
    """An item of sampled sets: it carries its position in the set of each level."""

    positions: list[int]


T = TypeVar("T", bound=Sampled)


class SampledSet(Generic[T]):
    """A set to draw random items from. An item is in at most one set of each level."""

    __slots__ = ("_items", "_level")

    def __init__(self, level: int) -> None:
        """`level` is where in `Sampled.positions` this set keeps an item's position."""
        self._items: list[T] = []
        self._level = level

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __getitem__(self, index: int) -> T:
        return self._items[index]

    def add(self, item: T) -> None:
        """Put in an item that is in no set of this level."""
        item.positions[self._level] = len(self._items)
        self._items.append(item)

    def discard(self, item: T) -> None:
        """Take out an item that is in this set; the last item takes its position."""
        last = self._items.pop()
        position = item.positions[self._level]
        if last is not item:
            self._items[position] = last
            last.positions[self._level] = position

    def sample(self, size: int, draws: Draws) -> Iterator[T]:
        """Yield all items if there are at most 2 × `size`, else `size` random ones.

        A random item may be yielded twice.
        """
        if len(self._items) <= 2 * size:
            yield from self._items
            return
        for _ in range(size):
            yield self._items[draws.below(len(self._items))]
