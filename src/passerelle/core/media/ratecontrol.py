"""How much one path may carry: the window and the rate of whoever sends over it.

The model is BBR's (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 2016). A
path is described by its delivery rate (a maximum over rounds) and its bare round trip. The window
is their product and a short queue, so a loss that comes without a queue changes nothing. Once a
cycle the window is raised for a round to see whether the path has become faster, and then lowered
to let the sender's own queue drain. Jitter belongs to the round trip and not to the queue; what is
jitter, `core.media.delay` says.

If the queue does not drain then, somebody else keeps it (Copa's test: Arun and Balakrishnan, "Copa:
Practical Delay-Based Congestion Control for the Internet", NSDI 2018). A sender that held to the
model would be starved, so until the queue is seen empty again the window *competes*: it grows a
little each round, and shrinks by CUBIC's factor (RFC 9438 §4.6) when packets are lost while the
queue is near its longest. A loss with a short queue is taken for a random one (Fu and Liew, "TCP
Veno", IEEE JSAC 2003).

There are two controllers, because two places see different things. `RateControl` runs where single
packets between the client and one browser are seen, with their losses and delays: it says how fast
packets may leave on that path. `core.tunnel.LinkEstimator` runs at both ends of a session, which
see only that a link has delivered a segment: it says how much of the session may be on one link,
all the way from client to exit, and by it the scheduler chooses links. On a media link the windows
of the client's two `RateControl`s, one each way, replace the estimators' windows at both ends,
since whoever sees the packets knows more of the path.

The caller brings the measurements: a sender has them from acknowledgements, a receiver from the
packets themselves. Rates are bytes per second, times monotonic seconds.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from passerelle import limits
from passerelle.core.tunnel.estimator import segment_bytes

QUEUE_ALLOWANCE_S = 0.020
"""Queue that this sender keeps on the path, as time at the path's rate."""
STARTUP_GAIN = 2.5
"""Window of the start-up, as a multiple of what arrived in the last round trip. The start-up sends
less than this factor too much before its queue is seen and it ends."""
LOOKS_MOST = 4096
"""Updates that are remembered of the last round trip during the start-up. Where a round trip has
more, rounds alone decide."""
STARTUP_GROWTH = 1.25
"""Factor by which the rate must rise in a round of the start-up to count as growing (BBR)."""
STARTUP_ROUNDS = 3
"""Rounds without growth after which the path counts as full (BBR)."""
FLOOD_LEAST_S = 0.03
"""Shortest queue that means that the start-up went too far."""
FLOOD_SHARE = 0.5
"""The same as a share of the round trip; the larger of the two counts."""
FLOOD_S = 0.03
"""Time for which such a queue must stand before the start-up ends. Most of the delays that a busy
machine makes are shorter."""
PROBE_GAIN = 1.25
"""What the window holds over the path's content while it is raised, beside the queue (BBR)."""
DRAIN_GAIN = 0.85
"""The window over the path's content while the window is lowered."""
CYCLE_ROUNDS = 8
"""Rounds of a cycle: one with the window raised, one or two of draining, the others at rest (BBR).
"""
CYCLE_LEAST_S = 2.0
"""Shortest time at rest in a cycle. On a short path raising and draining takes longer than a round
trip, and the queue that is always allowed shows whether the path has become faster."""
DRAIN_SHARE = 0.5
"""Share of what arrives by which the window shrinks while it is lowered. A sender that stood still
would keep everybody waiting."""
ROUND_LEAST_S = 0.025
"""Shortest round: what happens inside a browser takes this long, however short the path is."""
RATE_ROUNDS = 10
"""Rounds over which the rate's maximum is taken."""
RATE_ROUNDS_QUEUED = 3
"""The same while a queue stands, which shows that the path gives no more than is seen now. While
the queue is longer than the path, it is one round."""
SENT_ROUNDS = 2
"""Rounds in which bytes that arrived in the last one may have been sent."""
FILLED = 0.7
"""Share of the window that must have been under way for a round to show what the path can carry."""
QUEUE_LEAST_S = 0.010
"""Longest queue that counts as none."""
QUEUE_SHARE = 0.1
"""The same as a share of the round trip; the larger of the two counts."""
DRAIN_ROUNDS = 4
"""Rounds of draining after which this sender's own queue is gone, even where the path became
slower: by then the rate's maximum has forgotten what came before. A queue that is left is somebody
else's, unless it still shrinks (`DRAINING`)."""
DRAINING = 0.75
"""A queue that fell below this share of its length is still being drained."""
COMPETE_GROWTH_BYTES = 4000
"""Bytes by which the competing window grows in a round. At 20 Mbit/s and 100 ms that gives 40 to
55 % of the path beside CUBIC in simulation."""
COMPETE_BACKOFF = 0.7
"""Factor by which the competing window shrinks (CUBIC's)."""
COMPETE_LOSS = 0.10
"""Share of packets whose loss shrinks the competing window by the whole factor; it shrinks less for
less. A message leaves at once, so some of it is lost at a full queue where TCP's single packets
pass."""
CONGESTED_SHARE = 0.75
"""Losses count as congestion only when the queue was at least this share of its longest."""
CONGESTED_LOSS = 0.005
"""Losses count as congestion only when they exceed the share that is lost without a queue by this.
"""
QUEUE_ROUNDS = 60
"""Rounds for which the longest queue is remembered."""
LOSS_MOST = 0.15
"""Largest share by which the window is raised to make up for loss: lost bytes are under way for a
round trip longer. A round that loses a larger share counts as one that filled the path."""
INITIAL_WINDOW_BYTES = 4 * limits.LINK_MESSAGE_BYTES


