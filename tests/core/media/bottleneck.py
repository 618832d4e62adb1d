"""A simulated path with one bottleneck, for tests and plots of `RateControl`.

Packets of one size pass a drop-tail queue in front of a link, then travel; some are lost by chance
before. What arrives is acknowledged half a round trip later. Lost packets are found missing, and
their place in the window is free again, a round trip after their sending. Everything happens in
steps of a millisecond.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from passerelle.core.media.delay import PathDelay
from passerelle.core.media.ratecontrol import Phase, RateControl

PACKET_BYTES = 1200
STEP_S = 0.001
LOOK_S = 0.010
OVERTAKEN_S = 0.005


@dataclass
class Path:
    """What packets go through; may be changed while it is in use."""

    rate_mbit: float
    rtt_s: float
    queue_kb: float
    loss: float = 0.0
    jitter_s: float = 0.0
    """More delay, drawn for each packet and direction evenly from 0 to this; the order stays."""
    reordered: float = 0.0
    """Share of packets that those after it overtake for `OVERTAKEN_S`."""
    repeated: float = 0.0
    """Share of packets that arrive twice."""

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.rate_mbit * 1e6 / 8


@dataclass
class Flow:
    """Somebody who sends: fills a window, if there is something to send."""

    window: float = 65536.0
    pending: float = 65536.0
    """What the window will be once word of it has travelled."""
    busy: bool = True
    in_flight: int = 0
    delivered: int = 0
    lost: int = 0

    @property
    def burst(self) -> int:
        """Packets that leave together."""
        return 1

    def arrived(self, now: float, delay_s: float) -> None:
        """A packet reached the far end."""

    def acknowledged(self, now: float, rtt_s: float) -> None:
        """… and this end knows."""

    def missed(self, now: float) -> None:
        """A packet was found missing."""

    def look(self, now: float) -> None:
        """Called every 10 ms."""


class Ours(Flow):
    """A flow under `RateControl`, as the receiver of a media link uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.control = RateControl(0.0)
        self.transit, self.round_trip = PathDelay(20.0), PathDelay(20.0)

    def arrived(self, now: float, delay_s: float) -> None:
        self.control.arrived(PACKET_BYTES)
        self.transit.add(PACKET_BYTES, now - delay_s, now)

    def acknowledged(self, now: float, rtt_s: float) -> None:
        self.round_trip.add(PACKET_BYTES, now - rtt_s, now)

    def missed(self, now: float) -> None:
        self.control.lost(PACKET_BYTES)

    def look(self, now: float) -> None:
        self.round_trip.update(now)
        if self.transit.update(now) and self.round_trip.least_s < math.inf:
            jitter_s = max(self.transit.jitter_s, self.round_trip.jitter_s)
            self.control.update(
                now,
                rtt_s=self.round_trip.least_s + jitter_s,
                queue_s=self.transit.queue_s,
                jitter_s=jitter_s,
            )
        self.pending = self.control.window_bytes

    @property
    def burst(self) -> int:
        """Link messages leave whole; on slow links they are smaller."""
        return int(min(max(4096, self.window / 20), 16_384)) // PACKET_BYTES + 1

    @property
    def phase(self) -> Phase:
        """What the control is doing."""
        return self.control.phase


class Cubic(Flow):
    """A download by TCP: RFC 9438 without its finer points."""

    def __init__(self) -> None:
        super().__init__(window=10 * PACKET_BYTES)
        self._slow_start = True
        self._most = self._epoch_s = 0.0
        self._rtt_s = 0.1
        self._deaf_until_s = 0.0

    def acknowledged(self, now: float, rtt_s: float) -> None:
        self._rtt_s = rtt_s
        if self._slow_start:
            self.window += PACKET_BYTES
            return
        packets = self._most / PACKET_BYTES
        turn_s = (packets * 0.3 / 0.4) ** (1 / 3)
        target = 0.4 * (now - self._epoch_s + rtt_s - turn_s) ** 3 + packets
        here = self.window / PACKET_BYTES
        # The window of Reno at this time is the least (RFC 9438 §4.3).
        self.window += PACKET_BYTES * max((min(target, 1.5 * here) - here) / here, 0.53 / here)

    def missed(self, now: float) -> None:
        if now >= self._deaf_until_s:
            self._slow_start = False
            self._most, self._epoch_s = self.window, now
            self.window = max(2.0 * PACKET_BYTES, 0.7 * self.window)
            self._deaf_until_s = now + self._rtt_s


@dataclass
class Moment:
    """What was seen in the last tenth of a second."""

    time_s: float
    queue_s: float
    """Longest."""
    mbit: list[float]
    """Of each flow."""


