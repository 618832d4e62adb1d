"""How many bytes the next video frame may have: a token bucket at the rate the stack allows.

A browser's congestion control decides how fast packets leave, and drops frames when it is given
more than that. So frames are made no faster than it says (`availableOutgoingBitrate`).
"""

from __future__ import annotations

from typing import Final

BURST_S: Final = 0.1
"""Time at the allowed rate that may be saved up: an encoder is not asked at exact moments."""
BURST_BYTES: Final = 3_000
"""Bytes that may be saved up at any rate: two packets."""
FRAME_BYTES: Final = 60_000
"""Longest frame. A longer one holds more packets that must all arrive before it is whole."""
FRAME_LEAST_BYTES: Final = 1_100
"""Shortest frame worth asking for while more than that waits: about one packet."""


class FrameBudget:
    """Bytes that may be put into frames now."""

    def __init__(self, rate_bit_s: float, now: float) -> None:
        self.rate_bit_s = rate_bit_s
        self._bytes = float(BURST_BYTES)
        self._at = now

    def available(self, now: float) -> int:
        """Return the bytes that the next frame may have."""
        most = self.rate_bit_s / 8 * BURST_S + BURST_BYTES
        gained = max(0.0, now - self._at) * self.rate_bit_s / 8
        self._bytes = min(most, self._bytes + gained)
        self._at = now
        return min(FRAME_BYTES, max(0, int(self._bytes)))

    def spend(self, size: int) -> None:
        """Take the bytes of a frame, which may be more than there were."""
        self._bytes -= size
