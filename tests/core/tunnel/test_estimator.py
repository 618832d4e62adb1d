"""The estimator against a path computed by hand; test_session_speed.py has whole networks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.tunnel.estimator import (
    INITIAL_RTT_S,
    INITIAL_WINDOW_BYTES,
    LATE_RATE_ROUNDS,
    LATE_S,
    MIN_RTT_AGE_S,
    OVERDUE_MAX_S,
    OVERDUE_MIN_S,
    QUEUE_ALLOWANCE_S,
    SEGMENT_LEAST_BYTES,
    SEGMENT_S,
    STARTUP_AGE_S,
    LinkEstimator,
    RateSample,
)

SEGMENT = 10_000


@dataclass(slots=True)
class Pipe:
    """A path of fixed rate and round trip, kept full, or fed one segment at a time."""

    rate: float
    rtt_s: float
    now: float = 0.0
    free_at: float = 0.0
    flights: deque[tuple[float, RateSample]] = field(default_factory=deque)
    estimator: LinkEstimator = field(default_factory=lambda: LinkEstimator(0.0))

    def send(self, size: int = SEGMENT) -> None:
        self.free_at = max(self.free_at, self.now) + size / self.rate
        sample = self.estimator.sent(size, self.now)
        self.flights.append((self.free_at + self.rtt_s, sample))

    def land(self) -> None:
        arrives, sample = self.flights.popleft()
        self.now = max(self.now, arrives)
        self.estimator.acknowledged(sample, self.now, delay_s=0.0)

    def fill(self, until_s: float) -> None:
        """Keep the window full."""
        while self.now < until_s:
            while self.estimator.room >= SEGMENT:
                self.send()
            self.land()

    def fill_fitting(self, until_s: float) -> None:
        """Keep the window full, with segments of the size the link likes."""
        while self.now < until_s:
            while self.estimator.whole_room:
                self.send(self.estimator.segment_bytes)
            self.land()

    def trickle(self, until_s: float) -> None:
        """Send one segment at a time, with nothing behind it."""
        while self.now < until_s:
            self.send()
            self.estimator.unfilled()
            self.land()


def test_before_any_measurement() -> None:
    """A new link gets a first window and a cautious round trip."""
    estimator = LinkEstimator(0.0)
    assert (estimator.rate, estimator.min_rtt_s) == (0, INITIAL_RTT_S)
    assert estimator.room == INITIAL_WINDOW_BYTES
    assert estimator.eta_s(1) == INITIAL_RTT_S
    estimator.echoed(0.03, 0.03)
    assert (estimator.rate, estimator.min_rtt_s, estimator.eta_s(1)) == (0, 0.03, 0.03)
    assert estimator.window_bytes == INITIAL_WINDOW_BYTES


def test_a_full_pipe_is_measured() -> None:
    """Rate, round trip and window settle on what the path has."""
    pipe = Pipe(rate=5e6, rtt_s=0.05)
    pipe.fill(3)
    estimator = pipe.estimator
    assert estimator.rate == pytest.approx(5e6, rel=0.01)
    assert estimator.min_rtt_s == pytest.approx(0.05 + SEGMENT / 5e6)
    window = 5e6 * (estimator.min_rtt_s + QUEUE_ALLOWANCE_S) + limits.DATA_BYTES
    assert estimator.window_bytes == pytest.approx(window, rel=0.02)


def test_expected_times() -> None:
    """A segment takes the round trip, or longer behind what is in flight."""
    pipe = Pipe(rate=1e6, rtt_s=0.05)
    pipe.fill(2)
    estimator = pipe.estimator
    estimator.in_flight = 0
    assert estimator.eta_s(SEGMENT) == estimator.min_rtt_s
    estimator.in_flight = 490_000
    assert estimator.eta_s(SEGMENT) == pytest.approx(0.5, rel=0.05)


def test_the_hold_of_an_ack_does_not_count() -> None:
    """The time a receiver sat on its ACK is not the path's."""
    estimator = LinkEstimator(0.0)
    estimator.acknowledged(estimator.sent(100, 0.0), 0.055, delay_s=0.005)
    assert estimator.min_rtt_s == pytest.approx(0.05)
    assert estimator.rate == pytest.approx(100 / 0.055)
    estimator.acknowledged(estimator.sent(100, 1.0), 1.0, delay_s=6.0)
    assert estimator.min_rtt_s > 0


