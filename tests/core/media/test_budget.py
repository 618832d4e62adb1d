from __future__ import annotations

from passerelle.core.media.budget import BURST_BYTES, FRAME_BYTES, FrameBudget


def test_a_frame_is_no_larger_than_the_rate_has_gained() -> None:
    budget = FrameBudget(8e6, 0.0)
    budget.spend(budget.available(0.0))
    assert budget.available(0.010) == 10_000
    assert budget.available(10.0) == FRAME_BYTES
    budget.spend(200_000)
    assert budget.available(10.0) == 0
    budget.rate_bit_s = 0.0
    assert FrameBudget(0.0, 0.0).available(5.0) == BURST_BYTES
