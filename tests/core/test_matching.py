import time
from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from passerelle.core.matching import REST_S, Outcome, Pool

A, B, C, D = (letter.encode() * 8 for letter in "ABCD")


def pool_of(*volunteers: bytes, free: int = 1) -> Pool:
    pool = Pool()
    for now, volunteer in enumerate(volunteers):
        pool.add(volunteer, free, float(now))
    return pool


def test_whoever_waited_longest_is_picked_first() -> None:
    pool = pool_of(A, B, C)
    assert pool.pick(2, (), 10) == [A, B]
    assert pool.pick(2, (), 10) == [C]
    assert pool.pick(1, (), 10) == []


def test_one_pick_gives_distinct_volunteers_and_then_takes_turns() -> None:
    pool = pool_of(A, B, free=2)
    assert pool.pick(4, (), 10) == [A, B]
    assert pool.pick(1, (), 10) == [A]
    assert pool.pick(2, (), 10) == [B]


def test_avoided_volunteers_are_left_alone_and_keep_their_place() -> None:
    pool = pool_of(A, B, C)
    assert pool.pick(3, {A, C}, 10) == [B]
    assert pool.pick(1, (), 10) == [A]


def test_a_volunteer_without_slots_is_not_picked_until_it_has_some() -> None:
    pool = pool_of(A, free=0)
    assert pool.available == 0
    assert pool.pick(1, (), 1) == []
    pool.set_free(A, 1, 2)
    assert pool.pick(1, (), 3) == [A]


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (Outcome.ANSWERED, False),
        (Outcome.BUSY, False),
        (Outcome.DECLINED, True),
        (Outcome.WITHDRAWN, True),
        (Outcome.SILENT, True),
    ],
)
def test_what_becomes_of_the_slot_depends_on_the_outcome(outcome: Outcome, again: bool) -> None:
    pool = pool_of(A)
    assert pool.pick(1, (), 1) == [A]
    pool.settle(A, outcome, 2)
    assert (pool.pick(1, (), 3) == [A]) is again
    pool.set_free(A, 2, 4)
    assert pool.pick(1, (), 5) == [A], "a word from the volunteer counts in any case"


def test_an_answered_slot_stays_taken_among_others() -> None:
    pool = pool_of(A, free=3)
    for now in range(3):
        assert pool.pick(1, (), now) == [A]
        pool.settle(A, Outcome.ANSWERED, now)
    assert pool.pick(1, (), 3) == []


def test_a_silent_volunteer_rests_behind_the_others_for_a_while() -> None:
    pool = pool_of(A, B, free=2)
    assert pool.pick(1, (), 0) == [A]
    pool.settle(A, Outcome.SILENT, 0)
    assert pool.pick(1, (), 1) == [B]
    assert pool.pick(1, (), 1) == [B]
    assert pool.pick(1, (), 1) == [A], "better a resting one than none"
    pool.settle(A, Outcome.WITHDRAWN, 1)
    pool.set_free(B, 3, 1)
    assert pool.pick(1, (), REST_S - 1) == [B]
    pool.settle(B, Outcome.WITHDRAWN, REST_S)
    assert pool.pick(1, (B,), REST_S) == [A]


def test_a_second_silence_prolongs_the_rest() -> None:
    pool = pool_of(A, B, free=9)
    for now in (0, 10):
        assert pool.pick(1, (B,), now) == [A]
        pool.settle(A, Outcome.SILENT, now)
    assert pool.pick(1, (), REST_S + 1) == [B]
    assert set(pool.pick(2, (), REST_S + 10)) == {A, B}
    assert len(pool) == 2


def test_a_removed_volunteer_is_gone_even_with_offers_out() -> None:
    pool = pool_of(A)
    assert pool.pick(1, (), 1) == [A]
    pool.remove(A)
    pool.remove(A)
    pool.settle(A, Outcome.SILENT, 2)
    pool.set_free(A, 5, 3)
    assert A not in pool
    assert len(pool) == pool.available == 0
    assert pool.pick(1, (), 100) == []


def test_a_volunteer_cannot_be_in_the_pool_twice() -> None:
    pool = pool_of(A)
    with pytest.raises(ValueError):
        pool.add(A, 1, 1)


def test_a_pick_costs_the_same_among_many() -> None:
    """40,000 picks among 40,000 volunteers: a scan for each would take minutes."""
    pool = Pool()
    for number in range(40_000):
        pool.add(number.to_bytes(8, "big"), 1, 0)
    started = time.perf_counter()
    picked = [pool.pick(1, (), 1)[0] for _ in range(40_000)]
    assert time.perf_counter() - started < 5
    assert len(set(picked)) == 40_000


class PoolModel(RuleBasedStateMachine):
    """Whatever happens, nobody is asked beyond the slots they declared, nor when avoided."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.now = 0.0
        self.free: dict[bytes, int] = {}
        self.out: Counter[bytes] = Counter()

    names = st.sampled_from((A, B, C, D))

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=names, free=st.integers(0, 3))
    def add_or_ready(self, name: bytes, free: int) -> None:
        if name in self.free:
            self.pool.set_free(name, free, self.now)
        else:
            self.pool.add(name, free, self.now)
        self.free[name] = free

    @rule(name=names)
    def remove(self, name: bytes) -> None:
        self.pool.remove(name)
        self.free.pop(name, None)
        self.out.pop(name, None)

    @rule(count=st.integers(1, 4), avoid=st.sets(names))
    def pick(self, count: int, avoid: set[bytes]) -> None:
        could = {n for n, free in self.free.items() if free > self.out[n]} - avoid
        picked = self.pool.pick(count, avoid, self.now)
        assert len(picked) == len(set(picked)) == min(count, len(could))
        assert set(picked) <= could
        self.out.update(picked)

    @rule(name=names, outcome=st.sampled_from(Outcome))
    def settle(self, name: bytes, outcome: Outcome) -> None:
        if not self.out[name]:
            return
        self.pool.settle(name, outcome, self.now)
        self.out[name] -= 1
        if outcome is Outcome.ANSWERED:
            self.free[name] = max(0, self.free[name] - 1)
        elif outcome is Outcome.BUSY:
            self.free[name] = 0

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.pool) == len(self.free)
        assert self.pool.available == sum(f > self.out[n] for n, f in self.free.items())


TestPoolModel = PoolModel.TestCase