def test_overdue_follows_the_round_trip() -> None:
    """Never below 0.2 s nor above 2 s; between them the smoothed round trip and its variation."""
    estimator = LinkEstimator(0.0)
    for step in range(50):
        estimator.echoed(0.01, step)
    assert estimator.overdue_s == OVERDUE_MIN_S
    for step in range(50):
        estimator.echoed(0.5, 50 + step)
    assert 0.5 < estimator.overdue_s < 1
    estimator.echoed(60, 100)
    assert estimator.overdue_s == OVERDUE_MAX_S


def test_little_use_says_little() -> None:
    """Single segments neither end the fast start nor lower a rate measured before."""
    quiet = Pipe(rate=5e6, rtt_s=0.05)
    quiet.trickle(5)
    quiet.fill(5.6)
    assert quiet.estimator.rate == pytest.approx(5e6, rel=0.05)
    quiet.fill(8)
    quiet.trickle(20)
    assert quiet.estimator.rate == pytest.approx(5e6, rel=0.05)


def test_a_pause_is_not_slowness() -> None:
    """After a pause the rate is measured from the first segment sent, not from before it."""
    pipe = Pipe(rate=5e6, rtt_s=0.05)
    pipe.fill(3)
    while pipe.flights:
        pipe.land()
    pipe.now += 60
    pipe.fill(pipe.now + 0.5)
    assert pipe.estimator.rate == pytest.approx(5e6, rel=0.02)


def test_the_window_has_a_floor_and_a_cap() -> None:
    """However slow or fast, the window keeps to its bounds."""
    slow, fast = Pipe(rate=1e4, rtt_s=0.001), Pipe(rate=1e9, rtt_s=0.5)
    slow.fill_fitting(60)
    fast.fill(10)
    assert slow.estimator.window_bytes == limits.LINK_WINDOW_FLOOR_BYTES
    assert fast.estimator.window_bytes == limits.LINK_WINDOW_CAP_BYTES


def test_a_busy_link_is_probed() -> None:
    """Ten seconds after the smallest round trip the window is halved, for a quarter second."""
    pipe = Pipe(rate=5e6, rtt_s=0.1)
    pipe.fill(MIN_RTT_AGE_S - 1)
    usual = pipe.estimator.window_bytes
    smallest = usual
    shrunk_s = 0.0
    while pipe.now < 2 * MIN_RTT_AGE_S - 1:
        before = pipe.now
        pipe.fill(pipe.now + 0.01)
        if pipe.estimator.window_bytes < 0.7 * usual:
            smallest = min(smallest, pipe.estimator.window_bytes)
            shrunk_s += pipe.now - before
    assert smallest < 0.5 * usual
    assert 0.2 <= shrunk_s <= 0.4
    assert pipe.estimator.min_rtt_s == pytest.approx(0.1 + SEGMENT / 5e6)


def test_an_idle_link_needs_no_probe() -> None:
    """Without a queue of ours a longer round trip is believed after ten seconds, at full window."""
    pipe = Pipe(rate=5e6, rtt_s=0.05)
    pipe.fill(3)
    while pipe.flights:
        pipe.land()
    usual = pipe.estimator.window_bytes
    pipe.estimator.echoed(0.2, MIN_RTT_AGE_S - 1)
    assert pipe.estimator.min_rtt_s < 0.1
    pipe.estimator.echoed(0.2, pipe.now + MIN_RTT_AGE_S + 1)
    assert pipe.estimator.min_rtt_s == 0.2
    assert pipe.estimator.window_bytes > usual


