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
from passerelle.core import scheduler
from passerelle.core.estimator import LinkEstimator, Sample
from passerelle.core.ranges import RangeSet
from passerelle.core.reassembly import Reassembly
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import frames
from passerelle.wire.frames import Ack, Close, Data, Drain, Frame, Hello, Padding, Ping, Pong

ACK_BYTES = 2 * limits.LINK_MESSAGE_BYTES
"""An ACK is sent at once when this much arrived since the last one."""
ACK_DELAY_S = 0.005
"""… and at latest this long after the first byte it covers."""
PING_IDLE_S = 15.0
"""A quiet link is asked for a sign of life this often."""
PING_OVERDUE_S = 0.25
"""… and this soon after it fell behind."""
SILENCE_MIN_S = 4.0
"""A link is dead after this long, or 8 round trips, of asking without any answer."""


@dataclass(slots=True, eq=False)
class Segment:
    """A piece of the outgoing stream that may not have arrived yet."""

    offset: int
    payload: bytes | None = field(repr=False)
    """None once it is known to have arrived."""
    carriers: int = 0
    """Live links that carry it and are not stalled."""
    queued: bool = False
    """Whether it waits to be sent again."""

    @property
    def end(self) -> int:
        """Offset behind the last byte; only while `payload` is held."""
        return self.offset + len(self.payload or b"")


