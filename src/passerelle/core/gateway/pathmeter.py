"""What the way from a gateway through a volunteer to a reader carries, measured by PINGs.

A PING goes behind the bytes that were sent before it, and the reader answers it at once. So its
answer comes later by the queue in front of the volunteer, and between the answers to two PINGs all
bytes have arrived that were sent between these. Where the site gave less than the way carries, a
rate is too low. Therefore the highest of the last few counts. A volunteer could answer by itself,
and then seems faster than it is; more than that it does not gain.
"""

from __future__ import annotations

from collections import deque
from typing import Final

SAMPLE_BYTES: Final = 64 * 1024
"""Bytes between two PINGs: fewer arrive in too short a time to say anything about a rate."""
SAMPLES: Final = 10
"""Last rates of which the highest counts."""
APART_S: Final = 0.02
"""Shortest time between two PINGs: a reader near by would be asked thousands of times a second."""


class PathMeter:
    """The PINGs of one link. Times are monotonic seconds, bytes those sent on the link so far."""

    def __init__(self) -> None:
        self._mark = 0
        self._next_s = 0.0
        """When the next PING may be sent."""
        self._sent: tuple[float, int] | None = None
        """When the PING under way was sent, and the bytes before it."""
        self._last: tuple[float, int] | None = None
        """When the answer before it came, and the bytes before its PING."""
        self._rates: deque[float] = deque(maxlen=SAMPLES)
        self.rtt_s = 0.0
        """The smallest round trip to the reader and back; 0 if none was measured."""

    @property
    def rate_bytes_s(self) -> float:
        """The rate at which bytes arrive at the reader; 0 if too few were sent to measure it."""
        return max(self._rates, default=0.0)

    def due(self, sent_bytes: int, now: float) -> int | None:
        """Return the mark of a PING that is to be sent now, or None."""
        before = 0 if self._last is None else self._last[1] + SAMPLE_BYTES
        if self._sent is not None or sent_bytes < before or now < self._next_s:
            return None
        self._next_s = now + APART_S
        self._mark = (self._mark + 1) % 2**32
        self._sent = now, sent_bytes
        return self._mark

    def answered(self, mark: int, now: float) -> None:
        """Take a reader's answer. One that answers nothing is ignored."""
        if self._sent is None or mark != self._mark:
            return
        sent_s, sent_bytes = self._sent
        self._sent = None
        self.rtt_s = min(now - sent_s, self.rtt_s or now - sent_s)
        if self._last is not None:
            last_s, last_bytes = self._last
            # A pause of the site before this PING's bytes is none of the way's.
            began_s = max(last_s, sent_s - self.rtt_s)
            self._rates.append((sent_bytes - last_bytes) / max(now - began_s, 1e-6))
        self._last = now, sent_bytes