def test_a_longer_path_is_believed_early() -> None:
    """Round trips that stay long though the window shrank are the path's, within two seconds."""
    pipe = Pipe(rate=5e6, rtt_s=0.05)
    pipe.fill(3)
    pipe.rtt_s = 0.05 + 2 * LATE_S
    pipe.fill(6)
    assert pipe.estimator.min_rtt_s == pytest.approx(pipe.rtt_s, rel=0.05)


@pytest.mark.parametrize(
    ("rate", "size"),
    [(1e5, SEGMENT_LEAST_BYTES), (2e6, int(2e6 * SEGMENT_S)), (1e7, limits.DATA_BYTES)],
)
def test_segments_follow_the_rate(rate: float, size: int) -> None:
    """A segment takes 5 ms of a link, within the least and the most; a new link gets the least."""
    pipe = Pipe(rate=rate, rtt_s=0.05)
    assert pipe.estimator.segment_bytes == SEGMENT_LEAST_BYTES
    pipe.fill_fitting(3)
    assert pipe.estimator.segment_bytes == pytest.approx(size, rel=0.02)
    assert pipe.estimator.rate == pytest.approx(rate, rel=0.02)


def test_room_in_whole_segments() -> None:
    """Only what holds whole segments counts, and a window that shrank has none."""
    estimator = LinkEstimator(0.0)
    assert estimator.whole_room == INITIAL_WINDOW_BYTES
    estimator.sent(1, 0.0)
    assert estimator.whole_room == INITIAL_WINDOW_BYTES - SEGMENT_LEAST_BYTES
    estimator.in_flight = INITIAL_WINDOW_BYTES + 1
    assert estimator.whole_room == 0


def round_trips(*trips: tuple[float, float]) -> LinkEstimator:
    """Return a link that carried (windows, round trip) each alone, after some at 50 ms."""
    estimator = LinkEstimator(0.0)
    for step, (windows, rtt_s) in enumerate([(1, 0.05)] * 3 + list(trips)):
        estimator.unfilled()
        sample = estimator.sent(int(windows * estimator.window_bytes), step / 4)
        estimator.acknowledged(sample, step / 4 + rtt_s, delay_s=0.0)
    return estimator


LATE_RTT_S = 0.05 + 2 * LATE_S


