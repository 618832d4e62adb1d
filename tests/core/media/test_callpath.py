from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from passerelle import limits
from passerelle.core.media import callpath
from passerelle.core.media.callpath import CallWindow, DeliveryRate

STEP_S = 0.001
SEGMENT_BYTES = 4_096


def test_the_rate_is_the_largest_of_late() -> None:
    """A pause does not lower it at once, and what is long past is forgotten."""
    rate = DeliveryRate(0.0)
    for step in range(1, 11):
        rate.arrived(100_000, step * 0.1)
    assert 0.9e6 < rate.bytes_s < 1.1e6
    rate.arrived(0, 2.0)
    assert rate.bytes_s > 0.9e6
    for step in range(callpath.BINS + 1):
        rate.arrived(1_000, 3.0 + step)
    assert rate.bytes_s < 2_000


@dataclass
class Link:
    """An exit that fills its window, a relay whose browser sends at a rate, and the client."""

    rtt_s: float
    rate_mbit: Callable[[float], float]
    """The rate of the relay's browser at a time, in Mbit/s."""
    rates: list[float] = field(default_factory=list)
    """Mbit/s that arrived in each half second."""
    waits_s: list[float] = field(default_factory=list)
    """How long what waited behind each frame took to leave."""

    def run(self, seconds: float) -> None:
        """Download for so long."""
        window = CallWindow(0.0)
        window.rtt_s = self.rtt_s
        half_s = self.rtt_s / 2
        allowed, in_flight, waiting, saved, arrived = 16_384, 0, 0, 0.0, 0
        frames: deque[tuple[float, int, int]] = deque()
        answers: deque[tuple[float, int, int]] = deque()
        for step in range(round(seconds / STEP_S)):
            now = step * STEP_S
            rate = self.rate_mbit(now) * 1e6 / 8
            while answers and answers[0][0] <= now:
                _, size, allowed = answers.popleft()
                in_flight -= size
            while in_flight + SEGMENT_BYTES <= max(allowed, SEGMENT_BYTES):
                in_flight += SEGMENT_BYTES
                waiting += SEGMENT_BYTES
            saved = min(saved + rate * STEP_S, rate * 0.06 + 3_000)
            if waiting and saved >= min(waiting, rate * 0.008):
                size = min(waiting, max(1, int(saved // SEGMENT_BYTES)) * SEGMENT_BYTES)
                waiting, saved = waiting - size, saved - size
                frames.append((now + half_s, size, waiting))
                self.waits_s.append(waiting / rate)
            while frames and frames[0][0] <= now:
                _, size, backlog = frames.popleft()
                window.arrived(size, now)
                window.waited(backlog // limits.KIB * limits.KIB, now)
                arrived += size
                answers.append((now + half_s, size, window.window_bytes(0)))
            if step % 500 == 499:
                self.rates.append(arrived * 8 / 0.5e6)
                arrived = 0


@pytest.mark.parametrize("rtt_s", [0.005, 0.1, 0.2])
@pytest.mark.parametrize("mbit", [1.0, 2.5, 5.0])
def test_a_download_has_the_whole_path_and_a_click_beside_it_waits_little(
    mbit: float, rtt_s: float
) -> None:
    link = Link(rtt_s, lambda _now: mbit)
    link.run(8.0)
    assert sum(link.rates[-6:]) / 6 > 0.85 * mbit
    late = sorted(link.waits_s[len(link.waits_s) // 2 :])
    assert late[len(late) * 9 // 10] < 0.1


def test_a_path_that_becomes_slower_holds_no_long_queue() -> None:
    link = Link(0.1, lambda now: 20.0 if now < 4 else 5.0)
    link.run(8.0)
    late = sorted(link.waits_s[-len(link.waits_s) // 10 :])
    assert late[len(late) * 9 // 10] < 0.1
    assert sum(link.rates[-4:]) / 4 > 4


def test_a_path_that_becomes_faster_is_used() -> None:
    link = Link(0.1, lambda now: 5.0 if now < 3 else 40.0)
    link.run(8.0)
    assert sum(link.rates[-4:]) / 4 > 34


def test_the_window_has_bounds() -> None:
    """What waits for a message before it is not on the path."""
    window = CallWindow(0.0)
    first = window.window_bytes(0)
    assert window.window_bytes(50_000) == first + 50_000
    assert window.window_bytes(1 << 30) == limits.LINK_WINDOW_CAP_BYTES
    for step in range(100):
        window.waited(1 << 20, step * 1.0)
    assert window.window_bytes(0) == limits.LINK_WINDOW_FLOOR_BYTES
