from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.matching.sample import Bag, Draws


class Item:
    def __init__(self) -> None:
        self.at = [-1, -1]


def test_draws_follow_from_their_seed_and_spread_evenly() -> None:
    first, again, other = Draws(1), Draws(1), Draws(2)
    numbers = [first.below(10) for _ in range(10_000)]
    assert numbers == [again.below(10) for _ in range(10_000)]
    assert numbers != [other.below(10) for _ in range(10_000)]
    counts = Counter(numbers)
    assert set(counts) == set(range(10))
    assert max(counts.values()) < 1.2 * min(counts.values())


@given(st.lists(st.integers(0, 19), max_size=100), st.integers(0, 1))
def test_a_bag_is_a_set(flips: list[int], level: int) -> None:
    bag: Bag[Item] = Bag(level)
    items = [Item() for _ in range(20)]
    inside: set[Item] = set()
    for number in flips:
        item = items[number]
        if item in inside:
            bag.discard(item)
        else:
            bag.add(item)
        inside ^= {item}
        assert set(bag) == inside
        assert len(bag) == len(inside)
        assert all(bag[each.at[level]] is each for each in inside)


def test_few_are_sampled_whole_and_many_by_chance() -> None:
    bag: Bag[Item] = Bag(0)
    items = [Item() for _ in range(100)]
    for item in items[:8]:
        bag.add(item)
    assert set(bag.sample(4, Draws(3))) == set(items[:8])
    for item in items[8:]:
        bag.add(item)
    assert len(list(bag.sample(4, Draws(3)))) == 4
    draws = Draws(5)
    seen = {item for _ in range(300) for item in bag.sample(4, draws)}
    assert seen == set(items)
