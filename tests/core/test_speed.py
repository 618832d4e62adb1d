from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.speed import RateMeter, Speed, bytes_each_way, one_digit, speed


@pytest.mark.parametrize(
    ("down", "up", "word"),
    [
        (50, 3, Speed.VIDEO),
        (2.9, 50, Speed.PAGES),
        (50, 2, Speed.PAGES),
        (0.2, 0.2, Speed.PAGES),
        (100, 0.1, Speed.SLOW),
        (0.01, 100, Speed.SLOW),
    ],
)
def test_the_slower_way_says_what_a_connection_is_good_for(
    down: float, up: float, word: Speed
) -> None:
    assert speed(down, up) is word


def test_a_test_keeps_to_what_is_given() -> None:
    assert bytes_each_way(None, None, math.inf) == limits.RATE_TEST_BYTES
    assert bytes_each_way(100_000_000, None, math.inf) == 1_000_000
    assert bytes_each_way(100_000_000, 50_000_000, math.inf) == 500_000
    assert bytes_each_way(None, None, 4) == 500_000
    assert bytes_each_way(1_000_000, None, math.inf) == 0
    assert bytes_each_way(None, None, 0.1) == 0


def test_the_rate_is_that_of_the_second_half() -> None:
    """What came while TCP found out how much the line carries does not count."""
    meter = RateMeter(10.0)
    for at, total in ((11.0, 100_000), (12.0, 500_000), (12.4, 1_000_000)):
        meter.take(total, at)
    assert meter.mbit(12.4) == 10
    assert meter.bytes == 1_000_000


def test_silence_at_the_end_counts() -> None:
    meter = RateMeter(0.0)
    meter.take(4096, 0.1)
    meter.take(8192, 0.2)
    assert meter.mbit(1.1) == 0.03


def test_one_message_counts_with_all_of_the_time_and_none_is_unknown() -> None:
    meter = RateMeter(0.0)
    assert meter.mbit(1.0) is None
    meter.take(12_500, 0.5)
    assert meter.mbit(0.5) == 0.2
    assert meter.mbit(1.0) == 0.1


def test_a_total_that_does_not_grow_is_nothing_new() -> None:
    meter = RateMeter(0.0)
    for total in (0, 5, 5, 4):
        meter.take(total, 1.0)
    assert meter.bytes == 5


def test_no_rate_is_beyond_what_a_test_can_tell() -> None:
    meter = RateMeter(0.0)
    meter.take(limits.RATE_TEST_BYTES, 0.0)
    assert meter.mbit(0.0) == 1000


@given(st.floats(0.001, 1000))
def test_one_digit_is_near(value: float) -> None:
    assert one_digit(value) == pytest.approx(value, rel=0.5)
    assert float(f"{one_digit(value):.0e}") == one_digit(value)
