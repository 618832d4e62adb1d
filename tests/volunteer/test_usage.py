from __future__ import annotations

from datetime import date

from passerelle import limits
from passerelle.volunteer.usage import Usage


def test_a_new_day_and_a_new_month_begin_at_nothing() -> None:
    usage = Usage()
    usage.turn(date(2026, 11, 29))
    usage.carry(10)
    usage.flow("IR")
    usage.turn(date(2026, 11, 30))
    assert (usage.day_bytes, usage.month_bytes, usage.total_bytes) == (0, 10, 10)
    assert usage.flows_of("IR") == 0
    usage.turn(date(2026, 12, 1))
    assert (usage.month_bytes, usage.total_bytes) == (0, 10)


def test_a_clock_that_goes_back_gives_nothing_twice() -> None:
    usage = Usage()
    usage.turn(date(2026, 12, 1))
    usage.carry(10)
    usage.turn(date(2026, 11, 30))
    assert (usage.day_bytes, usage.month_bytes) == (10, 10)
    usage.turn(date(2026, 11, 30))
    usage.carry(5)
    assert usage.day_bytes == 15


def test_a_clock_that_comes_back_to_the_day_it_left_gives_nothing_twice() -> None:
    """A computer without a battery for its clock starts in the past, and is put right soon."""
    usage = Usage()
    usage.turn(date(2026, 11, 29))
    usage.carry(10)
    usage.flow("IR")
    for wrong in (date(2026, 11, 28), date(2024, 5, 1)):
        usage.turn(wrong)
    usage.turn(date(2026, 11, 29))
    assert (usage.day_bytes, usage.month_bytes, usage.flows_of("IR")) == (10, 10, 1)
    usage.turn(date(2024, 5, 1))
    usage.turn(date(2026, 11, 30))
    assert (usage.day_bytes, usage.month_bytes, usage.flows_of("IR")) == (0, 10, 0)
    usage.turn(date(2024, 5, 1))
    usage.turn(date(2026, 12, 1))
    assert (usage.month_bytes, usage.total_bytes) == (0, 10)


def test_a_clock_that_was_years_ahead_stops_nothing() -> None:
    """The next day after it was put right is a new one."""
    usage = Usage()
    usage.turn(date(2099, 1, 1))
    usage.carry(10)
    usage.turn(date(2026, 11, 29))
    usage.turn(date(2026, 11, 30))
    assert usage.day_bytes == 0


def test_countries_are_counted_up_to_a_bound() -> None:
    usage = Usage()
    for number in range(limits.VOLUNTEER_COUNTRIES + 10):
        usage.flow(f"{number}")
    usage.flow("0")
    usage.flow(None)
    assert len(usage.flows) == limits.VOLUNTEER_COUNTRIES
    assert usage.flows_of("0") == 2
    assert usage.flows_of(None) == 0
