from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.way_ranking import FORGET_S, PATIENCE_S, REST_S, WayRanking, WayRecord

NOW = 1_800_000_000.0
KEYS = ["direct", "fronted", "amp"]


def test_nothing_is_known_at_first() -> None:
    """The given order holds."""
    assert WayRanking().order(KEYS, NOW) == KEYS
    assert WayRanking().patience_s("direct") == PATIENCE_S


def test_what_works_comes_first() -> None:
    """The quickest at the head, before what was never tried."""
    ranking = WayRanking()
    ranking.succeeded("amp", 1.0)
    assert ranking.order(KEYS, NOW) == ["amp", "direct", "fronted"]
    ranking.succeeded("fronted", 0.2)
    assert ranking.order(KEYS, NOW) == ["fronted", "amp", "direct"]


def test_what_failed_comes_last_until_it_is_forgotten() -> None:
    """… for a minute after all others, for a day after those that failed less, then as before."""
    ranking = WayRanking()
    ranking.succeeded("direct", 0.1)
    ranking.failed("direct", NOW)
    ranking.failed("fronted", NOW - REST_S)
    ranking.failed("fronted", NOW - REST_S)
    assert ranking.order(KEYS, NOW) == ["amp", "fronted", "direct"], "direct rests"
    assert ranking.order(KEYS, NOW + REST_S) == ["amp", "direct", "fronted"]
    assert ranking.order(KEYS, NOW + FORGET_S) == ["direct", "fronted", "amp"]


def test_a_clock_that_was_set_back_makes_no_way_rest_for_long() -> None:
    """A failure in the future is as far away as one in the past."""
    ranking = WayRanking({"direct": WayRecord(failures=1, failed_s=NOW + 2 * FORGET_S)})
    assert ranking.order(KEYS, NOW) == KEYS


def test_success_ends_a_row_of_failures() -> None:
    """One success, and what was known of its pace still counts."""
    ranking = WayRanking()
    ranking.succeeded("amp", 2.0)
    ranking.failed("amp", NOW)
    ranking.worked("amp")
    assert ranking.records(["amp"]) == {"amp": WayRecord(latency_s=2.0)}
    ranking.worked("direct")
    assert ranking.order(KEYS, NOW)[0] in {"amp", "direct"}


def test_patience_follows_the_pace_within_bounds() -> None:
    """Twice the usual time, neither a blink nor an age."""
    ranking = WayRanking()
    for latency_s, patience_s in ((0.01, 1.0), (1.5, 3.0), (60.0, 4.0)):
        ranking = WayRanking({"amp": WayRecord(latency_s=latency_s)})
        assert ranking.patience_s("amp") == patience_s


def test_latency_is_smoothed() -> None:
    """One slow exchange does not turn the order round."""
    ranking = WayRanking()
    ranking.succeeded("amp", 1.0)
    ranking.succeeded("amp", 2.0)
    (record,) = ranking.records(["amp", "direct"]).values()
    assert record.latency_s is not None
    assert 1.0 < record.latency_s < 1.5


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.floats(0, 10), st.floats(-1e6, 1e6))),
    st.floats(-1e6, 1e6),
)
def test_every_way_is_always_tried(story: list[tuple[str, float, float]], at_s: float) -> None:
    """Whatever happened, the order is one of all ways."""
    ranking = WayRanking()
    for key, latency_s, then_s in story:
        if latency_s < 5:
            ranking.succeeded(key, latency_s)
        else:
            ranking.failed(key, NOW + then_s)
    assert sorted(ranking.order(KEYS, NOW + at_s)) == sorted(KEYS)
