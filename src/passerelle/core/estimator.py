"""What one link can carry, measured from its acknowledgements.

The window is `delivery rate × (smallest round trip + allowance)`: the pipe's content plus a
bounded queue. The delivery rate is sampled per acknowledged segment as in BBR (Cardwell et al.,
"BBR: Congestion-Based Congestion Control", ACM Queue 2016, and draft-cheng-iccrg-delivery-rate-
estimation), maximum over the last rounds; the smallest round trip is a minimum over ten seconds,
renewed by briefly halving the window when nothing shorter was seen for that long. The allowance
is a time, not a share, so it means the same short queue on every path, and a path that becomes
faster shows it by draining that queue.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from passerelle import limits

QUEUE_ALLOWANCE_S = 0.020
"""Queue kept in front of a link, as time at its own rate."""
STARTUP_GAIN = 2.0
"""Window over pipe content while the rate still grows: doubles every round trip."""
STARTUP_GROWTH = 1.25
STARTUP_ROUNDS = 3
"""Rounds without growth after which the pipe counts as full (BBR)."""
RATE_ROUNDS = 10
"""Rounds the delivery rate's maximum is taken over."""
MIN_RTT_AGE_S = 10.0
PROBE_S = 0.2
"""How long the window is halved to see the bare round trip again."""
INITIAL_RTT_S = 0.1
INITIAL_WINDOW_BYTES = 4 * limits.LINK_MESSAGE_BYTES


@dataclass(slots=True)
class Sample:
    """What has to be remembered about a segment until its acknowledgement."""

    size: int
    sent_s: float
    delivered: int
    delivered_s: float
    app_limited: bool


class LinkEstimator:
    """Delivery rate, round trip and window of one link."""

    def __init__(self, now: float) -> None:
        self.in_flight = 0
        """Bytes sent and not yet acknowledged on this link."""
        self.min_rtt_s = INITIAL_RTT_S
        self.srtt_s = INITIAL_RTT_S
        self.rttvar_s = INITIAL_RTT_S / 2
        self.measured = False
        """Whether a round trip has been seen."""
        self._delivered = 0
        self._delivered_s = now
        self._min_rtt_at = now
        self._probe_until: float | None = None
        self._probe_rtt_s = float("inf")
        self._round_end = 0
        self._rounds: deque[float] = deque([0.0], maxlen=RATE_ROUNDS)
        self._rate = 0.0
        self._startup = True
        self._startup_best = 0.0
        self._startup_stale = 0

    @property
    def rate(self) -> float:
        """Delivery rate in bytes per second; 0 until measured."""
        return self._rate

    @property
    def window_bytes(self) -> int:
        """How many bytes may be in flight."""
        if not self._rate:
            return INITIAL_WINDOW_BYTES
        pipe = self._rate * self.min_rtt_s
        if self._probe_until is not None:
            window = pipe / 2
        else:
            gain = STARTUP_GAIN if self._startup else 1.0
            window = gain * pipe + self._rate * QUEUE_ALLOWANCE_S
        return int(min(max(window, limits.LINK_WINDOW_FLOOR_BYTES), limits.LINK_WINDOW_CAP_BYTES))

    @property
    def room(self) -> int:
        """Bytes that may be sent now; negative when the window shrank."""
        return self.window_bytes - self.in_flight

    def eta_s(self, size: float) -> float:
        """Return in how many seconds `size` more bytes would be acknowledged."""
        if not self._rate:
            return self.srtt_s
        return max(self.min_rtt_s, (self.in_flight + size) / self._rate)

    def sent(self, size: int, now: float, *, app_limited: bool) -> Sample:
        """Count a segment as sent. `app_limited`: nothing more was waiting to be sent."""
        if self.in_flight == 0:
            # An idle link's clock starts anew, or the pause would count as slowness.
            self._delivered_s = now
        self.in_flight += size
        return Sample(size, now, self._delivered, self._delivered_s, app_limited)

    def acknowledged(self, sample: Sample, now: float, *, delay_s: float) -> None:
        """Count a segment as delivered; `delay_s` is the time the receiver held the ACK."""
        self.in_flight -= sample.size
        self._delivered += sample.size
        self._delivered_s = now
        self._update_rtt(max(1e-6, now - sample.sent_s - delay_s), now)
        elapsed = now - sample.delivered_s
        # A rate over less than the smallest round trip is an artefact of bunched ACKs.
        if elapsed >= self.min_rtt_s:
            self._update_rate((self._delivered - sample.delivered) / elapsed, sample)

    def echoed(self, rtt_s: float, now: float) -> None:
        """Take a round trip measured by PING."""
        self._update_rtt(max(1e-6, rtt_s), now)

    def overdue_s(self) -> float:
        """Return after how many seconds without its ACK a segment counts as overdue."""
        return max(0.2, self.srtt_s + 4 * self.rttvar_s + 2 * QUEUE_ALLOWANCE_S)

    def _update_rtt(self, rtt_s: float, now: float) -> None:
        if not self.measured:
            self.measured = True
            self.srtt_s, self.rttvar_s, self.min_rtt_s = rtt_s, rtt_s / 2, rtt_s
            self._min_rtt_at = now
            return
        # RFC 6298 §2.
        self.rttvar_s += (abs(self.srtt_s - rtt_s) - self.rttvar_s) / 4
        self.srtt_s += (rtt_s - self.srtt_s) / 8
        if rtt_s <= self.min_rtt_s:
            self.min_rtt_s, self._min_rtt_at = rtt_s, now
        self._probe_rtt(rtt_s, now)

    def _probe_rtt(self, rtt_s: float, now: float) -> None:
        if self._probe_until is None:
            if now - self._min_rtt_at > MIN_RTT_AGE_S:
                self._probe_until = now + max(PROBE_S, self.srtt_s)
                self._probe_rtt_s = rtt_s
            return
        self._probe_rtt_s = min(self._probe_rtt_s, rtt_s)
        if now >= self._probe_until:
            self._probe_until = None
            self.min_rtt_s, self._min_rtt_at = self._probe_rtt_s, now

    def _update_rate(self, rate: float, sample: Sample) -> None:
        if sample.delivered >= self._round_end:
            self._end_round()
        if rate > self._rounds[-1] and not (sample.app_limited and rate < self._rate):
            self._rounds[-1] = rate
            self._rate = max(self._rounds)

    def _end_round(self) -> None:
        self._round_end = self._delivered
        if self._startup:
            if self._rate > self._startup_best * STARTUP_GROWTH:
                self._startup_best, self._startup_stale = self._rate, 0
            else:
                self._startup_stale += 1
                self._startup = self._startup_stale < STARTUP_ROUNDS
        if self._rounds[-1]:
            self._rounds.append(0.0)
            self._rate = max(self._rounds)
