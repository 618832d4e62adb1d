"""How much may be under way on a path whose rate a browser's congestion control decides.

The stack itself holds packets to the path, and what is sent to it beyond that waits in front of it.
So the window is the path's content twice (BBR's gain, Cardwell et al., ACM Queue 2016) while little
waits, which lets the rate double each round trip, and once while much waits. What arrived and waits
for a message before it counts as well: it cannot be acknowledged yet, and is not on the path.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from passerelle import limits

BIN_S: Final = 0.1
"""Time over which one rate is measured."""
BINS: Final = 30
"""Rates that are remembered: the largest one counts."""
WAIT_S: Final = 0.1
"""Time at the path's rate for which bytes may wait in front of the stack."""
GAIN_GROWING: Final = 2.0
GAIN_STEADY: Final = 1.1
SLACK_S: Final = 0.04
"""Time for which bytes are at neither end of the path."""
LEAST_BYTES: Final = 256 * limits.KIB
"""Smallest window: what the stack begins with in half a second."""


class DeliveryRate:
    """The largest rate at which bytes arrived lately, in bytes per second."""

    def __init__(self, now: float) -> None:
        self._rates: deque[float] = deque([0.0], maxlen=BINS)
        self._bytes = 0
        self._since = now

    def arrived(self, size: int, now: float) -> None:
        """Count `size` bytes."""
        self._bytes += size
        passed = now - self._since
        if passed >= BIN_S:
            self._rates.append(self._bytes / passed)
            self._bytes, self._since = 0, now

    @property
    def bytes_s(self) -> float:
        """The rate."""
        return max(self._rates)


def receive_window_bytes(rate: float, rtt_s: float, backlog_bytes: int, held_bytes: int) -> int:
    """Return what the far end may have unacknowledged.

    `rate` is in bytes per second, `backlog_bytes` wait at the relay, `held_bytes` here.
    """
    gain = GAIN_STEADY if backlog_bytes > rate * WAIT_S else GAIN_GROWING
    window = max(LEAST_BYTES, gain * rate * (rtt_s + SLACK_S)) + held_bytes
    return int(min(limits.LINK_WINDOW_CAP_BYTES, window))


def send_window_bytes(rate: float, rtt_s: float, sent_bytes: int) -> int:
    """Return what this end may have unacknowledged.

    `rate` is the stack's own in bytes per second, and `sent_bytes` were given to it and not
    acknowledged by the relay.
    """
    window = max(LEAST_BYTES, sent_bytes + rate * (rtt_s + WAIT_S))
    return int(min(limits.LINK_WINDOW_CAP_BYTES, window))
