"""How much may be under way on the path from a relay whose browser only sends the packets.

The relay's browser is told to hold its own estimate (docs/PROTOCOL.md §6.5), because an estimate
that follows losses falls to nothing on a path that loses packets without a queue. So the client
decides, by the window that it tells the exit, with the same `RateControl` as for the stack in
Python. What that needs to know comes from two places. A frame of one packet says when it left the
relay, and its delay contains no repair: larger frames mostly lack a packet on a lossy path, and are
whole a round trip later. The engine's statistics say how many bytes came and how many packets did
not.

What arrived and waits for something before it is not on the path any more, although it cannot be
acknowledged yet. The window grows by it: by messages that wait for an earlier one, and by packets
that wait inside the engine for the rest of their frame. The engine does not say how much those are.
They are taken to be what was sent before the last message that came and is not here, less what was
lost a moment ago.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from passerelle import limits
from passerelle.core.media.delay import Least, PathDelay
from passerelle.core.media.frame import SENT_PER_S
from passerelle.core.media.ratecontrol import Phase, RateControl
from passerelle.core.media.rtp import WrappingNumber

PACKET_BYTES: Final = 1_150
"""What a packet carries. A frame that is not longer comes as one."""
REPAIR_RTTS: Final = 2
REPAIR_S: Final = 0.1
"""How long a lost packet is taken to be missing: so many round trips, and this time."""
DELAY_AGE_S: Final = 20.0
"""How long the shortest delay is believed. Clocks drift by less than a millisecond in it."""
BACKLOG_AGE_S: Final = 0.1
"""Time of which the smallest backlog counts. What comes in a burst waits at the relay for a moment,
and is no queue."""
START_BYTES_S: Final = 625_000
"""Rate at which a path is tried before it was measured, in bytes per second."""
SLACK_S: Final = 0.04
"""Time for which bytes are at neither end of the path: in encoders, and until frames that are made
in a rhythm tell what came. Without it a short path's window fits what it just carried, and the
rate never rises."""
WAIT_S: Final = 0.1
"""Time at the stack's own rate for which bytes may wait in front of this end's stack."""
SEND_LEAST_BYTES: Final = 256 * limits.KIB
"""Smallest window of this end."""


class ReceiveWindow:
    """What the relay may have under way. Times are in seconds of one clock that never goes back."""

    def __init__(self, now: float) -> None:
        self.rtt_s = 0.1
        """Smallest round trip to the far end of the link. The owner sets it when it is known."""
        self.control = RateControl(now)
        self._delay = PathDelay(DELAY_AGE_S)
        self._sent = WrappingNumber(limits.MESSAGE_NUMBERS)
        self._backlog = Least(BACKLOG_AGE_S)
        self._backlog.add(0, 0.0)
        self._received_bytes = 0
        self._lost_packets = 0
        self._losses: deque[tuple[float, int]] = deque()
        """Times of the last losses, with the bytes that are missing."""
        self._lost_bytes = 0
        """What `_losses` come to."""

    @property
    def is_starting(self) -> bool:
        """Whether the path's rate is still being found, so that reports should come quickly."""
        return self.control.phase is Phase.STARTUP

    def arrived(self, size: int) -> None:
        """Count `size` bytes that came beside the video."""
        self.control.arrived(size)

    def delayed(self, size: int, sent: int, arrived_s: float) -> None:
        """Take when a frame of at most `PACKET_BYTES` left and came, and its `size` in bytes.

        `sent` is of the relay's clock, `frame.SENT_PER_S` steps a second. `arrived_s` may be of any
        clock, always the same.
        """
        self._delay.add(size, self._sent.extend(sent) / SENT_PER_S, arrived_s)

    def waits(self, backlog_bytes: int, now: float) -> None:
        """Take what waited at the relay behind a longer frame.

        Not behind one of a packet, which leaves a backlog however short the queue is.
        """
        self._backlog.add(backlog_bytes, now)

    def report(self, received_bytes: int, lost_packets: int, now: float) -> None:
        """Take how much of the video came and did not come since the beginning.

        Repeats do not count as received: a browser's padding looks like them.
        """
        self.control.arrived(max(0, received_bytes - self._received_bytes))
        self._received_bytes = received_bytes
        missing = PACKET_BYTES * max(0, lost_packets - self._lost_packets)
        # A packet that was overtaken counts as lost until it comes, and the count falls again then.
        self._lost_packets = max(self._lost_packets, lost_packets)
        if missing:
            self.control.lost(missing)
            self._losses.append((now, missing))
            self._lost_bytes += missing
        repaired_s = now - REPAIR_RTTS * self.rtt_s - REPAIR_S
        while self._losses and self._losses[0][0] < repaired_s:
            self._lost_bytes -= self._losses.popleft()[1]
        if not self._delay.update(now):
            return
        self.control.update(
            now,
            rtt_s=self.rtt_s + SLACK_S + self._delay.jitter_s,
            queue_s=self._delay.queue_s,
            jitter_s=self._delay.jitter_s,
            backlog_bytes=int(self._backlog.value),
        )

    def window_bytes(self, held_bytes: int, missing_bytes: int) -> int:
        """Return the window.

        `held_bytes` came and wait for a message before them, and about `missing_bytes` were sent
        before what came last and are not here.
        """
        unfinished = max(0, missing_bytes - self._lost_bytes)
        window = self.control.window_bytes
        if self.is_starting:
            window = max(window, int(START_BYTES_S * (self.rtt_s + SLACK_S)))
        return min(limits.LINK_WINDOW_CAP_BYTES, window + held_bytes + unfinished)


def send_window_bytes(rate: float, rtt_s: float, sent_bytes: int) -> int:
    """Return what this end may have unacknowledged.

    `rate` is the stack's own in bytes per second, and `sent_bytes` were given to it and not
    acknowledged by the relay.
    """
    window = max(SEND_LEAST_BYTES, sent_bytes + rate * (rtt_s + WAIT_S))
    return int(min(limits.LINK_WINDOW_CAP_BYTES, window))
