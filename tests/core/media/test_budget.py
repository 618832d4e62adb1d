from __future__ import annotations

from passerelle.core.media import budget as budgets
from passerelle.core.media.budget import BURST_BYTES, FRAME_BYTES, FrameBudget


def _budget(bytes_s: float) -> FrameBudget:
    return FrameBudget(bytes_s * 8 / budgets.FRAME_SHARE, 0.0)


def test_a_frame_is_no_larger_than_the_rate_has_gained() -> None:
    budget = _budget(1e6)
    budget.spend(budget.available(0.0))
    assert abs(budget.available(0.010) - 10_000) <= 1
    assert budget.available(10.0) == FRAME_BYTES
    budget.spend(200_000)
    assert budget.available(10.0) == 0
    assert FrameBudget(0.0, 0.0).available(5.0) == BURST_BYTES


def test_frames_are_asked_for_when_they_are_worth_it() -> None:
    """Much that waits leaves in few frames, little at once, and nothing in none."""
    budget = _budget(1e6)
    budget.spend(BURST_BYTES)
    assert budget.frames(100_000, 0.004) == 0
    assert budget.frames(3_000, 0.004) == 1
    assert budget.frames(100_000, 0.009) == 1
    assert _budget(1e8).frames(1_000_000, 0.0) == 0
    assert _budget(1e8).frames(1_000_000, 0.010) == 16
