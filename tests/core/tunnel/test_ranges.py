from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.tunnel.ranges import RangeSet

SPANS = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda span: (span[0], sum(span)))


def test_the_floor_rises_over_what_it_touches() -> None:
    """Ranges beyond the floor join it when the gap closes."""
    offsets = RangeSet()
    offsets.add(10, 20)
    offsets.add(30, 40)
    assert (offsets.floor, offsets.ranges(9), len(offsets)) == (0, ((10, 20), (30, 40)), 2)
    offsets.add(0, 10)
    assert (offsets.floor, offsets.ranges(9)) == (20, ((30, 40),))
    offsets.add(15, 30)
    assert (offsets.floor, offsets.ranges(9)) == (40, ())


def test_neighbours_become_one() -> None:
    """A range that touches others is one with them."""
    offsets = RangeSet(5)
    for start, end in ((10, 20), (30, 40), (20, 30), (60, 70)):
        offsets.add(start, end)
    assert offsets.ranges(9) == ((10, 40), (60, 70))
    assert offsets.ranges(1) == ((10, 40),)


def test_what_is_below_the_floor_changes_nothing() -> None:
    """Offsets below the floor are in the set already."""
    offsets = RangeSet(50)
    offsets.add(0, 50)
    assert (offsets.floor, len(offsets)) == (50, 0)
    assert offsets.covers(0, 50)
    assert not offsets.covers(0, 51)


@given(
    floor=st.integers(0, 20),
    spans=st.lists(SPANS, max_size=30),
    asked=SPANS,
)
def test_behaves_like_a_set(
    floor: int, spans: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    """Against a set of integers: floor, ranges, coverage and gaps."""
    offsets, model = RangeSet(floor), set(range(floor))
    for start, end in spans:
        offsets.add(start, end)
        model.update(range(start, end))
        assert offsets.floor == next(at for at in range(200) if at not in model)
        beyond = {at for pair in offsets.ranges(99) for at in range(*pair)}
        assert beyond == {at for at in model if at >= offsets.floor}
        ranges = offsets.ranges(99)
        assert len(offsets) == len(ranges)
        assert all(early[1] < late[0] for early, late in itertools.pairwise(ranges))
    missing = offsets.missing(*asked)
    assert [at for gap in missing for at in range(*gap)] == [
        at for at in range(*asked) if at not in model
    ]
    assert offsets.covers(*asked) == (not missing)
