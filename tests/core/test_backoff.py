from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.backoff import Backoff


def test_ceilings_double_up_to_the_most() -> None:
    """Without luck the delays are a quarter of 1, 2, 4, 5, 5; a success starts over."""
    backoff = Backoff(1, 5)
    assert [backoff.next_s(0.0) for _ in range(5)] == [0.25, 0.5, 1.0, 1.25, 1.25]
    backoff.reset()
    assert backoff.next_s(0.0) == 0.25


@given(
    first=st.floats(0.01, 10),
    factor=st.floats(1, 100),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
)
def test_delays_stay_within_bounds(first: float, factor: float, draws: list[float]) -> None:
    """Each delay is between a quarter of the ceiling and the ceiling."""
    most = first * factor
    backoff = Backoff(first, most)
    for step, draw in enumerate(draws):
        ceiling = min(most, first * 2**step)
        assert 0.25 * ceiling <= backoff.next_s(draw) <= ceiling
