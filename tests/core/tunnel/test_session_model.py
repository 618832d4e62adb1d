"""Two sessions under every interleaving that hypothesis can think of."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from passerelle import limits
from passerelle.core.tunnel.session import Session
from passerelle.wire.frames import Drain, Frame, Welcome

MOST_LINKS = 6
MOST_CALLS = 2000
"""More would be spinning."""
END_WITHIN_S = 60.0
CLIENT, EXIT = 0, 1
SIDES = st.sampled_from([CLIENT, EXIT])


@dataclass(slots=True, eq=False)
class Wire:
    """A link's messages under way, by the side they travel to."""

    queues: tuple[deque[Frame], deque[Frame]] = field(default_factory=lambda: (deque(), deque()))
    attached: list[bool] = field(default_factory=lambda: [False, True])
    """Which side uses the link. The exit does from the client's HELLO on, the client from the
    exit's WELCOME on, and each until it notices the end."""
    vanished: bool = False


class Sessions(RuleBasedStateMachine):
    """Both ends of a session, and links that behave as badly as reliable, ordered pipes can."""

    @initialize(
        window_bytes=st.sampled_from([20_000, 100_000, limits.SESSION_WINDOW_BYTES]),
        links=st.integers(1, 3),
    )
    def start(self, window_bytes: int, links: int) -> None:
        self.window_bytes = window_bytes
        self.sessions = (Session(window_bytes), Session(window_bytes))
        self.written = (bytearray(), bytearray())
        """By the side that wrote."""
        self.read = [0, 0]
        """Bytes each side has read of what the other wrote."""
        self.now = 0.0
        self.wires: dict[int, Wire] = {}
        self.next_link = 0
        for _ in range(links):
            self.birth()
            self._deliver(self.next_link - 1, CLIENT, 1)

    # --- what may happen ------------------------------------------------------------------------

    @rule(side=SIDES, size=st.one_of(st.integers(1, 50), st.integers(1, 60_000)))
    def write(self, side: int, size: int) -> None:
        written = self.written[side]
        size = min(size, limits.UNSENT_BYTES - self.sessions[side]._unsent_bytes)
        data = bytes((len(written) + index) * 31 % 251 for index in range(size))
        self.sessions[side].write(data)
        written += data

    @rule(side=SIDES, backlogged=st.booleans())
    def change_backlog(self, side: int, backlogged: bool) -> None:
        self.sessions[side].backlogged = backlogged

    @rule(side=SIDES)
    def transmit(self, side: int) -> None:
        frames = self.sessions[side].transmit(self.now)
        assert len(frames) <= MOST_CALLS
        for number, frame in frames:
            assert self.wires[number].attached[side]
            self.wires[number].queues[1 - side].append(frame)
        assert self.sessions[side].transmit(self.now) == []

    @precondition(lambda self: self.wires)
    @rule(data=st.data(), side=SIDES, there=st.integers(0, 9), back=st.integers(0, 9))
    def exchange(self, data: st.DataObject, side: int, there: int, back: int) -> None:
        """Some messages go one way over a link, and some of their answers come back."""
        number = data.draw(st.sampled_from(sorted(self.wires)))
        self.transmit(side)
        self._deliver(number, 1 - side, there)
        self.transmit(1 - side)
        self._deliver(number, side, back)

    @precondition(lambda self: len(self.wires) < MOST_LINKS)
    @rule()
    def birth(self) -> None:
        number, self.next_link = self.next_link, self.next_link + 1
        client, exit_ = self.sessions
        wire = self.wires[number] = Wire()
        exit_.add_link(number, self.now)
        exit_.acknowledged_to(client.received, self.now)
        wire.queues[CLIENT].append(Welcome(False, exit_.received, self.window_bytes))

    @precondition(lambda self: self.wires)
    @rule(data=st.data(), side=SIDES, most=st.sampled_from([1, 2, 5, 1000]))
    def deliver(self, data: st.DataObject, side: int, most: int) -> None:
        self._deliver(data.draw(st.sampled_from(sorted(self.wires))), side, most)

    @precondition(lambda self: self.wires)
    @rule(data=st.data(), side=SIDES, kept=st.integers(0, 3))
    def end(self, data: st.DataObject, side: int, kept: int) -> None:
        """One side sees a link end; of what it sent last, the far side may still get some."""
        number = data.draw(st.sampled_from(sorted(self.wires)))
        queues = self.wires[number].queues
        while len(queues[1 - side]) > kept:
            queues[1 - side].pop()
        self._detach(number, side)

    @precondition(lambda self: self.wires)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """A link swallows everything from now on; nobody is told."""
        self.wires[data.draw(st.sampled_from(sorted(self.wires)))].vanished = True

    @precondition(lambda self: self.wires)
    @rule(data=st.data(), side=SIDES)
    def drain(self, data: st.DataObject, side: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.wires)))
        wire = self.wires[number]
        if wire.attached[side]:
            self.sessions[side].drain_link(number)
            wire.queues[1 - side].append(Drain())

    @rule(duration_s=st.sampled_from([0.001, 0.005, 0.05, 0.3, 2.0, 20.0]))
    def wait(self, duration_s: float) -> None:
        """Time passes; what is due is done, and nothing is due twice."""
        until = self.now + duration_s
        for _ in range(MOST_CALLS):
            deadlines = [d for s in self.sessions if (d := s.deadline()) is not None]
            due = min(deadlines, default=until)
            if due >= until:
                break
            self.now = max(self.now, due)
            self._tick()
        else:
            raise AssertionError("deadlines never end")
        self.now = until

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def reads_what_was_written(self) -> None:
        for side, session in enumerate(self.sessions):
            written = self.written[1 - side]
            for piece in session.read():
                start, end = self.read[side], self.read[side] + len(piece)
                assert bytes(piece) == written[start:end]
                self.read[side] = end
            assert session.received == self.read[side]

    @invariant()
    def buffers_are_bounded(self) -> None:
        for session in self.sessions:
            assert session._reassembly.pending_bytes <= self.window_bytes
            assert session._unsent_bytes <= limits.UNSENT_BYTES
            assert all(s.end > session._delivered.floor for s in session._unacknowledged)
            held = sum(len(segment.payload) for segment in session._unacknowledged)
            assert held <= self.window_bytes
            assert len(session._unacknowledged) <= limits.PENDING_SEGMENTS
            assert len(session._resend) <= limits.PENDING_SEGMENTS
            for link in session._links.values():
                in_flight = sum(flight.sample.size for flight in link.in_flight)
                assert in_flight == link.estimator.in_flight <= limits.LINK_WINDOW_CAP_BYTES
                assert len(link.outbox) <= limits.LINK_OUTBOX_FRAMES + 1

    @invariant()
    def no_link_carries_a_segment_twice(self) -> None:
        for session in self.sessions:
            for link in session._links.values():
                offsets = [flight.segment.offset for flight in link.in_flight]
                assert len(offsets) == len(set(offsets))

    @invariant()
    def carriers_are_counted(self) -> None:
        for session in self.sessions:
            for segment in session._unacknowledged:
                carriers = sum(
                    flight.segment is segment
                    for link in session._links.values()
                    if not link.stalled
                    for flight in link.in_flight
                )
                if segment.payload:
                    assert segment.carriers == carriers
                    stalled = any(
                        flight.segment is segment
                        for link in session._links.values()
                        for flight in link.in_flight
                    )
                    # Another link may have told that it arrived, before its own could.
                    arrived = session._delivered.covers(segment.offset, segment.end)
                    assert carriers or stalled or segment.queued or arrived

    def teardown(self) -> None:
        """Whatever happened: over one good link, everything written arrives."""
        if not hasattr(self, "wires"):
            return
        for wire in self.wires.values():
            wire.vanished = True
        self.birth()
        good = max(self.wires)
        end_at = self.now + END_WITHIN_S
        while any(self.read[1 - side] < len(self.written[side]) for side in (CLIENT, EXIT)):
            assert self.now < end_at, "not everything arrived in time"
            self._tick()
            self._deliver(good, CLIENT, MOST_CALLS)
            self._deliver(good, EXIT, MOST_CALLS)
            self.reads_what_was_written()
            self.now += 0.02
        self.buffers_are_bounded()
        self.carriers_are_counted()

    # --- how ------------------------------------------------------------------------------------

    def _tick(self) -> None:
        for side, session in enumerate(self.sessions):
            for number in session.tick(self.now):
                self._detach(number, side)
            self.transmit(side)
            deadline = session.deadline()
            assert deadline is None or deadline > self.now

    def _deliver(self, number: int, side: int, most: int) -> None:
        wire = self.wires.get(number)
        if wire is None or wire.vanished:
            return
        for _ in range(min(most, len(wire.queues[side]))):
            frame = wire.queues[side].popleft()
            if isinstance(frame, Welcome):
                self.sessions[side].add_link(number, self.now)
                self.sessions[side].acknowledged_to(frame.received, self.now)
                wire.attached[side] = True
            else:
                self.sessions[side].receive(number, frame, self.now)

    def _detach(self, number: int, side: int) -> None:
        wire = self.wires[number]
        self.sessions[side].remove_link(number, self.now)
        wire.attached[side] = False
        wire.queues[side].clear()
        if not any(wire.attached):
            del self.wires[number]


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