@dataclass(slots=True, eq=False)
class _Flight:
    """One sending of a segment over one link."""

    link_end: int
    """Bytes sent over the link up to the end of this segment."""
    segment: Segment
    sample: Sample
    given_up: bool = False
    """Whether the segment no longer counts on this sending."""


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
    stalled: bool = False
    """Its oldest segment is overdue: nothing new goes there until it answers."""
    pings: dict[int, float] = field(default_factory=dict)
    asked_at: float | None = None
    """When the oldest unanswered PING was sent."""
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
        self._unacknowledged: deque[Segment] = deque()
        """Segments from the far end's in-order offset on, ascending."""
        self._resend: list[tuple[int, Segment]] = []
        """Heap by offset; offsets are unique, so segments are never compared."""
        self._ping_token = 0
        self.backlogged = False
        """Set by the caller while more than it has written waits to be sent: every link with room
        is then worth using, however slow."""
        self.bytes_resent = 0
        """Payload sent more than once."""

    # --- the application's side -----------------------------------------------------------------

    @property
    def received(self) -> int:
        """Offset up to which everything has arrived here."""
        return self._reassembly.in_order

    @property
    def room(self) -> int:
        """Bytes the caller may still `write`; 0 means stop until links took some."""
        return max(0, limits.UNSENT_BYTES - self._unsent_bytes)

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
        self._requeue(link)
        for other in self._links.values():
            # The far end may have missed ACKs that died with the link.
            other.ack_due = now

    def drain_link(self, number: int) -> None:
        """Send nothing new over a link that is about to end; it may still deliver."""
        link = self._links.get(number)
        if link is not None:
            link.draining = True

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
            case Pong(token):
                self._receive_pong(link, token, now)
            case Drain():
                link.draining = True
            case Padding():
                pass
            case Hello() | frames.Welcome() | frames.Refused() | Close():
                raise PeerError(LinkCode.UNEXPECTED, f"{type(frame).__name__} inside a session")
            case _:
                assert_never(frame)

    # --- time -----------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when `tick` wants to be called, or None without links."""
        return min((self._link_deadline(link) for link in self._links.values()), default=None)

    def tick(self, now: float) -> list[int]:
        """Do what is due; return the links that are dead for want of an answer."""
        dead = []
        for link in self._links.values():
            self._check_overdue(link, now)
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
        usable = [link for link in self._links.values() if link.usable]
        if not usable:
            # Better a draining link than none; a stalled one answers first or dies.
            usable = [link for link in self._links.values() if not link.stalled]
        while usable:
            segment = self._next_resend()
            fresh = segment is None
            size = self._next_size() if segment is None else len(segment.payload or b"")
            if not size:
                return
            link = scheduler.choose(usable, size, self._waiting_bytes() if fresh else size)
            if link is None:
                return
            if segment is None:
                segment = self._cut(size)
            else:
                heapq.heappop(self._resend)
                segment.queued = False
                self.bytes_resent += size
            assert segment.payload is not None  # _next_resend and _cut give held segments only
            link.bytes_sent += size
            segment.carriers += 1
            sample = link.estimator.sent(
                size, now, app_limited=not (self.backlogged or self._unsent_bytes)
            )
            link.in_flight.append(_Flight(link.bytes_sent, segment, sample))
            out.append((link.number, Data(segment.offset, segment.payload)))

    def _next_resend(self) -> Segment | None:
        """Return the lowest segment that has to be sent again and has not arrived meanwhile."""
        while self._resend:
            segment = self._resend[0][1]
            if segment.payload is not None and not self._delivered.covers(
                segment.offset, segment.end
            ):
                return segment
            segment.payload = None
            segment.queued = False
            heapq.heappop(self._resend)
        return None

    def _next_size(self) -> int:
        """Return how many bytes the next new segment has; 0 if there is none or no window."""
        window = self._delivered.floor + self._window_bytes - self._next_offset
        return max(0, min(self._unsent_bytes, limits.DATA_BYTES, window))

    def _waiting_bytes(self) -> float:
        return math.inf if self.backlogged else self._unsent_bytes

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
        segment = Segment(self._next_offset, b"".join(parts))
        self._next_offset += size
        self._unsent_bytes -= size
        self._unacknowledged.append(segment)
        return segment

    def _requeue(self, link: _Link) -> None:
        """Send what only this link carries again, over others."""
        for flight in link.in_flight:
            if flight.given_up:
                continue
            flight.given_up = True
            segment = flight.segment
            segment.carriers -= 1
            if segment.payload is not None and not segment.carriers and not segment.queued:
                segment.queued = True
                heapq.heappush(self._resend, (segment.offset, segment))

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
        last = ack.ranges[-1][1] if ack.ranges else ack.in_order
        self._check_offset(last)
        while link.in_flight and link.in_flight[0].link_end <= ack.on_link:
            flight = link.in_flight.popleft()
            segment = flight.segment
            if segment.payload is not None:
                # The link is reliable: what it delivered, the far end holds.
                self._delivered.add(segment.offset, segment.end)
                segment.payload = None
            link.estimator.acknowledged(flight.sample, now, delay_s=ack.delay_s)
            link.stalled = False
        for start, end in ack.ranges:
            self._delivered.add(start, end)
        self._advance(ack.in_order)

    def _check_offset(self, offset: int) -> None:
        if offset > self._next_offset:
            raise PeerError(LinkCode.FLOW, "acknowledgement of bytes that were never sent")

    def _advance(self, in_order: int) -> None:
        """Drop segments that the far end has in order."""
        self._delivered.add(0, in_order)
        floor = self._delivered.floor
        while self._unacknowledged and (
            self._unacknowledged[0].payload is None or self._unacknowledged[0].end <= floor
        ):
            self._unacknowledged.popleft().payload = None

    def _receive_pong(self, link: _Link, token: int, now: float) -> None:
        sent = link.pings.pop(token, None)
        if sent is None:
            raise PeerError(LinkCode.UNEXPECTED, "PONG to a PING that was never sent")
        link.pings = {later: at for later, at in link.pings.items() if later > token}
        link.asked_at = min(link.pings.values(), default=None)
        link.stalled = False
        link.estimator.echoed(now - sent, now)

    # --- life signs -----------------------------------------------------------------------------

    def _ping(self, link: _Link, now: float) -> None:
        self._ping_token += 1
        link.pings[self._ping_token] = now
        link.outbox.append(Ping(self._ping_token))
        if link.asked_at is None:
            link.asked_at = now

    def _ping_at(self, link: _Link) -> float:
        """When the link is to be asked for a sign of life next."""
        if link.pings:
            latest = max(link.pings.values())
            return latest + max(1.0, 2 * link.estimator.srtt_s)
        if link.in_flight:
            return link.in_flight[0].sample.sent_s + link.estimator.overdue_s() + PING_OVERDUE_S
        return link.heard_at + PING_IDLE_S

    def _silent_at(self, link: _Link) -> float:
        """When the link counts as dead if nothing at all is heard until then."""
        if link.asked_at is None:
            return math.inf
        patience = max(SILENCE_MIN_S, 8 * link.estimator.srtt_s)
        return max(link.asked_at, link.heard_at) + patience

    def _check_overdue(self, link: _Link, now: float) -> None:
        if link.stalled or not link.in_flight or len(self._links) == 1:
            return
        if link.in_flight[0].sample.sent_s + link.estimator.overdue_s() <= now:
            link.stalled = True
            self._requeue(link)

    def _link_deadline(self, link: _Link) -> float:
        due = min(self._ping_at(link), self._silent_at(link))
        if link.ack_due is not None:
            due = min(due, link.ack_due)
        if link.in_flight and not link.stalled and len(self._links) > 1:
            due = min(due, link.in_flight[0].sample.sent_s + link.estimator.overdue_s())
        return due
