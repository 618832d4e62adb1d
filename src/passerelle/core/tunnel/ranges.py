"""A set of byte offsets above a floor, kept as disjoint ascending ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class RangeSet:
    """The offsets `[0, floor)` and any number of ranges beyond the floor.

    Adding costs a binary search and a splice. There are as many ranges as gaps.
    """

    __slots__ = ("_ends", "_starts", "floor")

    def __init__(self, floor: int = 0) -> None:
        self.floor = floor
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        """Return how many ranges there are beyond the floor."""
        return len(self._starts)

    def add(self, start: int, end: int) -> None:
        """Add `[start, end)`. The floor rises over every range that it touches now."""
        if end <= self.floor:
            return
        low = bisect_left(self._ends, start)
        high = bisect_right(self._starts, end)
        if low < high:
            start = min(start, self._starts[low])
            end = max(end, self._ends[high - 1])
        if start <= self.floor:
            self.floor = end
            del self._starts[:high], self._ends[:high]
        else:
            self._starts[low:high] = [start]
            self._ends[low:high] = [end]

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the parts of `[start, end)` that are not in the set as (start, end), ascending."""
        gaps = []
        start = max(start, self.floor)
        index = bisect_right(self._ends, start)
        while start < end:
            if index == len(self._starts) or self._starts[index] >= end:
                gaps.append((start, end))
                break
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._ends[index]
            index += 1
        return gaps

    def covers(self, start: int, end: int) -> bool:
        """Return whether all of `[start, end)` is in the set."""
        return not self.missing(start, end)

    def ranges(self, most: int) -> tuple[tuple[int, int], ...]:
        """Return the lowest ranges beyond the floor as (start, end), at most `most`, ascending."""
        return tuple(zip(self._starts[:most], self._ends[:most], strict=True))
