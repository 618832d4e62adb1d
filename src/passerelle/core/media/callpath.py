"""How much may be under way on the path from a relay whose link looks like a call.

The relay's browser decides the rate, as in any call: messages take the place of what its encoder
made. What is sent to the relay beyond that waits there, and each frame says how much that is. So
the window follows this backlog: it grows while nothing waits, and whatever waits beyond a short
time is taken off it, once a round trip. A session is one ordered stream, so what is under way is
what a click beside a download waits for. What arrived and waits for a message before it counts as
well: it cannot be acknowledged yet, and is not on the path.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from passerelle import limits

BIN_S: Final = 0.1
"""Time over which one rate is measured."""
BINS: Final = 20
"""Rates that are remembered: the largest one counts."""
BACKLOG_S: Final = 0.030
"""Time at the path's rate for which bytes wait at the relay on average: enough for its browser to
send without a pause, which it must to find out that the path carries more."""
BACKLOG_LEAST_BYTES: Final = 6 * limits.KIB
"""What may wait on average at any rate, because segments are not cut smaller than 4 KiB."""
PAUSE_S: Final = 0.012
"""Time without a frame, while nothing waits, from which on the relay pauses. A shorter time is that
of a frame."""
PAUSES: Final = 0.25
"""Share of the time in which the relay paused, from which on the window is too small."""
LOOK_S: Final = 0.05
"""Time over which the backlog is measured."""
START_GAIN: Final = 2.0
"""Growth of the window while the relay pauses and has never had enough, as in a slow start."""
PAUSED_GAIN: Final = 1.4
"""Growth while it pauses again later."""
SHORT_GAIN: Final = 1.1
"""Growth while less than half of what is wanted waits."""
MOST_GAIN: Final = 6.0
LEAST_GAIN: Final = 0.25
"""Largest and smallest window, as shares of the path's content. On a path that loses packets most
frames wait in the stack for a repair, a round trip or two: with twice the content the window just
keeps the rate that there is. It is what waits at the relay that bounds the window, not this."""
SLACK_S: Final = 0.04
"""Time for which bytes are at neither end of the path."""
START_BYTES_S: Final = 625_000
"""Rate before one was measured, in bytes per second: what the stack begins with."""
START_BYTES: Final = 64 * limits.KIB
"""Window before a rate was measured, at least: on a short path the ends take longer than it."""
IDLE_BYTES_S: Final = 31_250
"""A lower rate is that of a link which nobody uses. A download then starts anew."""
WAIT_MOST_S: Final = 0.5
"""Longest time that is allowed for waiting bytes to leave, before the window is looked at again."""


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


class CallWindow:
    """What the far end may have unacknowledged, from what arrives and what waits at the relay.

    Times are in seconds of one clock that never goes back.
    """

    def __init__(self, now: float) -> None:
        self.rtt_s = 0.1
        """Smallest round trip to the far end of the link. The owner sets it when it is known."""
        self._rate = DeliveryRate(now)
        self._bytes = float(START_BYTES)
        self._is_starting = True
        self._look_at = now
        """When the last change of the window shows in the backlog."""
        self._frame_at = now
        self._backlog = 0
        """When the last frame came, and what waited behind it."""
        self._looked_s = self._paused_s = self._area = 0.0
        """For how long was looked, for how long the relay paused in that, and what waited, as a
        sum over the time."""

    def arrived(self, size: int, now: float) -> None:
        """Count `size` bytes of messages."""
        self._rate.arrived(size, now)

    def waited(self, backlog_bytes: int, now: float) -> None:
        """Take what a frame says of the bytes that wait at the relay behind it."""
        apart_s = now - max(self._frame_at, self._look_at)
        if apart_s > 0:
            self._looked_s += apart_s
            self._area += apart_s * self._backlog
            if not self._backlog and apart_s > PAUSE_S:
                self._paused_s += apart_s
        self._frame_at, self._backlog = now, backlog_bytes
        if self._looked_s < LOOK_S:
            return
        waiting = self._area / self._looked_s
        self._adjust(waiting, self._paused_s / self._looked_s)
        self._looked_s = self._paused_s = self._area = 0.0
        # A new window shows in the backlog after a round trip, of which waiting is a part.
        queue_s = waiting / max(IDLE_BYTES_S, self._rate.bytes_s)
        self._look_at = now + self.rtt_s + SLACK_S + min(WAIT_MOST_S, queue_s)

    def _adjust(self, waiting: float, paused: float) -> None:
        rate, path_s = self._rate.bytes_s, self.rtt_s + SLACK_S
        wanted = max(BACKLOG_LEAST_BYTES, rate * BACKLOG_S)
        if waiting > wanted:
            self._is_starting = False
            self._bytes -= waiting - wanted
        elif paused > PAUSES:
            self._is_starting = self._is_starting or rate < IDLE_BYTES_S
            self._bytes *= START_GAIN if self._is_starting else PAUSED_GAIN
        elif waiting < wanted / 2:
            self._bytes *= SHORT_GAIN
        most = max(START_BYTES, START_BYTES_S * path_s, MOST_GAIN * rate * path_s)
        least = max(limits.LINK_WINDOW_FLOOR_BYTES, LEAST_GAIN * rate * path_s)
        self._bytes = min(max(self._bytes, least), most)

    def window_bytes(self, held_bytes: int) -> int:
        """Return the window; `held_bytes` arrived and wait for a message before them."""
        return int(min(limits.LINK_WINDOW_CAP_BYTES, self._bytes + held_bytes))
