from __future__ import annotations

import pytest

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc.allowance import Allowance


class Thread:
    """A thread whose time passes when it is told to, and the allowance of one of its links."""

    def __init__(self) -> None:
        self.clock_s = 100.0
        self.processor_s = 10.0
        self.errors: list[LinkLost] = []
        self.allowance = Allowance(
            self.errors.append, clock=lambda: self.clock_s, processor=lambda: self.processor_s
        )

    def work(self, seconds: float) -> None:
        """Work for the link."""
        start_s = self.allowance.start()
        self.others(seconds)
        self.allowance.charge(start_s)

    def others(self, seconds: float) -> None:
        """Work for others."""
        self.clock_s += seconds
        self.processor_s += seconds

    def idle(self, seconds: float) -> None:
        self.clock_s += seconds


def test_a_link_that_takes_too_much_is_ended_once() -> None:
    thread = Thread()
    for _ in range(10):
        thread.work(limits.LINK_WORK_S / 4)
    assert [error.code for error in thread.errors] == [LinkCode.LIMIT]
    assert thread.allowance.spent


@pytest.mark.parametrize(("share", "ends"), [(0.04, False), (0.10, True)])
def test_a_busy_thread_gives_one_link_a_small_share(share: float, *, ends: bool) -> None:
    """So the others lose no more, however long it goes on."""
    thread = Thread()
    for _ in range(5000):
        thread.others(0.01 * (1 - share))
        thread.work(0.01 * share)
    assert thread.allowance.spent is ends


@pytest.mark.parametrize(("share", "ends"), [(0.3, False), (0.5, True)])
def test_an_idle_thread_gives_half_of_what_is_left(share: float, *, ends: bool) -> None:
    """A slow machine that has nothing else to do takes its time."""
    thread = Thread()
    for _ in range(5000):
        thread.idle(0.01 * (1 - share))
        thread.work(0.01 * share)
    assert thread.allowance.spent is ends


def test_bytes_earn_the_work_that_they_make() -> None:
    """A link that carries what a machine can do is never ended, though the thread is busy."""
    thread = Thread()
    for _ in range(5000):
        thread.allowance.earn(16_384)
        thread.work(16_384 * limits.LINK_WORK_S_PER_BYTE)
    assert not thread.allowance.spent


def test_nothing_is_saved_up() -> None:
    """Neither a long rest nor many bytes allow more than the usual at once."""
    thread = Thread()
    thread.idle(3600)
    thread.allowance.earn(1 << 30)
    thread.work(1.2 * limits.LINK_WORK_S)
    assert thread.allowance.spent
