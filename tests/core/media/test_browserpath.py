from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from passerelle import limits
from passerelle.core.media import browserpath
from passerelle.core.media.browserpath import PACKET_BYTES, ReceiveWindow, send_window_bytes
from passerelle.core.media.frame import SENT_PER_S

STEP_S = 0.001
REPORT_STEPS = 20
CLEAR_STEPS = 25
FRAME_BYTES = 12 * PACKET_BYTES
ENDS_S = 0.04
"""What encoders, and frames made in a rhythm, add to the round trip."""
WRAP = 2**32


@dataclass
class Link:
    """An exit that fills its window, a path with a queue that loses packets, and the client.

    A frame with a lost packet is whole a round trip later.
    """

    rtt_s: float
    mbit: float
    loss: float
    rates: list[float] = field(default_factory=list)
    """Mbit/s that arrived in each half second."""
    waits_s: list[float] = field(default_factory=list)
    """The queue that each frame found."""

    def run(self, seconds: float) -> None:
        """Download for so long, at a time at which the clock of the frames wraps."""
        chance = random.Random(1)
        window = ReceiveWindow(0.0)
        window.rtt_s = self.rtt_s
        half_s, bytes_s = self.rtt_s / 2, self.mbit * 1e6 / 8
        answer_s = half_s + ENDS_S
        allowed, in_flight, queue, received, lost, arrived = 65_536, 0, 0.0, 0, 0, 0
        coming: deque[tuple[float, float, int]] = deque()
        repairs: deque[tuple[float, int]] = deque()
        answers: deque[tuple[float, int, int]] = deque()
        for step in range(round(seconds / STEP_S)):
            now = step * STEP_S
            queue = max(0.0, queue - bytes_s * STEP_S)
            while answers and answers[0][0] <= now:
                _, size, allowed = answers.popleft()
                in_flight -= size
            sizes = []
            while in_flight + FRAME_BYTES <= max(allowed, FRAME_BYTES):
                in_flight += FRAME_BYTES
                sizes.append(FRAME_BYTES)
            if step % CLEAR_STEPS == 0:
                sizes.append(1_000)
            for size in sizes:
                queue += size
                self.waits_s.append(queue / bytes_s)
                coming.append((now + half_s + queue / bytes_s, now, size))
            while coming and coming[0][0] <= now:
                at, sent_s, size = coming.popleft()
                packets = -(-size // PACKET_BYTES)
                missing = sum(chance.random() < self.loss for _ in range(packets))
                lost += missing
                received += size - missing * PACKET_BYTES
                sent = (round(sent_s * SENT_PER_S) - 20_000) % WRAP
                if size < FRAME_BYTES:
                    if not missing:
                        window.delayed(size, sent, at)
                    continue
                arrived += size
                if missing:
                    repairs.append((at + self.rtt_s, size))
                else:
                    answers.append((at + answer_s, size, window.window_bytes(0, 0)))
            while repairs and repairs[0][0] <= now:
                at, size = repairs.popleft()
                answers.append((at + answer_s, size, window.window_bytes(0, 0)))
            if step % REPORT_STEPS == 0:
                waiting = sum(size for _, size in repairs)
                window.report(received, lost, now)
                allowed = window.window_bytes(0, waiting)
            if step % 500 == 499:
                self.rates.append(arrived * 8 / 0.5e6)
                arrived = 0


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("rtt_s", [0.002, 0.1, 0.3])
@pytest.mark.parametrize("mbit", [5.0, 20.0, 80.0])
def test_a_download_has_the_path_whatever_it_loses_and_keeps_its_queue_short(
    mbit: float, rtt_s: float, loss: float
) -> None:
    """A slow path's losses can be taken for those of a full queue, which costs a little more."""
    link = Link(rtt_s, mbit, loss)
    link.run(12.0)
    assert sum(link.rates[-6:]) / 6 > 0.75 * mbit
    late = sorted(link.waits_s[len(link.waits_s) // 2 :])
    frame_s = FRAME_BYTES * 8 / (mbit * 1e6)
    assert late[len(late) * 9 // 10] < (0.25 if loss else 0.11) + 3 * frame_s


def test_what_came_and_waits_is_not_on_the_path() -> None:
    window = ReceiveWindow(0.0)
    first = window.window_bytes(0, 0)
    assert window.window_bytes(50_000, 30_000) == first + 80_000
    assert window.window_bytes(1 << 30, 0) == limits.LINK_WINDOW_CAP_BYTES


def test_what_was_just_lost_is_on_the_path_until_it_is_repaired() -> None:
    """A window that grew by what a full queue lost would fill the queue again."""
    window = ReceiveWindow(0.0)
    first = window.window_bytes(0, 0)
    window.report(0, 20, 1.0)
    assert window.window_bytes(0, 30_000) == first + 30_000 - 20 * PACKET_BYTES
    assert window.window_bytes(0, 10_000) == first
    window.report(0, 20, 1.0 + 2 * window.rtt_s + browserpath.REPAIR_S + 0.01)
    assert window.window_bytes(0, 30_000) == first + 30_000


def test_packets_that_are_overtaken_are_lost_no_more_than_once() -> None:
    """The engine's count rises for each of them, and falls when it comes."""
    window = ReceiveWindow(0.0)
    first = window.window_bytes(0, 0)
    for step in range(20):
        window.report(0, 3 * (step % 2), step * 0.01)
    assert window.window_bytes(0, 30_000) == first + 30_000 - 3 * PACKET_BYTES


def test_frames_of_more_than_a_packet_tell_no_delay() -> None:
    """One that waited for a repair would look like a queue."""
    window = ReceiveWindow(0.0)
    for step in range(200):
        now = step * 0.02
        window.delayed(PACKET_BYTES, round(now * SENT_PER_S), now + 0.05)
        window.waits(0, now + 0.25)
        window.report(step * 20_000, 0, now)
    assert window.control.rate > 500_000
    before = window.control.window_bytes
    for step in range(200, 300):
        now = step * 0.02
        window.waits(0, now + 0.25)
        window.report(step * 20_000, 0, now)
    assert window.control.window_bytes == before


def test_a_burst_that_waits_for_a_moment_is_no_queue() -> None:
    """On one host a window's bytes come to the relay all at once, and leave in a few frames."""
    window = ReceiveWindow(0.0)
    window.rtt_s = 0.004
    for step in range(10):
        now = step * 0.02
        window.delayed(1_000, round(now * SENT_PER_S), now + 0.05)
        window.waits(60_000 if step % 4 else 0, now + 0.05)
        window.report(step * 10_000, 0, now)
    assert window.is_starting
    for step in range(10, 30):
        now = step * 0.02
        window.delayed(1_000, round(now * SENT_PER_S), now + 0.05)
        window.waits(60_000, now + 0.05)
        window.report(step * 10_000, 0, now)
    assert not window.is_starting


def test_a_start_fills_a_long_path_more_than_a_short_one() -> None:
    window = ReceiveWindow(0.0)
    short = window.window_bytes(0, 0)
    window.rtt_s = 0.36
    assert window.window_bytes(0, 0) == pytest.approx(0.4 * browserpath.START_BYTES_S, abs=1)
    assert window.window_bytes(0, 0) > short


def test_a_sender_may_have_under_way_what_the_stack_took_and_a_little_more() -> None:
    assert send_window_bytes(1e6, 0.1, 500_000) == 500_000 + 200_000
    assert send_window_bytes(1e3, 0.1, 0) == browserpath.SEND_LEAST_BYTES
