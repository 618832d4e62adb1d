from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.tunnel.estimator import LinkEstimator
from passerelle.core.tunnel.scheduler import choose

SEGMENT = 16_000


@dataclass(slots=True)
class Path:
    """A path whose measurements are given."""

    name: str
    rate: float
    """Bytes per second; 0 before any measurement."""
    rtt_s: float
    in_flight: int = 0
    window_bytes: int = 100_000
    estimator: LinkEstimator = field(init=False)

    def __post_init__(self) -> None:
        self.estimator = LinkEstimator(0.0)
        self.estimator.rate = self.rate
        self.estimator.min_rtt_s = self.estimator.srtt_s = self.rtt_s
        self.estimator.in_flight = self.in_flight
        self.estimator.window_bytes = self.window_bytes


def chosen(*paths: Path, waiting: int = SEGMENT) -> str | None:
    path = choose(paths, SEGMENT, waiting, whole=True)
    return path.name if path else None


def test_no_path_no_choice() -> None:
    """Without paths, or with all of them full, the segment waits."""
    assert chosen() is None
    assert chosen(Path("full", 1e6, 0.1, 100_000)) is None


def test_the_quicker_path_wins() -> None:
    """Of idle paths the shortest, of short ones the one that is done first."""
    assert chosen(Path("far", 1e7, 0.2), Path("near", 1e6, 0.05)) == "near"
    assert chosen(Path("busy", 1e6, 0.02, 80_000), Path("free", 5e5, 0.02)) == "free"


def test_of_equals_the_emptier_wins() -> None:
    """Paths without measurements share what comes first."""
    assert chosen(Path("some", 0, 0.1, 20_000), Path("none", 0, 0.1)) == "none"


def test_an_idle_path_takes_any_segment() -> None:
    """A segment larger than a path's window goes there while nothing else does."""
    assert chosen(Path("idle", 1e5, 0.1, 0, 8192)) == "idle"
    assert chosen(Path("busy", 1e5, 0.1, 1, 8192)) is None


def test_a_new_segment_is_cut_to_fit() -> None:
    """A slow path with room for a segment of its own size takes that much of what waits."""
    slow = Path("slow", 1e6, 0.1, 4096, 4096 + 5000)
    assert choose([slow], SEGMENT, SEGMENT, whole=False) is slow
    assert choose([slow], SEGMENT, SEGMENT, whole=True) is None
    slow.estimator.in_flight += 1
    assert choose([slow], SEGMENT, SEGMENT, whole=False) is None


@pytest.mark.parametrize(("waiting", "name"), [(SEGMENT, None), (2_000_000, "slow")])
def test_a_slow_path_is_worth_it_for_much(waiting: int, name: str | None) -> None:
    """A full fast path is waited for, unless so much waits that the slow one helps."""
    fast = Path("fast", 4e6, 0.02, 100_000)
    slow = Path("slow", 1e5, 0.3)
    assert chosen(fast, slow, waiting=waiting) == name


@given(
    paths=st.lists(
        st.builds(
            Path,
            st.just(""),
            st.just(0.0) | st.floats(1, 1e8),
            st.floats(1e-3, 1),
            st.integers(0, 200_000),
            st.integers(32_768, 200_000),
        ),
        max_size=6,
    ),
    waiting=st.integers(SEGMENT, 10_000_000),
)
def test_never_a_full_path(paths: list[Path], waiting: int) -> None:
    """Only a path with room is chosen; with room everywhere, one always is."""
    path = choose(paths, SEGMENT, waiting, whole=True)
    if path is not None:
        assert path.estimator.room >= SEGMENT
    elif paths:
        assert any(path.estimator.room < SEGMENT for path in paths)
