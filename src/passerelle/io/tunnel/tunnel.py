"""A session at work: links below, streams above, and the clock.

`Tunnel` is the shell both roles share. It feeds frames from links to the `Session`, the session's
bytes to `Streams`, and the streams' bytes back down, a little at a time: a stream's data leaves
its queue only when a link can take it, so a quiet stream never waits behind a busy one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, assert_never

from passerelle import limits
from passerelle.core.tunnel import streams
from passerelle.core.tunnel.session import Session
from passerelle.core.tunnel.streams import Streams
from passerelle.errors import Failure, LinkCode, LinkLost, PeerError, StreamFailed
from passerelle.io.tunnel.fairturns import FairTurns
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.wire.control import Control
from passerelle.wire.frames import Close, Drain, Frame

_log = logging.getLogger(__name__)

# h2's header coder logs every destination as DEBUG.
logging.getLogger("hpack").setLevel(logging.ERROR)

_UNLIMITED = 1 << 62

LEAVING_S = 5.0
"""A relay that announced its end is gone by then, or is sent away: it has said two seconds."""


class TunnelHandler(Protocol):
    """Who owns a tunnel."""

    def link_down(self, number: int, error: LinkLost) -> None:
        """A link ended; the session goes on."""

    def link_leaving(self, number: int) -> None:
        """A link will end soon: get another."""

    def link_control(self, number: int, message: Control) -> None:
        """A link's relay says something."""

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """At the exit: a client wants a connection."""

    def tunnel_leaving(self) -> None:
        """At the client: the exit will go away; open nothing new in this session. Called once."""

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """At the exit: a client wants to exchange datagrams."""

    def tunnel_ended(self, reason: LinkCode) -> None:
        """The session is over; called once."""


