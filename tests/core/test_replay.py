import math

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.replay import ReplayWindow

NOW = 1_800_000_000.0
ORIGINS = [b"4abc", b"4xyz", b"6" + bytes(7), b"6" + bytes(6) + b"\1", b"s"]


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


def test_in_a_full_window_the_oldest_gives_way_and_is_not_accepted_again() -> None:
    window = ReplayWindow(120, 2)
    assert window.accept(nonce(1), NOW, NOW)
    assert window.accept(nonce(2), NOW + 60, NOW)
    assert window.accept(nonce(3), NOW + 1, NOW)
    assert len(window) == 2
    assert not window.accept(nonce(1), NOW, NOW)
    assert not any(window.accept(nonce(number), NOW, NOW) for number in range(9))


def test_a_flood_from_one_network_locks_nobody_else_out() -> None:
    """Its own oldest nonces give way, also when its messages have the latest times there are."""
    window = ReplayWindow(120, 100)
    flood, honest = b"4abc", b"4xyz"
    for number in range(1000):
        window.accept(nonce(number), NOW + 120, NOW, flood)
    for number in range(1000, 1050):
        assert window.accept(nonce(number), NOW, NOW, honest)
    assert not any(window.accept(nonce(number), NOW, NOW, honest) for number in range(1000, 1050))
    assert not any(window.accept(nonce(number), NOW + 120, NOW, flood) for number in range(1000))
    assert len(window) == 100


def test_forgetting_takes_no_memory() -> None:
    """Origins whose nonces gave way are remembered for a bounded number, and for the skew."""
    window = ReplayWindow(120, 2)
    origins = [b"4" + bytes([number]) * 3 for number in range(50)]
    accepted = [
        window.accept(nonce(number), NOW, NOW, origin) for number, origin in enumerate(origins)
    ]
    assert sum(accepted) <= 6
    assert window.accept(nonce(99), NOW + 122, NOW + 122, origins[0])


def test_setting_the_clock_back_revives_nothing() -> None:
    window = ReplayWindow(120, 10)
    assert window.accept(nonce(1), NOW, NOW)
    assert window.accept(nonce(2), NOW + 3600, NOW + 3600)
    assert not window.accept(nonce(1), NOW, NOW)
    assert window.accept(nonce(3), NOW + 1, NOW + 1), "and later messages go on being accepted"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.integers(-30, 30), st.integers(-5, 15), st.sampled_from(ORIGINS)
        ),
        max_size=80,
    )
)
def test_nothing_is_accepted_twice_whatever_the_clock_does(
    messages: list[tuple[int, int, int, bytes]],
) -> None:
    """What one origin sent is accepted at most once, and memory stays within capacity."""
    window = ReplayWindow(10, 5)
    now = 1000
    accepted: set[tuple[int, int, bytes]] = set()
    for number, offset, step, origin in messages:
        now += step
        message = (number, now + offset, origin)
        if window.accept(nonce(number), message[1], now, origin):
            assert message not in accepted
            assert abs(offset) <= 10
            accepted.add(message)
        assert len(window) <= 5
