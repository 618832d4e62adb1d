import math

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.replay import ReplayWindow

NOW = 1_800_000_000.0


def nonce(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_a_nonce_is_accepted_once() -> None:
    window = ReplayWindow(120, 10)
    assert window.accept(nonce(1), NOW, NOW)
    assert not any(window.accept(nonce(1), NOW, NOW + i / 10) for i in range(1000))


def test_the_same_nonce_with_another_time_is_refused() -> None:
    window = ReplayWindow(120, 10)
    assert window.accept(nonce(1), NOW, NOW)
    assert not window.accept(nonce(1), NOW + 1, NOW)


def test_times_beyond_the_skew_are_refused_and_not_remembered() -> None:
    window = ReplayWindow(120, 10)
    for time_s in (NOW - 600, NOW - 120.5, NOW + 120.5, NOW + 600, math.nan, math.inf):
        assert not window.accept(nonce(1), time_s, NOW)
    assert len(window) == 0
    assert window.accept(nonce(1), NOW - 120, NOW)
    assert window.accept(nonce(2), NOW + 120, NOW)


def test_a_full_window_refuses_rather_than_forgets() -> None:
    window = ReplayWindow(120, 2)
    assert window.accept(nonce(1), NOW, NOW)
    assert window.accept(nonce(2), NOW + 60, NOW)
    assert not window.accept(nonce(3), NOW, NOW)
    assert not window.accept(nonce(1), NOW, NOW)
    assert window.accept(nonce(3), NOW + 121, NOW + 121), "the oldest has expired by now"
    assert len(window) == 2


def test_setting_the_clock_back_revives_nothing() -> None:
    window = ReplayWindow(120, 10)
    assert window.accept(nonce(1), NOW, NOW)
    assert window.accept(nonce(2), NOW + 3600, NOW + 3600)
    assert not window.accept(nonce(1), NOW, NOW)
    assert window.accept(nonce(3), NOW + 1, NOW + 1), "and later messages go on being accepted"


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(-30, 30), st.integers(-5, 15)),
        max_size=80,
    )
)
def test_nothing_is_accepted_twice_whatever_the_clock_does(
    messages: list[tuple[int, int, int]],
) -> None:
    """One (nonce, time) pair is accepted at most once, and memory stays within capacity."""
    window = ReplayWindow(10, 5)
    now = 1000
    accepted: set[tuple[int, int]] = set()
    for number, offset, step in messages:
        now += step
        message = (number, now + offset)
        if window.accept(nonce(number), message[1], now):
            assert message not in accepted
            assert abs(offset) <= 10
            accepted.add(message)
        assert len(window) <= 5