class Phase(enum.Enum):
    """What the window is doing."""

    STARTUP = "startup"
    """It grows as fast as the path delivers."""
    DRAIN = "drain"
    """It is smaller than the path's content, until the queue is gone."""
    REST = "rest"
    """It holds the path's content and the queue that is allowed."""
    PROBE = "probe"
    """It is larger than that for a round."""
    COMPETE = "compete"
    """It holds a share of the path against somebody who keeps a queue."""


@dataclass(slots=True)
class _Round:
    """What was seen since a round began."""

    began_s: float
    sent: int = 0
    arrived: int = 0
    lost: int = 0
    backlog_least: int = limits.LINK_WINDOW_CAP_BYTES
    queue_least_s: float = float("inf")
    queue_most_s: float = 0.0
    queue_sum_s: float = 0.0
    looks: int = 0


class RateControl:
    """Decides the window of one direction of one path.

    Call `arrived` and `lost` as it happens, and `update` every few milliseconds.
    """

    def __init__(self, now: float, *, window_bytes: int = INITIAL_WINDOW_BYTES) -> None:
        self.phase = Phase.STARTUP
        self.window_bytes = window_bytes
        """Bytes that may be under way: sent, and not known to have arrived."""
        self.rate = 0.0
        """What the path delivers, in bytes per second; 0 until measured."""
        self.loss = 0.0
        """Share of packets lost without a queue, smoothed."""
        self.rounds = 0
        self._initial = window_bytes
        self._goal = window_bytes
        """Where the window goes: up as fast as the path delivers; down at once, but while draining
        little by little."""
        self._updated_s = now
        self._round = _Round(now)
        self._rates: deque[float] = deque(maxlen=RATE_ROUNDS)
        self._sent: deque[float] = deque(maxlen=SENT_ROUNDS)
        self._queues: deque[float] = deque([0.0], maxlen=QUEUE_ROUNDS)
        self._best = 0.0
        self._stale = 0
        self._startup_queue_s: float | None = None
        self._flooded_s: float | None = None
        """Since when the queue is too long, during the start-up."""
        self._recent: deque[tuple[float, int]] = deque(maxlen=LOOKS_MOST)
        """During the start-up: times of the last round trip, each with the bytes that had arrived
        by then."""
        self._seen = 0
        """Bytes that have arrived, counted during the start-up."""
        self._fresh = 0
        """Bytes that arrived since the last update."""
        self._entered_s = now
        """When the phase began."""
        self._cycle = 0
        """Rounds in this phase."""
        self._held = 0.0
        """Bytes that were under way when draining began."""
        self._drain_queue_s = 0.0
        """The queue when draining began."""
        self._rtt_s = 0.0
        self._jitter_s = 0.0
        self._startup_jitter_s = 0.0
        """The jitter that was known when the start-up ended."""
        self._next_cut = 0
        """The first round in which the competing window may shrink again."""

    def sent(self, size: int) -> None:
        """Count bytes sent, where that is known.

        Bytes whose acknowledgement was lost seem to arrive all at once with the next one. They are
        not taken for a higher rate, since nothing is delivered faster than it is sent.
        """
        self._round.sent += size

    def arrived(self, size: int) -> None:
        """Count bytes that reached the far end, in whatever order."""
        self._round.arrived += size
        self._fresh += size

    def lost(self, size: int) -> None:
        """Count bytes found missing."""
        self._round.lost += size

    def update(
        self,
        now: float,
        *,
        rtt_s: float,
        queue_s: float,
        jitter_s: float = 0.0,
        backlog_bytes: int = 0,
    ) -> bool:
        """Take the round trip without a queue, and the queue; return whether a round ended.

        `rtt_s` contains `jitter_s`, `queue_s` does not. `backlog_bytes` is what waits in a queue
        that the times do not show.
        """
        self._rtt_s = rtt_s
        self._jitter_s = jitter_s
        if self.rate:
            queue_s += backlog_bytes / self.rate
        current = self._round
        fresh, self._fresh = self._fresh, 0
        if self.phase is Phase.STARTUP:
            self._foresee(fresh, now)
        self._step(fresh, now)
        current.backlog_least = min(current.backlog_least, backlog_bytes)
        current.queue_least_s = min(current.queue_least_s, queue_s)
        current.queue_most_s = max(current.queue_most_s, queue_s)
        current.queue_sum_s += queue_s
        current.looks += 1
        length_s = now - current.began_s
        flooded = self.phase is Phase.STARTUP and self._floods(queue_s, now)
        if not flooded and length_s < max(ROUND_LEAST_S, rtt_s + current.queue_least_s):
            return False
        if flooded:
            # The start-up ends now. By the round's end the queue would have overflown.
            current.queue_least_s = queue_s
        self._round = _Round(now)
        if current.arrived:
            self.rounds += 1
            self._end_round(current, length_s)
        return True

    # --- rounds ---------------------------------------------------------------------------------

    def _end_round(self, ended: _Round, length_s: float) -> None:
        rate = ended.arrived / length_s
        if ended.sent:
            self._sent.append(ended.sent / length_s)
            rate = min(rate, max(self._sent))
        # By Little's law: rate times the time that a byte is under way.
        under_way = rate * (self._rtt_s + ended.queue_sum_s / ended.looks)
        # A sender with a backlog sends all that it may.
        heavy = self._share(ended) > LOSS_MOST
        room = self.window_bytes - segment_bytes(self.rate)
        filled = heavy or ended.backlog_least > 0 or under_way >= FILLED * room
        empty = ended.queue_least_s <= self._empty_s
        self._queues.append(ended.queue_most_s)
        if filled or rate > self.rate:
            self._rates.append(rate)
            known = RATE_ROUNDS
            if heavy or not empty:
                known = RATE_ROUNDS_QUEUED if ended.queue_least_s < self._rtt_s + 0.05 else 1
            while len(self._rates) > known:
                self._rates.popleft()
            self.rate = max(self._rates)
        self._judge_loss(ended)
        self._next_phase(ended, under_way, filled=filled, empty=empty)
        self._set_window()

    @property
    def _empty_s(self) -> float:
        """The longest queue that counts as none. On a slow path the smallest window makes one."""
        own_s = 0.0
        if self.rate:
            own_s = max(0.0, limits.LINK_WINDOW_FLOOR_BYTES / self.rate - self._rtt_s)
        return own_s + max(QUEUE_LEAST_S, QUEUE_SHARE * self._rtt_s)

    def _judge_loss(self, ended: _Round) -> None:
        if not self._congested(ended):
            self.loss += (self._share(ended) - self.loss) / 8

    @staticmethod
    def _share(ended: _Round) -> float:
        return ended.lost / (ended.lost + ended.arrived)

    def _congested(self, ended: _Round) -> bool:
        """Tell whether packets were lost because a queue was full."""
        return (
            self._share(ended) > self.loss + CONGESTED_LOSS
            and ended.queue_most_s > 2 * self._empty_s
            and ended.queue_most_s >= CONGESTED_SHARE * max(self._queues)
        )

    def _next_phase(self, ended: _Round, under_way: float, *, filled: bool, empty: bool) -> None:
        match self.phase:
            case Phase.STARTUP:
                if self._startup_over(ended, filled=filled):
                    self._startup_jitter_s = self._jitter_s
                    self._drain(ended, under_way)
            case Phase.DRAIN:
                if empty:
                    self._enter(Phase.REST)
                elif self._cycle >= DRAIN_ROUNDS:
                    self._judge_queue(ended)
            case Phase.PROBE:
                self._drain(ended, under_way)
            case Phase.REST if self._jitter_s > self._startup_jitter_s + QUEUE_ALLOWANCE_S:
                # Jitter that was not known yet looked like a flood and ended the start-up.
                self._best, self._stale = self.rate, 0
                self._startup_queue_s = self._flooded_s = None
                self._enter(Phase.STARTUP)
            case Phase.REST:
                rested = self._cycle >= CYCLE_ROUNDS - 2
                if rested and filled and self._updated_s >= self._entered_s + CYCLE_LEAST_S:
                    self._enter(Phase.PROBE)
            case Phase.COMPETE:
                if empty:
                    self._enter(Phase.REST)
                elif filled:
                    self._compete(ended)
        self._cycle += 1

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._cycle = 0
        self._entered_s = self._updated_s

    def _drain(self, ended: _Round, under_way: float) -> None:
        self._held = under_way
        self._drain_queue_s = ended.queue_least_s
        self._enter(Phase.DRAIN)

    def _judge_queue(self, ended: _Round) -> None:
        if ended.queue_least_s < DRAINING * self._drain_queue_s:
            self._drain_queue_s = ended.queue_least_s
            self._enter(Phase.DRAIN)
        else:
            self._goal = int(self._held)
            self._enter(Phase.COMPETE)

    def _step(self, fresh: int, now: float) -> None:
        """Move the window towards its goal. If it grew at once, packets would leave in a burst."""
        grown = int(self.rate * (now - self._updated_s))
        self._updated_s = now
        if self.phase is Phase.STARTUP:
            # On a long path bytes arrive in bursts with pauses between. What just arrived has left
            # room for more, whatever the mean rate is (TCP's slow start, RFC 5681 §3.1).
            grown = max(grown, int((STARTUP_GAIN - 1) * fresh))
        if self.window_bytes < self._goal:
            self.window_bytes = min(self._goal, self.window_bytes + grown)
        else:
            self.window_bytes = max(self._goal, self.window_bytes - int(DRAIN_SHARE * fresh))

    def _foresee(self, fresh: int, now: float) -> None:
        """Raise the goal of a start-up by what arrived in the last round trip, at every update.

        A round shows what was sent before the window had the size it has at the round's end. A
        start-up that raised its goal only then would grow every other round trip.
        """
        self._seen += fresh
        self._recent.append((now, self._seen))
        begin = now - max(ROUND_LEAST_S, self._rtt_s)
        while len(self._recent) > 1 and self._recent[1][0] <= begin:
            self._recent.popleft()
        since, before = self._recent[0]
        if since <= begin:
            content = (self._seen - before) / (now - since) * self._rtt_s
            self._goal = max(self._goal, _bounded(STARTUP_GAIN * content))

    def _floods(self, queue_s: float, now: float) -> bool:
        """Tell whether the start-up has filled the queue, and not just for a moment."""
        if queue_s - (self._startup_queue_s or 0.0) <= self._flood_s:
            self._flooded_s = None
        elif self._flooded_s is None:
            self._flooded_s = now
        return self._flooded_s is not None and now - self._flooded_s >= FLOOD_S

    @property
    def _flood_s(self) -> float:
        return max(FLOOD_LEAST_S, FLOOD_SHARE * self._rtt_s)

    def _startup_over(self, ended: _Round, *, filled: bool) -> bool:
        if self._startup_queue_s is None:
            self._startup_queue_s = ended.queue_least_s
        # A window that has doubled and brought only a queue is large enough. The start-up does not
        # wait until the queue overflows, nor until the window, which keeps growing, is full.
        if ended.queue_least_s - self._startup_queue_s > self._flood_s:
            return True
        if self._jitter_s and self._share(ended) > COMPETE_LOSS:
            return True  # what is taken for jitter may be the queue of a flood; its losses show
        if not filled:
            return False
        if self.rate > self._best * STARTUP_GROWTH:
            self._best, self._stale = self.rate, 0
        else:
            self._stale += 1
        return self._stale >= STARTUP_ROUNDS

    def _compete(self, ended: _Round) -> None:
        if self._congested(ended):
            if self.rounds >= self._next_cut:
                share = min(1.0, self._share(ended) / COMPETE_LOSS)
                self._goal = int(self._goal * (1 - share * (1 - COMPETE_BACKOFF)))
                # Bytes that were under way may still be lost. They belong to the same event, which
                # is answered once (RFC 6582).
                self._next_cut = self.rounds + 2
        else:
            self._goal += COMPETE_GROWTH_BYTES

    def _set_window(self) -> None:
        if not self.rate:
            return
        window: float = self._goal
        content = self.rate * self._rtt_s
        rest = content + self.rate * QUEUE_ALLOWANCE_S + segment_bytes(self.rate)
        match self.phase:
            case Phase.STARTUP:
                window = max(self._initial, rest + (STARTUP_GAIN - 1) * content)
            case Phase.DRAIN:
                window = DRAIN_GAIN * content
            case Phase.REST:
                window = rest
            case Phase.PROBE:
                window = rest + (PROBE_GAIN - 1) * content
            case Phase.COMPETE:
                # The share is kept whatever the queue is, but is at most what BBR would hold.
                window = min(window, 3 * content + limits.LINK_MESSAGE_BYTES)
        if self.phase is not Phase.COMPETE:
            window *= 1 + min(LOSS_MOST, 2 * self.loss)
        self._goal = _bounded(window)
        if self.phase is not Phase.DRAIN or self._drain_queue_s > self._flood_s:
            self.window_bytes = min(self.window_bytes, self._goal)


def _bounded(window: float) -> int:
    return int(min(max(window, limits.LINK_WINDOW_FLOOR_BYTES), limits.LINK_WINDOW_CAP_BYTES))
