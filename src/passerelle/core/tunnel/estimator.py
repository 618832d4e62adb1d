"""What one link can carry, measured from its acknowledgements.

The window is `delivery rate × (smallest round trip + allowance)` and one segment: the content of
the pipe and a bounded queue. The allowance is a time and not a share of the round trip, so it means
the same short queue on every path, and a path that becomes faster shows it by draining that queue.
The segment stands for its own time on the wire. A PING does not show that time, and it is long on a
slow path, so segments are smaller on a slow link.

The delivery rate is sampled with each acknowledged segment as in BBR (Cardwell et al., "BBR:
Congestion-Based Congestion Control", ACM Queue 2016, and draft-cheng-iccrg-delivery-rate-
estimation). It is the maximum over the last rounds. A round lasts from a segment's sending to its
acknowledgement. A round is *late* when its round trips are longer than this end's own queue
explains. After two late rounds the older ones are forgotten and the start-up ends: what a browser's
SCTP carries falls within one round trip, and a better rate that is still remembered would pile up
seconds of queue in front of it. A link that was not filled for long starts up anew, because what
was measured before may be out of date.

The smallest round trip is a minimum that may have to rise. That is tested by a short *probe*, which
empties this end's own queue and takes the smallest round trip seen then as the new minimum. A probe
begins when nothing shorter was seen for ten seconds, or when round trips stay long although the
rate's maximum has forgotten everything before them.

`core.media.ratecontrol` says why there is a second controller below this one on media links.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from passerelle import limits

QUEUE_ALLOWANCE_S = 0.020
"""Queue kept in front of a link, as time at the link's own rate."""
STARTUP_GAIN = 2.0
"""Window over the pipe's content while the rate still grows, which doubles it every round trip."""
STARTUP_GROWTH = 1.25
"""Factor by which the rate must rise in a round of the start-up to count as growing (BBR)."""
STARTUP_ROUNDS = 3
"""Rounds without growth after which the pipe counts as full (BBR)."""
STARTUP_AGE_S = 10.0
"""Time without filling the link after which it starts up anew."""
RATE_ROUNDS = 10
"""Rounds over which the delivery rate's maximum is taken."""
MIN_RTT_AGE_S = 10.0
"""Time after which the smallest round trip is measured anew."""
LATE_S = 2 * QUEUE_ALLOWANCE_S
"""A round trip that is longer than the smallest by more than this is not explained by the queue
that this end keeps."""
LATE_RATE_ROUNDS = 2
"""Late rounds in a row after which older ones are forgotten."""
LATE_ROUNDS = 6
"""Late rounds in a row after which the smallest round trip is tested. By then a slower link has a
window that has shrunk with its rate, and only a longer path still explains late rounds."""
SEGMENT_S = 0.005
"""Longest time that a segment takes on a link by itself, while it has between
`SEGMENT_LEAST_BYTES` and `limits.DATA_BYTES`."""
SEGMENT_LEAST_BYTES = 4 * limits.KIB
PROBE_S = 0.2
"""Shortest time for which a probe halves the window."""
INITIAL_RTT_S = 0.1
"""Round trip that is assumed until one is measured."""
INITIAL_WINDOW_BYTES = limits.LINK_MESSAGE_BYTES
"""What SCTP and TCP send at first, too. More would only wait in front of them."""
OVERDUE_MIN_S = 0.2
OVERDUE_MAX_S = 2.0
"""Longest time after which a segment is overdue, whatever was measured. One long stall must not
make the next one look normal."""
_RTT_RESOLUTION_S = 1e-6


def segment_bytes(rate: float) -> int:
    """Return how large a segment may be on a link of this rate, in bytes per second."""
    return int(min(max(SEGMENT_LEAST_BYTES, rate * SEGMENT_S), limits.DATA_BYTES))


@dataclass(frozen=True, slots=True)
class RateSample:
    """What has to be remembered of a segment until its acknowledgement."""

    size: int
    sent_s: float
    delivered: int
    """Bytes that the link had delivered when this segment was sent."""
    delivered_s: float
    """Since when that was known. On a link that was idle, when this segment was sent."""
    filled: bool
    """Whether the window was full before this segment, so that the link decided the rate."""


