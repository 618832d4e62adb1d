"""Two sessions and the paths between them, simulated: deterministic, and quicker than real time.

A path carries encoded frames both ways, in order and without loss. Each direction sends at
`rate` and takes `delay_s`; both may change at any time. A path may *end* (both sides are told at
once), *vanish* (nobody is told, and nothing arrives any more) or *stall* (everything waits).
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from passerelle import limits
from passerelle.core.tunnel.session import Session
from passerelle.wire import frames
from passerelle.wire.frames import Frame

MBIT_S = 1_000_000 / 8
"""Bytes per second."""
_TICKS_AT_ONCE = 1000


@dataclass(slots=True, eq=False)
class Path:
    """One link's way through the network, the same in both directions."""

    rate: float
    """Bytes per second."""
    delay_s: float
    """One way."""
    jitter: Callable[[], float] = lambda: 0.0
    """Extra delay of a message, in seconds; what is behind waits too."""
    vanished: bool = False
    stalled_until: float = 0.0
    sent_until: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """When each direction's sender has put its last message on the wire."""
    arrived_until: list[float] = field(default_factory=lambda: [0.0, 0.0])
    bytes_carried: int = 0

    def carry(self, direction: int, size: int, now: float) -> float:
        """Return when a message of `size` bytes sent now arrives."""
        self.bytes_carried += size
        sent = max(now, self.sent_until[direction]) + size / self.rate
        self.sent_until[direction] = sent
        arrives = max(
            sent + self.delay_s + self.jitter(), self.arrived_until[direction], self.stalled_until
        )
        self.arrived_until[direction] = arrives
        return arrives


@dataclass(slots=True, eq=False)
class Side:
    """One end: a session, an application that writes as fast as it may, and one that reads."""

    session: Session = field(default_factory=Session)
    unwritten: float = 0
    """Bytes the application still wants to write."""
    received: list[tuple[float, int]] = field(default_factory=list)
    """When bytes came in order, and how many so far."""
    marks: deque[tuple[int, float]] = field(default_factory=deque)
    """Offsets whose delivery is awaited, and when they were written."""
    written: int = 0

    @property
    def received_bytes(self) -> int:
        return self.received[-1][1] if self.received else 0


class Network:
    """Two sides and the paths between them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sides = (Side(), Side())
        self.paths: dict[int, Path] = {}
        self.dead: list[tuple[float, int]] = []
        """When a session gave a link up for want of an answer."""
        self.latencies: list[float] = []
        """How long each `probe` took, in seconds."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, event: Callable[[], None]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._events, (when, next(self._order), event))

    def add(self, number: int, mbit_s: float, rtt_s: float) -> Path:
        """Join both sides by a new path."""
        path = self.paths[number] = Path(mbit_s * MBIT_S, rtt_s / 2)
        for side in self.sides:
            side.session.add_link(number, self.now)
        return path

    def end(self, number: int) -> None:
        """End a path; both sides notice at once. What travels is lost."""
        self.paths.pop(number).vanished = True
        for side in self.sides:
            side.session.remove_link(number, self.now)

    def probe(self, size: int = 100) -> None:
        """Write a quiet stream's few bytes at side 0 and note when side 1 has them."""
        side = self.sides[0]
        side.session.write(bytes(size))
        side.written += size
        side.marks.append((side.written, self.now))

    def run(self, until_s: float) -> None:
        """Let time pass."""
        while True:
            for index in (0, 1):
                self._pump(index)
            due = self._next_due()
            if due > until_s:
                break
            self.now = max(self.now, due)
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            for side in self.sides:
                for number in side.session.tick(self.now):
                    self.dead.append((self.now, number))
                    side.session.remove_link(number, self.now)
        self.now = until_s

    def rate(self, since_s: float, until_s: float) -> float:
        """Return what side 1 received in order in a span, in Mbit/s."""
        return (self._received(until_s) - self._received(since_s)) / (until_s - since_s) / MBIT_S

    def longest_gap(self, since_s: float, until_s: float) -> float:
        """Return the longest time without new bytes at side 1 in a span, in seconds."""
        times = [when for when, _ in self.sides[1].received if since_s <= when <= until_s]
        return max(late - early for early, late in itertools.pairwise([since_s, *times, until_s]))

    def _received(self, until_s: float) -> int:
        return next(
            (total for when, total in reversed(self.sides[1].received) if when <= until_s), 0
        )

    def _next_due(self) -> float:
        due = [self._events[0][0]] if self._events else []
        for side in self.sides:
            deadline = side.session.deadline()
            if deadline is not None:
                due.append(deadline)
        return min(due, default=float("inf"))

    def _pump(self, index: int) -> None:
        """Do what the shell does: fill the session, send what it gives, until it is quiet."""
        side = self.sides[index]
        for _ in range(_TICKS_AT_ONCE):
            while side.unwritten and side.session.room:
                size = int(min(side.unwritten, side.session.room, limits.STREAM_CHUNK_BYTES))
                side.session.write(bytes(size))
                side.unwritten -= size
                side.written += size
            side.session.backlogged = side.unwritten > 0
            out = side.session.transmit(self.now)
            if not out:
                return
            for number, frame in out:
                self._send(index, number, frame)
        raise AssertionError("transmit never comes to rest")

    def _send(self, index: int, number: int, frame: Frame) -> None:
        path = self.paths.get(number)
        if path is None or path.vanished:
            return
        data = frames.encode(frame)
        arrives = path.carry(index, len(data), self.now)
        self.at(arrives, lambda: self._arrive(path, 1 - index, number, data))

    def _arrive(self, path: Path, index: int, number: int, data: bytes) -> None:
        if path.vanished:
            return
        if path.stalled_until > self.now:
            self.at(path.stalled_until, lambda: self._arrive(path, index, number, data))
            return
        side = self.sides[index]
        for frame in frames.FrameReader().feed(data):
            side.session.receive(number, frame, self.now)
        size = sum(len(piece) for piece in side.session.read())
        if size:
            side.received.append((self.now, side.received_bytes + size))
            marks = self.sides[1 - index].marks
            while marks and marks[0][0] <= side.received_bytes:
                self.latencies.append(self.now - marks.popleft()[1])
