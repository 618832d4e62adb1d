"""The sizes and rhythm of a video call, for links that must look like one.

Each link of the profile `call` sends a picture `FRAMES_PER_S` times a second, whether there is
something to send or not, and this module says how long each frame is. The lengths vary as those of
an encoder that keeps to a rate: with the scene, with chance, longer for a key frame, and what one
frame took too much the next ones save. While messages wait the rate rises as for a lively scene,
and falls slowly afterwards. `widget/src/core/traffic/callshape.ts` is the page's half, with the
same numbers.
"""

from __future__ import annotations

import math
from typing import Final

FRAMES_PER_S: Final = 30
"""Pictures a second, as most cameras make them."""
IDLE_BIT_S: Final = 300_000
"""Rate of the video while nothing is to be sent: a small picture in which little moves."""
BUSY_BIT_S: Final = 2_500_000
"""Highest mean rate of the video: a browser's own limit for a picture of 1280 × 720."""
LEAST_BIT_S: Final = 60_000
"""Lowest rate, on a path that bears no more."""
SHARE: Final = 0.8
"""Share of the rate that the browser's congestion control allows, which the video takes: the rest
is for sound, retransmissions, and room to grow."""
RISE_S: Final = 0.5
FALL_S: Final = 4.0
"""Time constants with which the rate follows what there is to send."""
SCENE_S: Final = 8.0
"""Time after which the scene is another one."""
SCENE_SPREAD: Final = 0.2
FRAME_SPREAD: Final = 0.22
"""Standard deviations of the logarithm of a frame's length: slow changes, and each frame's own."""
KEY_GAIN: Final = 4.0
"""How much longer a key frame is."""
REPAY: Final = 0.08
"""Share of what was sent too much that each frame saves, as an encoder's rate control does."""
LEAST_FACTOR, MOST_FACTOR = 0.3, 4.0
"""Bounds of a frame's length, in mean lengths."""
LEAST_FRAME_BYTES: Final = 160
"""Shortest frame: below are only those of a picture that stands still."""
AGE_MEDIAN_S: Final = 420.0
AGE_SPREAD: Final = 0.6
"""Median age of a link, and the standard deviation of its logarithm."""
AGE_LEAST_S, AGE_MOST_S = 90.0, 3600.0


class CallShape:
    """How long the frames of one direction of a link are."""

    def __init__(self) -> None:
        self._rate_bit_s = float(IDLE_BIT_S)
        self._scene = 0.0
        self._owed_bytes = 0.0

    @property
    def rate_bit_s(self) -> float:
        """The present mean rate."""
        return self._rate_bit_s

    def next_frame(
        self, allowed_bit_s: float, waiting_bytes: int, *, is_key: bool, chance: float
    ) -> int:
        """Return the bytes of the next frame.

        `allowed_bit_s` is the rate of the congestion control, `waiting_bytes` are to be sent, and
        `chance` is a random number of the standard normal distribution.
        """
        most_bit_s = max(LEAST_BIT_S, min(BUSY_BIT_S, SHARE * allowed_bit_s))
        # What one idle frame holds, twice, is no reason for a livelier scene.
        is_busy = waiting_bytes * 8 * FRAMES_PER_S > 2 * IDLE_BIT_S
        wanted = most_bit_s if is_busy else min(most_bit_s, IDLE_BIT_S)
        follow_s = RISE_S if wanted > self._rate_bit_s else FALL_S
        step = 1 - math.exp(-1 / (FRAMES_PER_S * follow_s))
        self._rate_bit_s = min(most_bit_s, self._rate_bit_s + step * (wanted - self._rate_bit_s))
        keep = math.exp(-1 / (FRAMES_PER_S * SCENE_S))
        self._scene = keep * self._scene + math.sqrt(1 - keep * keep) * chance
        return self._length(is_key, chance)

    def _length(self, is_key: bool, chance: float) -> int:
        mean = self._rate_bit_s / 8 / FRAMES_PER_S
        exponent = SCENE_SPREAD * self._scene + FRAME_SPREAD * chance
        variance = SCENE_SPREAD**2 + FRAME_SPREAD**2
        length = mean * math.exp(exponent - variance / 2) * (KEY_GAIN if is_key else 1.0)
        if not is_key:
            length -= REPAY * self._owed_bytes
        length = min(MOST_FACTOR * mean, max(LEAST_FACTOR * mean, length))
        # A debt of more than some frames would make a gap.
        self._owed_bytes = max(-4 * mean, min(8 * mean, self._owed_bytes + length - mean))
        return max(LEAST_FRAME_BYTES, math.floor(length))


def link_age_s(chance: float) -> float:
    """Return after how long a link ends; `chance` is of the standard normal distribution."""
    age_s = AGE_MEDIAN_S * math.exp(AGE_SPREAD * chance)
    return min(AGE_MOST_S, max(AGE_LEAST_S, age_s))