def test_late_rounds_end_the_start_up_and_forget() -> None:
    """Late rounds in a row leave a steady window, and then only the rate they measured."""
    before = round_trips()
    pipe = before.rate * before.min_rtt_s
    steady = pipe + before.rate * QUEUE_ALLOWANCE_S + before.segment_bytes
    assert before.window_bytes == pytest.approx(steady + pipe, abs=1)
    late = round_trips(*[(0.5, LATE_RTT_S)] * LATE_RATE_ROUNDS)
    assert late.rate == before.rate
    assert late.window_bytes == pytest.approx(steady, abs=1)
    later = round_trips(*[(0.5, LATE_RTT_S)] * (LATE_RATE_ROUNDS + 1))
    assert later.rate == pytest.approx(before.window_bytes // 2 / LATE_RTT_S)
    assert later.min_rtt_s == before.min_rtt_s


@pytest.mark.parametrize(
    "trips",
    [
        [(0.5, LATE_RTT_S)],
        [(0.5, LATE_RTT_S), (0.1, 0.05)] * 5,
        [(0.4, LATE_RTT_S)] * 20,
    ],
    ids=["once", "by turns", "hardly used"],
)
def test_a_stray_late_round_says_nothing(trips: list[tuple[float, float]]) -> None:
    """One late round, or any number on a nearly idle link, changes neither window nor rate."""
    before, after = round_trips(), round_trips(*trips)
    assert after.rate == before.rate
    assert after.window_bytes == before.window_bytes
    assert after.min_rtt_s == pytest.approx(before.min_rtt_s)


def test_a_link_long_unfilled_starts_up_anew() -> None:
    """Ten seconds without filling bring the start-up's window; a full pipe ends it as ever."""
    pipe = Pipe(rate=5e6, rtt_s=0.05)
    pipe.fill(3)
    estimator = pipe.estimator
    usual = estimator.window_bytes
    while pipe.flights:
        pipe.land()
    pipe.trickle(3 + STARTUP_AGE_S - 1)
    assert estimator.window_bytes == pytest.approx(usual, rel=0.05)
    pipe.trickle(3 + STARTUP_AGE_S + 1)
    assert estimator.window_bytes >= 1.5 * usual
    pipe.fill(pipe.now + 1)
    assert estimator.window_bytes == pytest.approx(usual, rel=0.05)


def test_a_probe_takes_the_segments_time_off() -> None:
    """What a probe finds is the path's round trip, not that of a segment on its way."""
    pipe = Pipe(rate=1.25e6, rtt_s=0.024)
    estimator = pipe.estimator
    estimator.echoed(0.024, 0.0)
    pipe.fill_fitting(MIN_RTT_AGE_S + 2)
    assert estimator.min_rtt_s == pytest.approx(0.024, abs=0.001)


def test_a_probe_without_a_rate() -> None:
    """With nothing acknowledged for ten seconds, PINGs alone tell of the round trip."""
    estimator = LinkEstimator(0.0)
    estimator.echoed(0.05, 0.0)
    estimator.sent(100, 0.0)
    for step in range(3):
        estimator.echoed(0.08, MIN_RTT_AGE_S + 1 + step)
    assert estimator.min_rtt_s == 0.08


def test_the_window_holds_a_segment_even_in_a_probe() -> None:
    """However short a fast path is, something can be sent whenever nothing is in flight."""
    pipe = Pipe(rate=1e7, rtt_s=0.0005)
    while pipe.now < MIN_RTT_AGE_S + 2:
        pipe.fill_fitting(pipe.now + 0.01)
        assert pipe.estimator.window_bytes >= pipe.estimator.segment_bytes


@given(
    steps=st.lists(
        st.tuples(st.integers(1, 16_384), st.floats(0, 2), st.floats(0, 7), st.booleans()),
        max_size=50,
    )
)
def test_stays_sane_whatever_the_far_end_says(
    steps: list[tuple[int, float, float, bool]],
) -> None:
    """Any sizes, times and claimed delays leave bounded windows and positive round trips."""
    estimator = LinkEstimator(0.0)
    flights: deque[RateSample] = deque()
    now = 0.0
    for size, wait_s, delay_s, lands in steps:
        now += wait_s
        flights.append(estimator.sent(size, now))
        if lands:
            estimator.acknowledged(flights.popleft(), now, delay_s=delay_s)
        else:
            estimator.unfilled()
        assert estimator.min_rtt_s > 0
        assert OVERDUE_MIN_S <= estimator.overdue_s <= OVERDUE_MAX_S
        assert 0 < estimator.eta_s(1) < float("inf")
        window = estimator.window_bytes
        assert limits.LINK_WINDOW_FLOOR_BYTES <= window <= limits.LINK_WINDOW_CAP_BYTES
        assert estimator.in_flight == sum(flight.size for flight in flights)


def test_a_window_from_elsewhere_is_kept_within_bounds() -> None:
    """Whatever a receiver asks for; without it, what was measured counts again."""
    estimator = LinkEstimator(0.0)
    for asked, kept in (
        (1, limits.LINK_WINDOW_FLOOR_BYTES),
        (100_000, 100_000),
        (2**32 - 1, limits.LINK_WINDOW_CAP_BYTES),
    ):
        estimator.set_window(asked)
        assert estimator.window_bytes == kept
    sample = estimator.sent(4096, 0.0)
    estimator.acknowledged(sample, 0.1, delay_s=0.0)
    assert estimator.window_bytes == limits.LINK_WINDOW_CAP_BYTES
    estimator.set_window(0)
    assert estimator.window_bytes < limits.LINK_WINDOW_CAP_BYTES
