from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.media import callprofile as call
from passerelle.core.media.callprofile import CallShape

AMPLE_BIT_S = 10e6


def lengths(shape: CallShape, seconds: float, waiting: int, allowed: float) -> list[int]:
    """Return the lengths of all frames in that time."""
    chance = random.Random(7)
    return [
        shape.next_frame(allowed, waiting, is_key=False, chance=chance.gauss(0, 1))
        for _ in range(int(seconds * call.FRAMES_PER_S))
    ]


def rate(frames: list[int]) -> float:
    return 8 * statistics.fmean(frames) * call.FRAMES_PER_S


def test_the_picture_goes_on_while_nothing_waits() -> None:
    """An idle link costs what the module says, and its frames differ in length."""
    frames = lengths(CallShape(), 120, 0, AMPLE_BIT_S)
    assert rate(frames) == pytest.approx(call.IDLE_BIT_S, rel=0.15)
    assert statistics.stdev(frames) > 0.15 * statistics.fmean(frames)


def test_a_busy_link_is_a_livelier_scene_and_no_more() -> None:
    """The rate rises within some seconds to a call's highest, and stays there."""
    shape = CallShape()
    lengths(shape, 4, 10**6, AMPLE_BIT_S)
    assert rate(lengths(shape, 60, 10**6, AMPLE_BIT_S)) == pytest.approx(call.BUSY_BIT_S, rel=0.15)


def test_the_rate_falls_slowly() -> None:
    """A download's end shows no more than the end of a movement."""
    shape = CallShape()
    lengths(shape, 10, 10**6, AMPLE_BIT_S)
    assert rate(lengths(shape, 1, 0, AMPLE_BIT_S)) > call.BUSY_BIT_S / 2
    lengths(shape, 20, 0, AMPLE_BIT_S)
    assert rate(lengths(shape, 10, 0, AMPLE_BIT_S)) < 1.3 * call.IDLE_BIT_S


def test_a_slow_path_gets_less() -> None:
    """The congestion control's rate is never used up: sound and repairs need some of it."""
    assert rate(lengths(CallShape(), 30, 10**6, 1e6)) < call.SHARE * 1e6 * 1.15


def test_key_frames_are_longer_and_are_saved_for() -> None:
    """The frames after a key frame are shorter, as with an encoder that keeps to a rate."""
    shape, other = CallShape(), CallShape()
    lengths(shape, 5, 0, AMPLE_BIT_S)
    lengths(other, 5, 0, AMPLE_BIT_S)
    key = shape.next_frame(AMPLE_BIT_S, 0, is_key=True, chance=0.0)
    plain = other.next_frame(AMPLE_BIT_S, 0, is_key=False, chance=0.0)
    assert key > 2 * plain
    assert sum(lengths(shape, 0.5, 0, AMPLE_BIT_S)) < sum(lengths(other, 0.5, 0, AMPLE_BIT_S))


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e9),
            st.integers(0, 10**7),
            st.booleans(),
            st.floats(-6, 6),
        ),
        max_size=200,
    )
)
def test_no_frame_is_longer_than_a_busy_calls(
    asked: list[tuple[float, int, bool, float]],
) -> None:
    """Whatever is allowed, waits or happens, the length stays within the bounds of a call."""
    shape = CallShape()
    most = call.MOST_FACTOR * call.BUSY_BIT_S / 8 / call.FRAMES_PER_S
    for allowed, waiting, is_key, chance in asked:
        size = shape.next_frame(allowed, waiting, is_key=is_key, chance=chance)
        assert call.LEAST_FRAME_BYTES <= size <= most


def test_links_end_after_minutes() -> None:
    """Ages are spread around their median and never too short to be of use."""
    chance = random.Random(1)
    ages = sorted(call.link_age_s(chance.gauss(0, 1)) for _ in range(2000))
    assert ages[1000] == pytest.approx(call.AGE_MEDIAN_S, rel=0.1)
    assert ages[0] >= call.AGE_LEAST_S
    assert ages[-1] <= call.AGE_MOST_S
    assert ages[200] * 2 < ages[1800]
