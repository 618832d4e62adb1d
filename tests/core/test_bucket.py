from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.bucket import Bucket


def test_full_at_first_and_never_fuller() -> None:
    bucket = Bucket(10, 3, now=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert bucket.left(100) == 3


def test_tokens_come_back_with_time() -> None:
    bucket = Bucket(10, 3, now=0)
    bucket.take(0, 3)
    assert not bucket.take(0.05)
    assert bucket.take(0.1)
    assert not bucket.take(0.1)


def test_debt_is_time_to_wait() -> None:
    bucket = Bucket(10, 3, now=0)
    assert bucket.spend(3, 0) == 0
    assert bucket.spend(5, 0) == pytest.approx(0.5)
    assert bucket.left(0) == -5
    assert not bucket.take(0.5)
    assert bucket.spend(0, 0.5) == 0


def test_a_grant_counts_within_the_burst() -> None:
    bucket = Bucket(1, 2, now=0)
    assert bucket.take(0)
    bucket.grant(9)
    assert [bucket.take(0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_stands_or_steps_back_gives_nothing() -> None:
    bucket = Bucket(10, 3, now=5)
    bucket.take(5, 3)
    assert bucket.left(4) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5)), max_size=40))
def test_never_more_than_rate_and_burst(steps: list[tuple[float, float]]) -> None:
    """What was taken in a time is at most the burst and the time's worth."""
    bucket, now, taken = Bucket(7, 4, now=0), 0.0, 0.0
    for pause_s, count in steps:
        now += pause_s
        if bucket.take(now, count):
            taken += count
    assert taken <= 4 + 7 * now + 1e-6