class Tunnel:
    """One end of one session, its links and its streams."""

    def __init__(
        self,
        handler: TunnelHandler,
        *,
        client: bool,
        grace_s: float,
        flows: bool = True,
        pace: FairTurns | None = None,
    ) -> None:
        """`grace_s`: how long the session outlives the loss of all its links.

        `flows`: at the exit, whether it offers UDP. `pace` gives the turns in which streams' bytes
        are sent; None: at any time.
        """
        self._handler = handler
        self._client = client
        self._pace = pace
        self._turn_bytes = 0
        """What may be sent in this turn …"""
        self._turn_given = 0
        """… and might be at its beginning."""
        self._leaving_told = False
        self._grace_s = grace_s
        self._loop = asyncio.get_running_loop()
        self._session = Session()
        self._streams = Streams(client=client, flows=flows)
        self._greeted = asyncio.Event()
        self._links: dict[int, SecureLink] = {}
        self._leaving: dict[int, asyncio.TimerHandle] = {}
        """Links that announced their end, and when it is taken for granted."""
        self._open: dict[int, TunnelStream] = {}
        self._sending: dict[int, TunnelStream] = {}
        """Streams with something to send, in turn."""
        self._blocked: dict[int, TunnelStream] = {}
        """Streams with something to send and no window."""
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._ended = False
        self._expect_link()
        self._schedule()

    @property
    def ended(self) -> bool:
        """Whether the session is over."""
        return self._ended

    @property
    def received(self) -> int:
        """Offset up to which everything has arrived, for HELLO and WELCOME."""
        return self._session.received

    @property
    def ready_links(self) -> int:
        """How many links can take new data."""
        return len(self._session.ready_links)

    @property
    def link_count(self) -> int:
        """How many links carry the session, stalled and draining ones included."""
        return len(self._links)

    def is_ready(self, number: int) -> bool:
        """Whether a link can take new data."""
        return number in self._session.ready_links

    @property
    def settled(self) -> bool:
        """Whether the far end has everything that streams have handed down."""
        return self._session.settled

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._open)

    # --- links ----------------------------------------------------------------------------------

    def attach(self, link: SecureLink) -> None:
        """Use a link from now on. Raises PeerError(LIMIT) when the session has too many."""
        self._session.add_link(link.number, self._loop.time())
        self._links[link.number] = link
        link.estimator = self._session.estimator(link.number)
        link.handler = self
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._schedule()

    def acknowledged_to(self, offset: int) -> None:
        """Take the far end's in-order offset from its HELLO or WELCOME. Raises PeerError."""
        self._session.acknowledged_to(offset, self._loop.time())
        self._schedule()

    def link_ready(self, link: SecureLink) -> None:
        """Nothing to do: a link is ready before it is attached."""

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Take frames from a link. Raises PeerError, which closes that link only."""
        now = self._loop.time()
        try:
            for frame in frames:
                if isinstance(frame, Close) and frame.ends_session:
                    self._end(frame.code)
                    return
                if isinstance(frame, Drain):
                    self._drained(link)
                    continue
                self._session.receive(link.number, frame, now)
        except PeerError as error:
            self._drop(link.number, LinkLost(error.code, error.reason))
            raise
        finally:
            if not self._ended:
                self._deliver()
                self._schedule()

    def _drained(self, link: SecureLink) -> None:
        """Take DRAIN: a client means the link, an exit means itself."""
        if not self._client:
            self.link_draining(link)
        elif not self._leaving_told:
            self._leaving_told = True
            self._handler.tunnel_leaving()

    def drain(self) -> None:
        """At the exit: ask the client to go elsewhere. Links and streams stay as they are."""
        for link in self._links.values():
            link.send([Drain()])

    def link_draining(self, link: SecureLink) -> None:
        """The link will end soon: send nothing new over it."""
        number = link.number
        if self._links.get(number) is not link or number in self._leaving:
            return
        self._leaving[number] = self._loop.call_later(
            LEAVING_S, self._dismiss, link, "the relay announced its end and stayed"
        )
        self._session.drain_link(number)
        self._handler.link_leaving(number)
        self._schedule()

    def link_windows(self, link: SecureLink) -> None:
        """A link's path is known better: its window may have grown."""
        self._schedule()

    def link_control(self, link: SecureLink, message: Control) -> None:
        """The relay says something that is the owner's business."""
        self._handler.link_control(link.number, message)

    def _dismiss(self, link: SecureLink, reason: str) -> None:
        link.close(LinkCode.TIMEOUT)
        self._drop(link.number, LinkLost(LinkCode.TIMEOUT, reason))

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """The link is gone: what it held goes over the others."""
        self._drop(link.number, error)

    def _drop(self, number: int, error: LinkLost) -> None:
        if self._links.pop(number, None) is None:
            return
        if leaving := self._leaving.pop(number, None):
            leaving.cancel()
        self._session.remove_link(number, self._loop.time())
        if not self._links:
            self._expect_link()
        self._handler.link_down(number, error)
        self._schedule()

    def _expect_link(self) -> None:
        self._expiry = self._loop.call_later(self._grace_s, self._end, LinkCode.TIMEOUT)

    # --- streams --------------------------------------------------------------------------------

    def open(self, host: str, port: int) -> TunnelStream:
        """At the client: ask for a connection. Raises StreamFailed."""
        if self._ended:
            raise StreamFailed(Failure.SESSION_LOST)
        return self._opened(self._streams.open(host, port))

    async def offers_flows(self) -> bool:
        """At the client: wait until the exit says whether it carries UDP.

        Raises StreamFailed(SESSION_LOST). Cancelling changes nothing.
        """
        await self._greeted.wait()
        if self._ended:
            raise StreamFailed(Failure.SESSION_LOST)
        return self._streams.offers_flows

    def open_flow(self, host: str, port: int) -> TunnelStream:
        """At the client: ask for a UDP flow, carried as capsules. Raises StreamFailed."""
        if self._ended:
            raise StreamFailed(Failure.SESSION_LOST)
        return self._opened(self._streams.open_flow(host, port))

    def _opened(self, number: int) -> TunnelStream:
        stream = TunnelStream(self, number)
        self._open[number] = stream
        self._schedule()
        return stream

    def accept(self, stream: TunnelStream) -> None:
        """See `TunnelStream.accept`."""
        self._streams.accept(stream.number)
        self._schedule()

    def refuse(self, stream: TunnelStream, failure: Failure) -> None:
        """See `TunnelStream.refuse`."""
        self._streams.refuse(stream.number, failure)
        self._forget(stream)
        stream.fail(failure)
        self._schedule()

    def abort(self, stream: TunnelStream) -> None:
        """See `TunnelStream.abort`."""
        self._streams.reset(stream.number)
        self._forget(stream)
        self._schedule()

    def consumed(self, stream: TunnelStream, size: int) -> None:
        """The application took bytes: widen the peer's window."""
        if self._ended:
            return
        self._streams.consumed(stream.number, size)
        self._schedule()

    def sendable(self, stream: TunnelStream) -> None:
        """The stream has something to send."""
        if stream.number in self._open and stream.number not in self._blocked:
            self._sending[stream.number] = stream
            self._schedule()

    def _forget(self, stream: TunnelStream) -> None:
        for table in (self._open, self._sending, self._blocked):
            table.pop(stream.number, None)

    def _forget_if_over(self, stream: TunnelStream) -> None:
        """Both directions have ended; bytes not read yet stay with the stream."""
        if stream.end_sent and stream.end_received:
            self._forget(stream)

    # --- up -------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Hand what arrived in order to the streams."""
        try:
            for data in self._session.read():
                for event in self._streams.receive(data, self._loop.time()):
                    self._handle(event)
        except PeerError as error:
            _log.info("a session ended: %s", error)
            self._end(error.code)

    def _handle(self, event: streams.Event) -> None:
        match event:
            case streams.Received(number, data, size):
                if stream := self._open.get(number):
                    stream.feed(data, size)
            case streams.Ended(number):
                if stream := self._open.get(number):
                    stream.feed_end()
                    self._forget_if_over(stream)
            case streams.Opened(number):
                if stream := self._open.get(number):
                    stream.open()
            case streams.Failed(number, failure):
                if stream := self._open.get(number):
                    self._forget(stream)
                    stream.fail(failure)
            case streams.Writable(0):
                self._sending.update(self._blocked)
                self._blocked.clear()
            case streams.Writable(number):
                if stream := self._blocked.pop(number, None):
                    self._sending[number] = stream
            case streams.Requested(number, host, port):
                stream = TunnelStream(self, number)
                self._open[number] = stream
                self._handler.stream_requested(stream, host, port)
            case streams.FlowRequested(number, host, port):
                stream = TunnelStream(self, number)
                self._open[number] = stream
                self._handler.flow_requested(stream, host, port)
            case streams.Greeted():
                self._greeted.set()
            case _:
                assert_never(event)

    # --- down -----------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Flush once, after everything that happens in this turn of the loop."""
        if not self._flush_due and not self._ended:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._ended:
            return
        if self._session.unsent_bytes > limits.UNSENT_MOST_BYTES:
            # Only answers to what the far side asks get past `room`: it asks and does not listen.
            self._end(LinkCode.LIMIT)
            return
        now = self._loop.time()
        self._heed_windows()
        self._begin_turn()
        while True:
            self._fill()
            frames = self._session.transmit(now)
            if not frames:
                break
            self._send(frames)
        self._end_turn()
        self._arm(now)

    def _heed_windows(self) -> None:
        """Let links that know their path decide how much is under way."""
        for number, link in self._links.items():
            windows = link.windows(self._session.estimator(number).min_rtt_s)
            if windows is not None:
                self._session.pace(number, send=windows.send, receive=windows.receive)

    def resume(self, quantum_bytes: int) -> None:
        """It is this tunnel's turn to send up to so many bytes of its streams."""
        self._turn_bytes = quantum_bytes
        self._flush()

    def _begin_turn(self) -> None:
        if self._pace is None:
            self._turn_bytes = _UNLIMITED
        elif not self._turn_bytes and self._sending and self._session.room:
            self._turn_bytes = self._pace.ask(self)
        self._turn_given = self._turn_bytes

    def _end_turn(self) -> None:
        left, self._turn_bytes = self._turn_bytes, 0
        if self._pace is not None and self._turn_given:
            self._pace.spend(self._turn_given - left)
            if left <= 0 and self._sending and self._session.room:
                self._pace.wait(self)

    def _send(self, frames: list[tuple[int, Frame]]) -> None:
        by_link: dict[int, list[Frame]] = {}
        for number, frame in frames:
            by_link.setdefault(number, []).append(frame)
        for number, batch in by_link.items():
            if link := self._links.get(number):
                link.send(batch)

    def _fill(self) -> None:
        """Move bytes from streams to the session, in turn, while it wants more."""
        self._session.write(self._streams.output())
        while self._sending and self._turn_bytes > 0 and (room := self._session.room):
            number, stream = next(iter(self._sending.items()))
            del self._sending[number]
            self._take_turn(stream, min(room, self._turn_bytes))
            self._session.write(self._streams.output())
        self._session.backlogged = bool(self._sending)

    def _take_turn(self, stream: TunnelStream, room: int) -> None:
        if stream.queued:
            window = self._streams.sendable(stream.number)
            if not window:
                self._blocked[stream.number] = stream
                return
            # No more than links take now: what is cut ahead delays every other stream.
            most = min(window, limits.STREAM_CHUNK_BYTES, room)
            data = stream.take(most)
            self._turn_bytes -= len(data)
            self._streams.send(stream.number, data)
        if stream.queued:
            self._sending[stream.number] = stream
        elif stream.ending:
            self._streams.end(stream.number)
            stream.sent_end()
            self._forget_if_over(stream)

    def _arm(self, now: float) -> None:
        deadline = self._session.deadline()
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(max(deadline, now), self._tick)

    def _tick(self) -> None:
        self._timer = None
        for number in self._session.tick(self._loop.time()):
            self._dismiss(self._links[number], "the link fell silent")
        self._schedule()

    # --- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """End the session here and at the far end. Idempotent."""
        if self._ended:
            return
        for link in self._links.values():
            link.close(LinkCode.NORMAL, ends_session=True)
        self._end(LinkCode.NORMAL)

    def _end(self, reason: LinkCode) -> None:
        if self._ended:
            return
        self._ended = True
        if self._pace is not None:
            self._pace.leave(self)
        self._greeted.set()
        for handle in (self._timer, self._expiry, *self._leaving.values()):
            if handle is not None:
                handle.cancel()
        links, self._links = self._links, {}
        for link in links.values():
            link.close(reason)
            # At a client, a link that waits for its WELCOME is not ours yet: somebody waits.
            link.handler.link_lost(link, LinkLost(reason, "the session ended"))
        for stream in self._open.values():
            stream.fail(Failure.SESSION_LOST)
        for table in (self._open, self._sending, self._blocked):
            table.clear()
        self._handler.tunnel_ended(reason)