class LinkEstimator:
    """Delivery rate, round trip and window of one link."""

    def __init__(self, now: float) -> None:
        self.in_flight = 0
        """Bytes sent and not yet acknowledged on this link."""
        self.min_rtt_s = INITIAL_RTT_S
        self.srtt_s = INITIAL_RTT_S
        self.rttvar_s = INITIAL_RTT_S / 2
        self.rate = 0.0
        """Delivery rate in bytes per second; 0 until measured."""
        self.window_bytes = INITIAL_WINDOW_BYTES
        """How many bytes may be in flight."""
        self._set_bytes = 0
        """The window that `set_window` has set; 0: the window follows from measurements."""
        self._delivered = 0
        self._delivered_s = now
        self._unfilled_until = 1
        """Segments sent before this many bytes were delivered did not fill the link."""
        self._rounds: deque[float] = deque([0.0], maxlen=RATE_ROUNDS)
        """Largest rate of each round, the current one last."""
        self._round_end = 0
        self._round_rtt_s = float("inf")
        self._startup = True
        self._startup_best = 0.0
        self._startup_stale = 0
        self._filled_at = now
        """When a segment that filled the link was sent last."""
        self._rtt_known = False
        self._min_rtt_at = now
        self._late_rounds = 0
        self._probe_until: float | None = None
        self._probe_rtt_s = float("inf")

    @property
    def room(self) -> int:
        """Bytes that may be sent now; negative after the window has shrunk."""
        return self.window_bytes - self.in_flight

    @property
    def whole_room(self) -> int:
        """`room` in whole segments."""
        segment = self.segment_bytes
        return max(0, self.window_bytes - self.in_flight) // segment * segment

    @property
    def overdue_s(self) -> float:
        """Seconds without an ACK after which a segment counts as overdue."""
        expected = self.srtt_s + 4 * self.rttvar_s + 2 * QUEUE_ALLOWANCE_S
        return min(max(OVERDUE_MIN_S, expected), OVERDUE_MAX_S)

    @property
    def segment_bytes(self) -> int:
        """Largest new segment to send over this link."""
        return segment_bytes(self.rate)

    def eta_s(self, size: float) -> float:
        """Return in how many seconds `size` more bytes would be acknowledged."""
        rate = self.rate
        if self._startup and not self._startup_best:
            # The link was never filled, so it may carry more than was measured. It carries at least
            # a first window in one round trip.
            rate = max(rate, INITIAL_WINDOW_BYTES / self.srtt_s)
        return max(self.min_rtt_s, (self.in_flight + size) / rate)

    def sent(self, size: int, now: float) -> RateSample:
        """Count a segment as sent."""
        if self.in_flight == 0:
            # The clock of an idle link starts anew, or the pause would count as slowness.
            self._delivered_s = now
        self.in_flight += size
        filled = self._delivered >= self._unfilled_until
        if filled:
            self._filled_at = now
        elif not self._startup and now - self._filled_at > STARTUP_AGE_S:
            self._startup, self._startup_best, self._startup_stale = True, self.rate, 0
        return RateSample(size, now, self._delivered, self._delivered_s, filled)

    def unfilled(self) -> None:
        """Note that nothing more is to be sent, so that what is in flight does not fill the link.

        Samples of it say only that the link carries at least their rate.
        """
        self._unfilled_until = self._delivered + self.in_flight + 1

    def acknowledged(self, sample: RateSample, now: float, *, delay_s: float) -> None:
        """Count a segment as delivered; `delay_s` is the time the receiver held the ACK."""
        self.in_flight -= sample.size
        self._delivered += sample.size
        self._delivered_s = now
        self._update_rtt(now - sample.sent_s - delay_s, now, queued=sample.filled)
        self._update_rate(sample, now)
        self._update_window()

    def echoed(self, rtt_s: float, now: float) -> None:
        """Take a round trip measured by PING."""
        self._update_rtt(rtt_s, now, queued=self.in_flight > 0)
        self._update_window()

    def set_window(self, window_bytes: int) -> None:
        """Use a window that comes from where single packets are seen; 0 to measure again."""
        self._set_bytes = window_bytes
        self._update_window()

    def _update_window(self) -> None:
        if self._set_bytes:
            least = max(limits.LINK_WINDOW_FLOOR_BYTES, self.segment_bytes)
            self.window_bytes = min(max(self._set_bytes, least), limits.LINK_WINDOW_CAP_BYTES)
            return
        if not self.rate:
            return
        pipe = self.rate * self.min_rtt_s
        # A window smaller than a segment would never be used again.
        least = max(limits.LINK_WINDOW_FLOOR_BYTES, self.segment_bytes)
        if self._probe_until is not None:
            window = pipe / 2
        else:
            window = pipe + self.rate * QUEUE_ALLOWANCE_S + self.segment_bytes
            if self._startup:
                window += (STARTUP_GAIN - 1) * pipe
                least = INITIAL_WINDOW_BYTES
        self.window_bytes = int(min(max(window, least), limits.LINK_WINDOW_CAP_BYTES))

    # --- round trip -----------------------------------------------------------------------------

    def _update_rtt(self, rtt_s: float, now: float, *, queued: bool) -> None:
        """Take a round trip. `queued` says that this end's own queue may be part of it."""
        rtt_s = max(_RTT_RESOLUTION_S, rtt_s)
        if not self._rtt_known:
            self._rtt_known = True
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
            self._set_min_rtt(rtt_s, now)
            return
        # RFC 6298 §2.
        self.rttvar_s += (abs(self.srtt_s - rtt_s) - self.rttvar_s) / 4
        self.srtt_s += (rtt_s - self.srtt_s) / 8
        self._round_rtt_s = min(self._round_rtt_s, rtt_s)
        expired = now - self._min_rtt_at > MIN_RTT_AGE_S
        if rtt_s <= self.min_rtt_s or (expired and not queued):
            self._set_min_rtt(rtt_s, now)
        if self._probe_until is not None:
            self._go_on_probing(rtt_s, now)
        elif expired and queued:
            self._probe(now)

    def _set_min_rtt(self, rtt_s: float, now: float) -> None:
        self.min_rtt_s, self._min_rtt_at = rtt_s, now
        self._late_rounds = 0

    def _probe(self, now: float) -> None:
        """Halve the window until the queue has drained and a round trip has passed without it."""
        self._probe_until = now + max(PROBE_S, 2 * self.srtt_s)
        self._probe_rtt_s = float("inf")

    def _go_on_probing(self, rtt_s: float, now: float) -> None:
        # A segment's own time on the link is not part of the path's round trip.
        own_s = self.segment_bytes / self.rate if self.rate else 0.0
        self._probe_rtt_s = min(self._probe_rtt_s, max(self.min_rtt_s, rtt_s - own_s))
        if self._probe_until is not None and now >= self._probe_until:
            self._probe_until = None
            self._set_min_rtt(self._probe_rtt_s, now)

    # --- rate -----------------------------------------------------------------------------------

    def _update_rate(self, sample: RateSample, now: float) -> None:
        if sample.delivered >= self._round_end:
            self._end_round(now, filled=sample.filled)
        # An elapsed time shorter than a round trip comes from rounding.
        elapsed = max(self.min_rtt_s, now - sample.delivered_s)
        rate = (self._delivered - sample.delivered) / elapsed
        # While rounds are late a queue stands at the link, and the link decides the rate.
        if sample.filled or self._late_rounds or rate > self.rate:
            self._rounds[-1] = max(self._rounds[-1], rate)
            self.rate = max(self._rounds)

    def _end_round(self, now: float, *, filled: bool) -> None:
        self._late_rounds = self._late_rounds + 1 if self._round_is_late() else 0
        self._round_end = self._delivered
        self._round_rtt_s = float("inf")
        if self._late_rounds >= LATE_RATE_ROUNDS:
            self._startup = False
            while len(self._rounds) > LATE_RATE_ROUNDS:
                self._rounds.popleft()
        elif self._startup and filled:
            self._judge_startup()
        if self._rounds[-1]:
            self._rounds.append(0.0)
        if self._late_rounds >= LATE_ROUNDS and self._probe_until is None:
            self._probe(now)

    def _round_is_late(self) -> bool:
        # A round in which little was delivered says nothing of the link.
        busy = self._delivered - self._round_end >= self.window_bytes // 2
        return busy and self._round_rtt_s > self.min_rtt_s + LATE_S

    def _judge_startup(self) -> None:
        if self.rate > self._startup_best * STARTUP_GROWTH:
            self._startup_best, self._startup_stale = self.rate, 0
        else:
            self._startup_stale += 1
            self._startup = self._startup_stale < STARTUP_ROUNDS