@dataclass
class Simulation:
    """A path and its flows."""

    path: Path
    flows: list[Flow]
    seed: int = 1
    now: float = 0.0
    moments: list[Moment] = field(default_factory=list)
    _free_s: float = 0.0
    """When the bottleneck has sent everything it took."""
    _last_s: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """When the last packet arrives, of each direction."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._events: deque[tuple[float, Callable[[], None]]] = deque()
        self._wheel: dict[int, list[Callable[[], None]]] = {}

    def run(self, until_s: float, *, change: Callable[[float], None] | None = None) -> None:
        """Let time pass; `change` may alter path and flows every step."""
        tenth_queue_s, tenth = 0.0, [flow.delivered for flow in self.flows]
        while self.now < until_s:
            self.now += STEP_S
            tick = round(self.now / STEP_S)
            if change is not None:
                change(self.now)
            for event in self._wheel.pop(tick, ()):
                event()
            if tick % round(LOOK_S / STEP_S) == 0:
                for flow in self.flows:
                    flow.look(self.now)
                    self._tell(flow)
            self._send()
            tenth_queue_s = max(tenth_queue_s, self._free_s - self.now)
            if tick % 100 == 0:
                mbit = [
                    (flow.delivered - before) * 8 / 0.1 / 1e6
                    for flow, before in zip(self.flows, tenth, strict=True)
                ]
                self.moments.append(Moment(self.now, tenth_queue_s, mbit))
                tenth_queue_s, tenth = 0.0, [flow.delivered for flow in self.flows]

    def mbit(self, flow: int, start_s: float, end_s: float = math.inf) -> float:
        """Return the mean rate of a flow in a span of time."""
        rates = [at.mbit[flow] for at in self.moments if start_s <= at.time_s < end_s]
        return sum(rates) / len(rates)

    def queue_s(self, start_s: float, share: float = 0.95) -> float:
        """Return a quantile of the queue from some time on."""
        queues = sorted(at.queue_s for at in self.moments if at.time_s >= start_s)
        return queues[int(len(queues) * share)]

    def _tell(self, flow: Flow) -> None:
        """Who controls from the far end is obeyed half a round trip later."""
        if isinstance(flow, Ours):
            window = flow.pending
            self._at(self._travelled_s(1, self.now), lambda: setattr(flow, "window", window))

    def _send(self) -> None:
        waiting = [flow for flow in self.flows if flow.busy]
        while waiting:
            # In turn, or one of them would have every free place in the queue.
            self._dice.shuffle(waiting)
            waiting = [
                flow
                for flow in waiting
                if flow.in_flight + flow.burst * PACKET_BYTES <= flow.window or not flow.in_flight
            ]
            for flow in waiting:
                for _ in range(flow.burst):
                    self._pass(flow)

    def _pass(self, flow: Flow) -> None:
        flow.in_flight += PACKET_BYTES
        path, now = self.path, self.now
        start_s = max(now, self._free_s)
        overflow = (start_s - now) * path.rate > path.queue_kb * 1024
        if overflow or self._dice.random() < path.loss:
            self._at(now + path.rtt_s + (start_s - now), lambda: self._missed(flow))
            return
        self._free_s = start_s + PACKET_BYTES / path.rate
        arrival_s = self._travelled_s(0, self._free_s)
        self._at(arrival_s, lambda: self._arrived(flow, now))
        if path.repeated and self._dice.random() < path.repeated:
            self._at(arrival_s, lambda: flow.arrived(self.now, self.now - now))

    def _travelled_s(self, direction: int, sent_s: float) -> float:
        """Return when what was sent then is at the other end."""
        jitter_s = self._dice.uniform(0, self.path.jitter_s) if self.path.jitter_s else 0.0
        arrival_s = max(sent_s + self.path.rtt_s / 2 + jitter_s, self._last_s[direction])
        if self.path.reordered and self._dice.random() < self.path.reordered:
            return arrival_s + OVERTAKEN_S
        self._last_s[direction] = arrival_s
        return arrival_s

    def _arrived(self, flow: Flow, sent_s: float) -> None:
        flow.delivered += PACKET_BYTES
        flow.arrived(self.now, self.now - sent_s)
        self._at(self._travelled_s(1, self.now), lambda: self._acknowledged(flow, sent_s))

    def _acknowledged(self, flow: Flow, sent_s: float) -> None:
        flow.in_flight -= PACKET_BYTES
        flow.acknowledged(self.now, self.now - sent_s)

    def _missed(self, flow: Flow) -> None:
        flow.in_flight -= PACKET_BYTES
        flow.lost += PACKET_BYTES
        flow.missed(self.now)

    def _at(self, time_s: float, event: Callable[[], None]) -> None:
        self._wheel.setdefault(
            max(round(time_s / STEP_S), round(self.now / STEP_S) + 1), []
        ).append(event)
