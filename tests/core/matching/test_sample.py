from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.matching.sample import Draws, SampledSet


class Item:
    def __init__(self) -> None:
        self.positions = [-1, -1]


def test_draws_follow_from_their_seed_and_spread_evenly() -> None:
    first, again, other = Draws(1), Draws(1), Draws(2)
    numbers = [first.below(10) for _ in range(10_000)]
    assert numbers == [again.below(10) for _ in range(10_000)]
    assert numbers != [other.below(10) for _ in range(10_000)]
    counts = Counter(numbers)
    assert set(counts) == set(range(10))
    assert max(counts.values()) < 1.2 * min(counts.values())


@given(st.lists(st.integers(0, 19), max_size=100), st.integers(0, 1))
def test_a_sampled_set_is_a_set(flips: list[int], level: int) -> None:
    items_in: SampledSet[Item] = SampledSet(level)
    items = [Item() for _ in range(20)]
    inside: set[Item] = set()
    for number in flips:
        item = items[number]
        if item in inside:
            items_in.discard(item)
        else:
            items_in.add(item)
        inside ^= {item}
        assert set(items_in) == inside
        assert len(items_in) == len(inside)
        assert all(items_in[each.positions[level]] is each for each in inside)


def test_few_are_sampled_whole_and_many_by_chance() -> None:
    items_in: SampledSet[Item] = SampledSet(0)
    items = [Item() for _ in range(100)]
    for item in items[:8]:
        items_in.add(item)
    assert set(items_in.sample(4, Draws(3))) == set(items[:8])
    for item in items[8:]:
        items_in.add(item)
    assert len(list(items_in.sample(4, Draws(3)))) == 4
    draws = Draws(5)
    seen = {item for _ in range(300) for item in items_in.sample(4, draws)}
    assert seen == set(items)
