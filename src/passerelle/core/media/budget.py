"""How many bytes the next video frame may have: a token bucket at the rate the stack allows.

A browser's congestion control decides how fast packets leave. What it is given beyond that waits in
front of it, and is dropped in the end. So frames are made no faster than it says
(`availableOutgoingBitrate`).
"""

from __future__ import annotations

from typing import Final

FRAME_SHARE: Final = 0.92
"""The part of the rate that is left for frames. The rest is for the headers of packets, and for
repeating lost ones."""
BURST_S: Final = 0.06
"""Time at the allowed rate that may be saved up: an encoder is not asked at exact moments. A path
may have little room for more at once."""
BURST_BYTES: Final = 3_000
"""Bytes that may be saved up at any rate: two packets."""
FRAME_S: Final = 0.008
"""Time at the allowed rate that a frame is worth while much waits: each frame costs work."""
FRAME_BYTES: Final = 60_000
"""Longest frame. A longer one holds more packets that must all arrive before it is whole."""
FRAME_LEAST_BYTES: Final = 1_100
"""Shortest frame worth asking for while more than that waits: about one packet."""


class FrameBudget:
    """Bytes that may be put into frames now."""

    def __init__(self, rate_bit_s: float, now: float) -> None:
        """`rate_bit_s` is the rate of all that the stack sends."""
        self.rate_bit_s = rate_bit_s
        self._bytes = float(BURST_BYTES)
        self._at = now

    @property
    def _bytes_s(self) -> float:
        return self.rate_bit_s / 8 * FRAME_SHARE

    def _refill(self, now: float) -> float:
        most = self._bytes_s * BURST_S + BURST_BYTES
        gained = max(0.0, now - self._at) * self._bytes_s
        self._bytes = min(most, self._bytes + gained)
        self._at = now
        return self._bytes

    def available(self, now: float) -> int:
        """Return the bytes that the next frame may have."""
        return min(FRAME_BYTES, max(0, int(self._refill(now))))

    def frames(self, queued_bytes: int, now: float) -> int:
        """Return how many frames are worth asking for now, of the bytes that wait."""
        worth = min(FRAME_BYTES, max(FRAME_LEAST_BYTES, self._bytes_s * FRAME_S))
        bytes_now = min(queued_bytes, self._refill(now))
        if bytes_now < min(queued_bytes, worth):
            return 0
        return max(1, int(bytes_now // FRAME_BYTES))

    def spend(self, size: int) -> None:
        """Take the bytes of a frame, which may be more than there were."""
        self._bytes -= size
