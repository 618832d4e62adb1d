"""Counts by the hour: what they hold, and that no clock and no crowd makes them grow."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from passerelle import serverlimits
from passerelle.core.tally import COUNTED_DAYS, DAY_HOURS, HOUR_S, HourCounts, Tally

BEGIN_S = 500_000 * HOUR_S
BEGIN = 500_000


def test_an_hour_shows_the_most_that_were_there_at_once() -> None:
    """Whoever comes back again and again counts once, and whoever stays counts in later hours."""
    tally = Tally()
    tally.joined(BEGIN_S)
    tally.joined(BEGIN_S)
    for _ in range(5):
        tally.left(BEGIN_S)
        tally.joined(BEGIN_S)
    tally.left(BEGIN_S + 1)
    shown = {hour: each.volunteers for hour, each in tally.hours(BEGIN_S + 2 * HOUR_S).items()}
    assert shown == {BEGIN: 2, BEGIN + 1: 1, BEGIN + 2: 1}
    assert tally.volunteers == 1


def test_a_link_counts_in_the_hour_and_for_the_country() -> None:
    tally = Tally()
    tally.helped("IR", 1000, BEGIN_S)
    tally.helped(None, 500, BEGIN_S + HOUR_S - 1)
    tally.helped("IR", 7, BEGIN_S + HOUR_S)
    assert tally.hours(BEGIN_S + HOUR_S) == {
        BEGIN: HourCounts(0, 2, 1500),
        BEGIN + 1: HourCounts(0, 1, 7),
    }
    assert sum(tally.days(BEGIN_S + HOUR_S).values(), Counter()) == Counter({"IR": 2, None: 1})


def test_a_week_is_kept() -> None:
    """What is older than a week is forgotten, also by a tally that nothing happens to."""
    tally = Tally()
    tally.helped("IR", 1, BEGIN_S)
    later_s = BEGIN_S + serverlimits.COUNTED_HOURS * HOUR_S
    assert BEGIN in tally.hours(later_s - 1)
    assert BEGIN not in tally.hours(later_s)
    assert len(tally.hours(later_s)) == serverlimits.COUNTED_HOURS
    assert not tally.days(later_s + DAY_HOURS * HOUR_S)


def test_countries_of_a_day_are_bounded() -> None:
    """Beyond the bound a country counts as an unknown one; those that are there go on."""
    tally = Tally()
    names = [f"{a}{b}" for a in "ABCDEFGHIJKLM" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    assert len(names) > serverlimits.COUNTED_COUNTRIES
    for name in names * 2:
        tally.helped(name, 1, BEGIN_S)
    (day,) = tally.days(BEGIN_S).values()
    assert len(day) <= serverlimits.COUNTED_COUNTRIES + 1
    assert day.total() == 2 * len(names)
    assert day["AA"] == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["joined", "left", "helped"]),
            st.floats(min_value=0, max_value=4e9, allow_nan=False),
        ),
        max_size=40,
    )
)
def test_no_clock_makes_it_grow(events: list[tuple[str, float]]) -> None:
    """However the clock jumps, a week is kept at most, and nothing is later than now."""
    tally, there, now_s = Tally(), 0, 0.0
    for event, now_s in events:
        if event == "joined":
            tally.joined(now_s)
            there += 1
        elif event == "left" and there:
            tally.left(now_s)
            there -= 1
        else:
            tally.helped("IR", 1, now_s)
        hours = tally.hours(now_s)
        assert len(hours) <= serverlimits.COUNTED_HOURS
        assert max(hours) == now_s // HOUR_S
        assert list(hours) == list(range(min(hours), max(hours) + 1))
        assert len(tally.days(now_s)) <= COUNTED_DAYS
        assert hours[max(hours)].volunteers >= tally.volunteers == there


def test_what_brokers_counted_adds_up() -> None:
    """Hours of both are added up; an hour that is not of this week is left out."""
    one, two = Tally(), Tally()
    one.helped("IR", 10, BEGIN_S)
    one.joined(BEGIN_S + HOUR_S)
    two.joined(BEGIN_S - HOUR_S)
    two.helped("IR", 5, BEGIN_S)
    two.helped(None, 7, BEGIN_S)
    now_s = BEGIN_S + HOUR_S
    sum_, other = one.counted(now_s), two.counted(now_s)
    other.hours[BEGIN + 2] = other.hours[BEGIN - serverlimits.COUNTED_HOURS] = HourCounts(9, 9, 9)
    sum_.add(other)
    assert sum_.volunteers == 2
    assert sum_.hours == {
        BEGIN - 1: HourCounts(1, 0, 0),
        BEGIN: HourCounts(1, 3, 22),
        BEGIN + 1: HourCounts(2, 0, 0),
    }
    assert list(sum_.hours) == sorted(sum_.hours)
    assert sum_.countries == Counter({"IR": 2, None: 1})
    # The tallies themselves are as they were.
    assert one.hours(now_s)[BEGIN] == HourCounts(0, 1, 10)
