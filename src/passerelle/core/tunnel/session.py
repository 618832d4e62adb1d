"""A session: ordered bytes each way between a client and an exit, over any number of links.

Both ends run this same machine. It cuts the bytes to send into segments and sends each over the
link that is expected to deliver it first. The far end acknowledges what arrived in order, what
arrived out of order, and how much arrived on each link. A link is reliable and ordered, so nothing
is ever sent again on the link that carries it: what a dead or stalled link holds is sent again over
the others (`docs/PROTOCOL.md`).

The machine does no I/O. Call `transmit` after any call that may have made something to send, and
`tick` when `deadline` has passed. Times are monotonic seconds.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import assert_never

from passerelle import limits
from passerelle.core.tunnel import scheduler
from passerelle.core.tunnel.estimator import LinkEstimator
from passerelle.core.tunnel.ranges import RangeSet
from passerelle.core.tunnel.reassembly import Reassembly
from passerelle.core.tunnel.sessionlink import PING_APART_S, Flight, Segment, SessionLink
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import frames
from passerelle.wire.frames import (
    Ack,
    Close,
    Data,
    Drain,
    Frame,
    Hello,
    Padding,
    Ping,
    Pong,
    WindowFrame,
)

ACK_BYTES = 2 * limits.DATA_BYTES
"""Bytes received since the last ACK for which an ACK is sent at once: two full messages."""
ACK_DELAY_S = 0.005
"""Longest time from the first byte that an ACK covers to the ACK."""
WINDOW_STEP = 16
"""The far end is told a window that differs by more than one part in this many from the one it was
told last."""


class Session:
    """One end of a session."""

    def __init__(self, window_bytes: int = limits.SESSION_WINDOW_BYTES) -> None:
        """`window_bytes` is how far beyond the in-order offset data may be, each way."""
        self._links: dict[int, SessionLink] = {}
        self._reassembly = Reassembly(window_bytes)
        self._window_bytes = self._send_window_bytes = window_bytes
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._next_offset = 0
        self._delivered = RangeSet()
        """The offsets that the far end is known to have."""
        self._unacknowledged: deque[Segment] = deque()
        """Segments from the far end's in-order offset on, ascending."""
        self._resend: list[tuple[int, Segment]] = []
        """Heap by offset of segments to send again. Offsets are unique, so segments are never
        compared."""
        self._ping_token = 0
        self._burst_bytes = 0
        """Bytes cut into segments since there was last nothing to send."""
        self.backlogged = False
        """Whether more waits to be sent than was written. The caller sets it."""
        self.fell_silent: list[int] = []
        """Links that the last `tick` found silent."""
        self.bytes_resent = 0
        """Payload bytes that were sent more than once."""

    # --- the application's side -----------------------------------------------------------------

    @property
    def received(self) -> int:
        """Offset up to which everything has arrived here."""
        return self._reassembly.in_order

    @property
    def room(self) -> int:
        """Bytes that the caller may still `write`: what links can take now, in whole segments.

        More would wait here, and a quiet stream's few bytes would wait behind a busy stream's many.
        """
        room = sum(link.estimator.whole_room for link in self._usable_links())
        return max(0, min(limits.UNSENT_BYTES, room) - self._unsent_bytes)

    @property
    def unsent_bytes(self) -> int:
        """Bytes written and not yet cut into a segment."""
        return self._unsent_bytes

    @property
    def held_bytes(self) -> int:
        """Memory that waits for the far end: for a missing segment, to be sent, or for an ACK."""
        unacknowledged = self._next_offset - self._delivered.floor
        pieces = len(self._unacknowledged) + len(self._delivered)
        sending = self._unsent_bytes + unacknowledged + pieces * limits.PIECE_COST_BYTES
        return self._reassembly.held_bytes + sending

    @property
    def progress(self) -> int:
        """Bytes that have arrived here in order, and at the far end: it only grows."""
        return self._reassembly.in_order + self._delivered.floor

    @property
    def sent(self) -> int:
        """Bytes that were cut into segments so far."""
        return self._next_offset

    @property
    def settled(self) -> bool:
        """Whether the far end is known to have everything that was written."""
        return not self._unsent_bytes and self._delivered.floor == self._next_offset

    @property
    def links(self) -> tuple[int, ...]:
        """Numbers of the live links, draining ones included."""
        return tuple(self._links)

    @property
    def ready_links(self) -> tuple[int, ...]:
        """Numbers of the links that new segments may go to, and that are not silent."""
        links = self._links.values()
        return tuple(link.number for link in links if link.usable and not link.silent)

    def is_silent(self, link: int) -> bool:
        """Whether nobody answers at the far end of a link."""
        return link in self._links and self._links[link].silent

    def write(self, data: bytes) -> None:
        """Append bytes to send. Honour `room`: the machine does not refuse more."""
        if data:
            self._unsent.append(data)
            self._unsent_bytes += len(data)

    def read(self) -> list[bytes | memoryview]:
        """Return the bytes that arrived in order since the last call."""
        return self._reassembly.read()

    def estimator(self, link: int) -> LinkEstimator:
        """Return what is measured of a live link."""
        return self._links[link].estimator

    # --- links ----------------------------------------------------------------------------------

    def add_link(self, number: int, now: float) -> None:
        """Start using a link. Its first frames may already carry data.

        Raises PeerError(LIMIT) beyond `limits.LINKS_PER_SESSION`.
        """
        if len(self._links) >= limits.LINKS_PER_SESSION:
            raise PeerError(LinkCode.LIMIT, "too many links in one session")
        link = SessionLink(number, LinkEstimator(now), heard_at=now)
        self._links[number] = link
        self._ping(link, now)

    def remove_link(self, number: int, now: float) -> None:
        """Forget a link that ended. What it still held is sent over the others at once."""
        link = self._links.pop(number, None)
        if link is None:
            return
        if not link.stalled:
            self._requeue(link)
        for other in self._links.values():
            # ACKs that the far end needs may have been lost with the link.
            other.ack_due = now

    def drain_link(self, number: int) -> None:
        """Send nothing new over a link that is about to end. It may still deliver."""
        link = self._links.get(number)
        if link is not None:
            link.draining = True

    def set_windows(self, number: int, *, send: int, receive: int) -> None:
        """Use the windows, in bytes, that a link's transport knows from its path.

        `send` is for this end. `receive` is told to the far end; with 0 the far end goes by its own
        measurements.
        """
        link = self._links[number]
        link.estimator.set_window(send)
        told = link.told_bytes
        if abs(receive - told) * WINDOW_STEP > told or bool(receive) != bool(told):
            link.told_bytes = receive
            link.outbox.append(WindowFrame(receive))

    def ask(self, number: int, now: float) -> None:
        """Ask a link for a sign of life soon, unless that was done just now."""
        link = self._links[number]
        if link.ping is None and now - link.pinged_at >= PING_APART_S:
            self._ping(link, now)

    def acknowledged_to(self, offset: int, now: float) -> None:
        """Take the in-order offset that a WELCOME or HELLO carries.

        Raises PeerError(FLOW) for an offset beyond what was sent.
        """
        self._check_offset(offset)
        self._advance(offset)

    def limit_window(self, window_bytes: int) -> None:
        """Send no further beyond the far end's in-order offset than its WELCOME allows."""
        self._send_window_bytes = min(self._window_bytes, window_bytes)

    def receive(self, number: int, frame: Frame, now: float) -> None:
        """Take one frame that arrived over a link. Frames of an unknown link are ignored.

        Raises PeerError. The caller closes that link with the error's code; the session goes on.
        """
        link = self._links.get(number)
        if link is None:
            return
        link.heard(now)
        match frame:
            case Data():
                self._receive_data(link, frame, now)
            case Ack():
                self._receive_ack(link, frame, now)
            case Ping(token):
                if len(link.outbox) < limits.LINK_OUTBOX_FRAMES:
                    link.outbox.append(Pong(token))
            case Pong():
                self._receive_pong(link, frame, now)
            case Drain():
                link.draining = True
            case Padding():
                pass
            case WindowFrame(window_bytes):
                link.estimator.set_window(window_bytes)
            case Hello() | frames.Welcome() | frames.Refused() | Close():
                raise PeerError(LinkCode.UNEXPECTED, f"{type(frame).__name__} inside a session")
            case _:
                assert_never(frame)

    # --- time -----------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when `tick` and `transmit` are to be called next; None without links."""
        return min((self._link_deadline(link) for link in self._links.values()), default=None)

    def tick(self, now: float) -> list[int]:
        """Do what is due. Return the links that did not answer and are dead: remove them."""
        dead = []
        self.fell_silent = []
        for link in self._links.values():
            if self._overdue_at(link) <= now:
                link.stalled = True
                self._requeue(link)
            if link.silent_at <= now:
                link.silent = True
                self.fell_silent.append(link.number)
            if link.dead_at <= now:
                dead.append(link.number)
            elif link.ask_at <= now:
                self._ping(link, now)
        return dead

    def transmit(self, now: float) -> list[tuple[int, Frame]]:
        """Return the frames to send now, each with its link, in order."""
        out: list[tuple[int, Frame]] = []
        for link in self._links.values():
            if link.outbox:
                out += [(link.number, frame) for frame in link.outbox]
                link.outbox = []
            if link.ack_due is not None and link.ack_due <= now:
                out.append((link.number, self._make_ack(link, now)))
        self._transmit_data(out, now)
        return out

    # --- sending --------------------------------------------------------------------------------

    def _transmit_data(self, out: list[tuple[int, Frame]], now: float) -> None:
        links = self._usable_links()
        while links:
            resend = self._next_resend()
            size = resend.end - resend.offset if resend else self._next_size()
            waiting = size if resend else self._waiting_bytes()
            link = scheduler.choose(links, size, waiting, whole=bool(resend)) if size else None
            if link is None:
                break
            if resend:
                segment = self._take_resend()
                self.bytes_resent += size
            else:
                size = min(size, link.estimator.segment_bytes)
                segment = self._cut(size)
            link.bytes_sent += size
            sample = link.estimator.sent(size, now)
            link.in_flight.append(Flight(segment, link.bytes_sent, sample))
            segment.carriers += 1
            out.append((link.number, Data(segment.offset, segment.payload)))
        if not self.backlogged and not self._unsent_bytes:
            self._burst_bytes = 0
        # A backlogged caller is about to fill the room there is.
        if not (self.backlogged and self.room):
            for link in links:
                if link.estimator.whole_room:
                    link.estimator.unfilled()

    def _usable_links(self) -> list[SessionLink]:
        """Return the links that segments may go to."""
        usable = [link for link in self._links.values() if link.usable]
        # Without a usable link, a draining one is used. A stalled one has to deliver first.
        return usable or [link for link in self._links.values() if not link.stalled]

    def _next_resend(self) -> Segment | None:
        """Return the lowest segment that no link carries any more and that has not arrived.

        Segments before it that need not be sent again are taken off the heap.
        """
        while self._resend:
            segment = self._resend[0][1]
            if not (
                segment.carriers
                or not segment.payload
                or self._delivered.covers(segment.offset, segment.end)
            ):
                return segment
            self._take_resend()
        return None

    def _take_resend(self) -> Segment:
        _, segment = heapq.heappop(self._resend)
        segment.queued = False
        return segment

    def _next_size(self) -> int:
        """Return the size of the next new segment; 0 if there is none, or no window for it."""
        if len(self._unacknowledged) >= limits.PENDING_SEGMENTS:
            return 0
        window = self._delivered.floor + self._send_window_bytes - self._next_offset
        return max(0, min(self._unsent_bytes, limits.DATA_BYTES, window))

    def _waiting_bytes(self) -> int:
        """Estimate how many bytes wait for the links.

        The length of a backlog is not known. It is taken to be as long again as it was so far. That
        keeps short transfers off slow links, which would delay their end, and lets long ones use
        all links.
        """
        return self._unsent_bytes + (self._burst_bytes if self.backlogged else 0)

    def _cut(self, size: int) -> Segment:
        """Take `size` bytes off the unsent ones as a new segment."""
        parts: list[bytes | memoryview] = []
        missing = size
        while missing:
            chunk = self._unsent.popleft()
            if len(chunk) > missing:
                self._unsent.appendleft(chunk[missing:])
                chunk = chunk[:missing]
            parts.append(chunk)
            missing -= len(chunk)
        segment = Segment(self._next_offset, self._next_offset + size, b"".join(parts))
        self._next_offset = segment.end
        self._unsent_bytes -= size
        self._burst_bytes += size
        self._unacknowledged.append(segment)
        return segment

    def _requeue(self, link: SessionLink) -> None:
        """Rely on this link no longer: segments that no other link carries are sent again."""
        for flight in link.in_flight:
            segment = flight.segment
            segment.carriers -= 1
            if segment.payload and not segment.carriers and not segment.queued:
                segment.queued = True
                heapq.heappush(self._resend, (segment.offset, segment))

    def _rely_again(self, link: SessionLink) -> None:
        """Rely on a stalled link that delivers: what it still holds need not be sent again."""
        link.stalled = False
        for flight in link.in_flight:
            flight.segment.carriers += 1

    # --- receiving ------------------------------------------------------------------------------

    def _receive_data(self, link: SessionLink, frame: Data, now: float) -> None:
        self._reassembly.add(frame.offset, frame.payload)
        link.bytes_received += len(frame.payload)
        link.unacknowledged += len(frame.payload)
        link.last_data_at = now
        if link.unacknowledged >= ACK_BYTES:
            link.ack_due = now
        elif link.ack_due is None:
            link.ack_due = now + ACK_DELAY_S

    def _make_ack(self, link: SessionLink, now: float) -> Ack:
        link.ack_due = None
        link.unacknowledged = 0
        return Ack(
            link.bytes_received,
            max(0.0, now - link.last_data_at),
            self._reassembly.in_order,
            self._reassembly.ranges(),
        )

    def _receive_ack(self, link: SessionLink, ack: Ack, now: float) -> None:
        if ack.on_link > link.bytes_sent:
            raise PeerError(LinkCode.FLOW, "acknowledgement of bytes this link never carried")
        self._check_offset(ack.ranges[-1][1] if ack.ranges else ack.in_order)
        if len(self._delivered) + len(ack.ranges) > limits.PENDING_SEGMENTS:
            raise PeerError(LinkCode.LIMIT, "acknowledgement in too many pieces")
        while link.in_flight and link.in_flight[0].link_end <= ack.on_link:
            self._land(link, link.in_flight.popleft(), now, delay_s=ack.delay_s)
        for start, end in ack.ranges:
            self._delivered.add(start, end)
        self._advance(ack.in_order)

    def _land(self, link: SessionLink, flight: Flight, now: float, *, delay_s: float) -> None:
        """Note that a link has delivered a segment: the far end has it, as links are reliable."""
        segment = flight.segment
        segment.payload = b""
        self._delivered.add(segment.offset, segment.end)
        link.estimator.acknowledged(flight.sample, now, delay_s=delay_s)
        if link.stalled:
            self._rely_again(link)

    def _check_offset(self, offset: int) -> None:
        if offset > self._next_offset:
            raise PeerError(LinkCode.FLOW, "acknowledgement of bytes that were never sent")

    def _advance(self, in_order: int) -> None:
        """Drop segments that the far end has in order."""
        self._delivered.add(0, in_order)
        while self._unacknowledged and self._unacknowledged[0].end <= self._delivered.floor:
            self._unacknowledged.popleft().payload = b""

    def _receive_pong(self, link: SessionLink, frame: Pong, now: float) -> None:
        if link.ping is None or link.ping.token != frame.token:
            raise PeerError(LinkCode.UNEXPECTED, "PONG to a PING that was never sent")
        link.ping = None
        link.estimator.echoed(now - link.pinged_at, now)

    # --- life signs -----------------------------------------------------------------------------

    def _ping(self, link: SessionLink, now: float) -> None:
        self._ping_token += 1
        link.ask(self._ping_token, now)

    def _overdue_at(self, link: SessionLink) -> float:
        """Return when the link counts as stalled. The only link never does: no other could help."""
        return math.inf if len(self._links) == 1 else link.overdue_at

    def _link_deadline(self, link: SessionLink) -> float:
        ack_due = math.inf if link.ack_due is None else link.ack_due
        return min(ack_due, self._overdue_at(link), link.ask_at, link.silent_at, link.dead_at)
