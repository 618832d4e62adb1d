"""A session: ordered bytes each way between a client and an exit, over any number of links.

Both ends run this same machine. Bytes to send are cut into segments, each sent over the link
expected to deliver it first; the far end acknowledges what arrived, in order, out of order and
per link. A link is reliable and ordered, so nothing is ever resent on the link that carries it:
what a dead or stalled link holds is sent again over the others (`docs/PROTOCOL.md`).

The machine does no I/O. After any call that may have made something to send, call `transmit`;
call `tick` when `deadline` has passed. Times are monotonic seconds.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from typing import assert_never

from passerelle import limits
from passerelle.core.tunnel import scheduler
from passerelle.core.tunnel.estimator import LinkEstimator, Sample
from passerelle.core.tunnel.ranges import RangeSet
from passerelle.core.tunnel.reassembly import Reassembly
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
"""An ACK is sent at once when this much, two full messages, arrived since the last one."""
ACK_DELAY_S = 0.005
"""… and at latest this long after the first byte it covers."""
PING_IDLE_S = 15.0
"""A quiet link is asked for a sign of life this often."""
PING_OVERDUE_S = 0.25
"""… and this soon after it fell behind …"""
PING_APART_S = 1.0
"""… but not sooner after the last time. One PING at a time: a link is reliable and ordered, so
asking again while the first question travels tells nothing more."""
WINDOW_STEP = 16
"""The far end is told of a window that differs by more than this part from the one it knows."""
SILENCE_RTTS = 8
SILENCE_MIN_S = 4.0
SILENCE_MAX_S = 30.0
"""A link is dead after so many round trips, within these bounds, with a PING unanswered and
nothing else heard."""


@dataclass(slots=True, eq=False)
class _Segment:
    """A piece of the outgoing stream, from its first sending until the far end has it in order."""

    offset: int
    end: int
    payload: bytes = field(repr=False)
    """Empty once a link is known to have delivered it."""
    carriers: int = 0
    """Links that carry it and may be relied on: alive and not stalled."""
    queued: bool = False
    """Whether it is in the heap of segments to send again."""


@dataclass(slots=True, eq=False)
class _Flight:
    """One sending of a segment over one link."""

    segment: _Segment
    link_end: int
    """Bytes sent over the link up to the end of this segment."""
    sample: Sample


@dataclass(slots=True, eq=False)
class _Link:
    """One link as the session sees it."""

    number: int
    estimator: LinkEstimator
    heard_at: float
    in_flight: deque[_Flight] = field(default_factory=deque)
    """Oldest first."""
    bytes_sent: int = 0
    bytes_received: int = 0
    unacknowledged: int = 0
    """Received bytes that no ACK of ours covers yet."""
    ack_due: float | None = None
    last_data_at: float = 0.0
    draining: bool = False
    """It is about to end: nothing new goes there while there is another."""
    stalled: bool = False
    """Its oldest segment is overdue: nothing new goes there until it delivers, and what it holds
    does not count as carried."""
    ping: Ping | None = None
    """The PING that waits for its PONG."""
    pinged_at: float = 0.0
    told_bytes: int = 0
    """What the far end was told to keep under way on this link."""
    outbox: list[Frame] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        return not (self.draining or self.stalled)


class Session:
    """One end of a session."""

    def __init__(self, window_bytes: int = limits.SESSION_WINDOW_BYTES) -> None:
        self._links: dict[int, _Link] = {}
        self._reassembly = Reassembly(window_bytes)
        self._window_bytes = window_bytes
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._next_offset = 0
        self._delivered = RangeSet()
        """What the far end is known to have."""
        self._unacknowledged: deque[_Segment] = deque()
        """Segments from the far end's in-order offset on, ascending."""
        self._resend: list[tuple[int, _Segment]] = []
        """Heap by offset; offsets are unique, so segments are never compared."""
        self._ping_token = 0
        self._burst_bytes = 0
        """Cut since there was last nothing to send."""
        self.backlogged = False
        """Set by the caller while more than it has written waits to be sent."""
        self.bytes_resent = 0
        """Payload sent more than once."""

    # --- the application's side -----------------------------------------------------------------

    @property
    def received(self) -> int:
        """Offset up to which everything has arrived here."""
        return self._reassembly.in_order

    @property
    def room(self) -> int:
        """Bytes the caller may still `write`: what links can take now, in whole segments.

        So what waits here is little, and a quiet stream's few bytes pass a busy stream's many.
        """
        room = sum(link.estimator.whole_room for link in self._usable_links())
        return max(0, min(limits.UNSENT_BYTES, room) - self._unsent_bytes)

    @property
    def unsent_bytes(self) -> int:
        """Bytes written and not yet cut into a segment."""
        return self._unsent_bytes

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
        """Numbers of the links that new segments may go to."""
        return tuple(link.number for link in self._links.values() if link.usable)

    def write(self, data: bytes) -> None:
        """Append bytes to the outgoing stream. Honour `room`: the machine does not refuse more."""
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
        link = _Link(number, LinkEstimator(now), heard_at=now)
        self._links[number] = link
        self._ping(link, now)

    def remove_link(self, number: int, now: float) -> None:
        """Forget a link that ended; what it still held is sent over the others at once."""
        link = self._links.pop(number, None)
        if link is None:
            return
        if not link.stalled:
            self._requeue(link)
        for other in self._links.values():
            # The far end may have missed ACKs that died with the link.
            other.ack_due = now

    def drain_link(self, number: int) -> None:
        """Send nothing new over a link that is about to end; it may still deliver."""
        link = self._links.get(number)
        if link is not None:
            link.draining = True

    def set_windows(self, number: int, *, send: int, receive: int) -> None:
        """Keep a link to what its transport knows of its path, and tell the far end.

        `receive` of 0 leaves the far end to its own measurements.
        """
        link = self._links[number]
        link.estimator.set_window(send)
        told = link.told_bytes
        if abs(receive - told) * WINDOW_STEP > told or bool(receive) != bool(told):
            link.told_bytes = receive
            link.outbox.append(WindowFrame(receive))

    def acknowledged_to(self, offset: int, now: float) -> None:
        """Take the in-order offset a WELCOME or HELLO carries.

        Raises PeerError(FLOW) for an offset that was never sent.
        """
        self._check_offset(offset)
        self._advance(offset)

    def receive(self, number: int, frame: Frame, now: float) -> None:
        """Take one frame that arrived over a link.

        Raises PeerError; the caller closes that link with its code, and the session lives on.
        """
        link = self._links.get(number)
        if link is None:
            return
        link.heard_at = now
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
        """Return when `tick` and `transmit` want to be called, or None without links."""
        return min((self._link_deadline(link) for link in self._links.values()), default=None)

    def tick(self, now: float) -> list[int]:
        """Do what is due; return the links that are dead for want of an answer, for removal."""
        dead = []
        for link in self._links.values():
            if self._overdue_at(link) <= now:
                link.stalled = True
                self._requeue(link)
            if self._silent_at(link) <= now:
                dead.append(link.number)
            elif self._ping_at(link) <= now:
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
            link.in_flight.append(_Flight(segment, link.bytes_sent, sample))
            segment.carriers += 1
            out.append((link.number, Data(segment.offset, segment.payload)))
        if not self.backlogged and not self._unsent_bytes:
            self._burst_bytes = 0
        if not (self.backlogged and self.room):
            # Otherwise the caller is about to write more.
            for link in links:
                if link.estimator.whole_room:
                    link.estimator.unfilled()

    def _usable_links(self) -> list[_Link]:
        """Return the links that segments may go to."""
        usable = [link for link in self._links.values() if link.usable]
        # Better a draining link than none; a stalled one delivers first or dies.
        return usable or [link for link in self._links.values() if not link.stalled]

    def _next_resend(self) -> _Segment | None:
        """Return the lowest segment that no link carries any more and that has not arrived."""
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

    def _take_resend(self) -> _Segment:
        _, segment = heapq.heappop(self._resend)
        segment.queued = False
        return segment

    def _next_size(self) -> int:
        """Return how many bytes the next new segment has; 0 if there is none or no window."""
        if len(self._unacknowledged) >= limits.PENDING_SEGMENTS:
            return 0
        window = self._delivered.floor + self._window_bytes - self._next_offset
        return max(0, min(self._unsent_bytes, limits.DATA_BYTES, window))

    def _waiting_bytes(self) -> int:
        """Guess how many bytes wait for the links.

        Of a backlog nobody knows the length. Expecting as much again as it had so far keeps short
        transfers off slow links, which would only delay their end, and lets long ones use all.
        """
        return self._unsent_bytes + (self._burst_bytes if self.backlogged else 0)

    def _cut(self, size: int) -> _Segment:
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
        segment = _Segment(self._next_offset, self._next_offset + size, b"".join(parts))
        self._next_offset = segment.end
        self._unsent_bytes -= size
        self._burst_bytes += size
        self._unacknowledged.append(segment)
        return segment

    def _requeue(self, link: _Link) -> None:
        """Rely no longer on this link: what no other carries is to be sent again."""
        for flight in link.in_flight:
            segment = flight.segment
            segment.carriers -= 1
            if segment.payload and not segment.carriers and not segment.queued:
                segment.queued = True
                heapq.heappush(self._resend, (segment.offset, segment))

    def _rely_again(self, link: _Link) -> None:
        """A stalled link delivers: what it still holds need not be sent again."""
        link.stalled = False
        for flight in link.in_flight:
            flight.segment.carriers += 1

    # --- receiving ------------------------------------------------------------------------------

    def _receive_data(self, link: _Link, frame: Data, now: float) -> None:
        self._reassembly.add(frame.offset, frame.payload)
        link.bytes_received += len(frame.payload)
        link.unacknowledged += len(frame.payload)
        link.last_data_at = now
        if link.unacknowledged >= ACK_BYTES:
            link.ack_due = now
        elif link.ack_due is None:
            link.ack_due = now + ACK_DELAY_S

    def _make_ack(self, link: _Link, now: float) -> Ack:
        link.ack_due = None
        link.unacknowledged = 0
        return Ack(
            link.bytes_received,
            max(0.0, now - link.last_data_at),
            self._reassembly.in_order,
            self._reassembly.ranges(),
        )

    def _receive_ack(self, link: _Link, ack: Ack, now: float) -> None:
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

    def _land(self, link: _Link, flight: _Flight, now: float, *, delay_s: float) -> None:
        """The link is reliable: what it delivered, the far end holds."""
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

    def _receive_pong(self, link: _Link, frame: Pong, now: float) -> None:
        if link.ping is None or link.ping.token != frame.token:
            raise PeerError(LinkCode.UNEXPECTED, "PONG to a PING that was never sent")
        link.ping = None
        link.estimator.echoed(now - link.pinged_at, now)

    # --- life signs -----------------------------------------------------------------------------

    def _ping(self, link: _Link, now: float) -> None:
        self._ping_token += 1
        link.ping = Ping(self._ping_token)
        link.pinged_at = now
        link.outbox.append(link.ping)

    def _ping_at(self, link: _Link) -> float:
        """When the link is to be asked for a sign of life next."""
        if link.ping is not None:
            return math.inf
        if link.in_flight:
            behind_at = link.in_flight[0].sample.sent_s + link.estimator.overdue_s
            return max(behind_at + PING_OVERDUE_S, link.pinged_at + PING_APART_S)
        return link.heard_at + PING_IDLE_S

    def _silent_at(self, link: _Link) -> float:
        """When the link counts as dead if nothing at all is heard until then."""
        if link.ping is None:
            return math.inf
        patience = max(SILENCE_MIN_S, SILENCE_RTTS * link.estimator.srtt_s)
        return max(link.pinged_at, link.heard_at) + min(patience, SILENCE_MAX_S)

    def _overdue_at(self, link: _Link) -> float:
        """When the link counts as stalled; never while there is no other to turn to."""
        if link.stalled or not link.in_flight or len(self._links) == 1:
            return math.inf
        return link.in_flight[0].sample.sent_s + link.estimator.overdue_s

    def _link_deadline(self, link: _Link) -> float:
        ack_due = math.inf if link.ack_due is None else link.ack_due
        return min(ack_due, self._overdue_at(link), self._ping_at(link), self._silent_at(link))
