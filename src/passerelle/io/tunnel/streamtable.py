"""The open streams of one tunnel: what arrives is handed up to them, what they send goes down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from passerelle import limits
from passerelle.core.ledger import Ledger
from passerelle.core.tunnel import streamevents
from passerelle.core.tunnel.rotation import StreamRotation
from passerelle.core.tunnel.session import Session
from passerelle.core.tunnel.streams import Streams
from passerelle.errors import Failure, StreamFailed
from passerelle.io.tunnel.stream import TunnelStream

# The header coder of h2 logs every destination as DEBUG.
logging.getLogger("hpack").setLevel(logging.ERROR)


class RequestHandler(Protocol):
    """Serves what clients ask for. A client's own handler is never asked."""

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """At the exit: a client wants a connection."""

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """At the exit: a client wants to exchange datagrams."""

    def request_malformed(self) -> None:
        """At the exit: a client wanted something that is not served."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a stream that waits for its turn is to be opened for."""

    host: str = field(repr=False)
    port: int = field(repr=False)
    late: asyncio.TimerHandle
    """Ends the waiting."""


class StreamTable:
    """Streams by number, and HTTP/2 between them and the session.

    The table is the `Carrier` of its streams. A stream stays in it until both directions have
    ended or it has failed; received bytes that nobody has read yet stay with the stream.
    """

    def __init__(
        self,
        session: Session,
        handler: RequestHandler,
        changed: Callable[[], None],
        *,
        client: bool,
        flows: bool,
        ledger: Ledger,
    ) -> None:
        """`changed` is called when there may be something to send: `fill` is to be called soon.

        `flows` says, at the exit, whether UDP is offered. The far side's frames are charged to
        `ledger`.
        """
        self.rotation: StreamRotation[TunnelStream] = StreamRotation()
        """Decides which stream sends next. The tunnel begins each turn."""
        self._session = session
        self._handler = handler
        self._changed = changed
        self._http2 = Streams(client=client, flows=flows, ledger=ledger)
        self._open: dict[int, TunnelStream] = {}
        self._waiting: dict[TunnelStream, _Turn] = {}
        """At the client: streams that wait for one that is open to end, the oldest first."""
        self._loop = asyncio.get_running_loop()
        self._greeted = asyncio.Event()
        self._ended = False

    def __len__(self) -> int:
        """Return how many streams are open, or wait to be."""
        return len(self._open) + len(self._waiting)

    @property
    def held_bytes(self) -> int:
        """Memory of what has arrived and was not taken, and of what waits to be sent."""
        return sum(
            limits.PIECE_COST_BYTES + stream.unread + stream.queued
            for stream in self._open.values()
        )

    # --- at the client --------------------------------------------------------------------------

    def open(self, host: str, port: int) -> TunnelStream:
        """Ask the exit for a connection. Raises StreamFailed.

        With as many streams open as there may be, the stream waits until another one has ended. It
        fails with LIMIT when none has after `limits.STREAM_TURN_S`, and at once when
        `limits.STREAMS_WAITING` wait already.
        """
        self._check()
        if len(self._waiting) >= limits.STREAMS_WAITING:
            raise StreamFailed(Failure.LIMIT)
        stream = TunnelStream(self)
        late = self._loop.call_later(limits.STREAM_TURN_S, self._give_up, stream)
        self._waiting[stream] = _Turn(host, port, late)
        self._open_waiting()
        return stream

    def open_flow(self, host: str, port: int) -> TunnelStream:
        """Ask the exit for a UDP flow. Raises StreamFailed."""
        self._check()
        stream = TunnelStream(self)
        self._opened(stream, self._http2.open_flow(host, port))
        return stream

    async def offers_flows(self) -> bool:
        """Wait until the exit has said whether it carries UDP, and return its answer.

        Raises StreamFailed(SESSION_LOST). Cancelling changes nothing.
        """
        await self._greeted.wait()
        self._check()
        return self._http2.offers_flows

    def _open_waiting(self) -> None:
        """Ask the exit for the connections that wait, the oldest first, while there is room."""
        while self._waiting and self._http2.has_room and not self._ended:
            stream = next(iter(self._waiting))
            turn = self._leave_line(stream)
            assert turn is not None  # it is the first of them
            try:
                number = self._http2.open(turn.host, turn.port)
            except StreamFailed as error:
                # The exit allows fewer streams than `limits` does.
                stream.fail(error.failure)
            else:
                self._opened(stream, number)

    def _opened(self, stream: TunnelStream, number: int) -> None:
        stream.number = number
        self._open[number] = stream
        if stream.queued or stream.ending:
            self.rotation.wait(stream)
        self._changed()

    def _give_up(self, stream: TunnelStream) -> None:
        self._leave_line(stream)
        stream.fail(Failure.LIMIT)

    def _leave_line(self, stream: TunnelStream) -> _Turn | None:
        turn = self._waiting.pop(stream, None)
        if turn is not None:
            turn.late.cancel()
        return turn

    def _check(self) -> None:
        if self._ended:
            raise StreamFailed(Failure.SESSION_LOST)

    # --- Carrier --------------------------------------------------------------------------------

    def accept(self, stream: TunnelStream) -> None:
        """See `TunnelStream.accept`."""
        self._http2.accept(stream.number)
        self._changed()

    def refuse(self, stream: TunnelStream, failure: Failure) -> None:
        """See `TunnelStream.refuse`."""
        self._http2.refuse(stream.number, failure)
        self._forget(stream)
        stream.fail(failure)
        self._changed()

    def abort(self, stream: TunnelStream) -> None:
        """See `TunnelStream.abort`."""
        self._http2.reset(stream.number)
        self._forget(stream)
        self._changed()

    def consumed(self, stream: TunnelStream, size: int) -> None:
        """Widen the far side's window by what the application took."""
        if not self._ended:
            self._http2.consumed(stream.number, size)
            self._changed()

    def sendable(self, stream: TunnelStream) -> None:
        """Let the stream send when its time comes."""
        if stream.number in self._open and self.rotation.wait(stream):
            self._changed()

    # --- up -------------------------------------------------------------------------------------

    def deliver(self, now: float) -> None:
        """Hand what has arrived in order to the streams.

        Raises PeerError when the far side breaks the rules of HTTP/2: the session is over.
        """
        for data in self._session.read():
            for event in self._http2.receive(data, now):
                self._handle(event)

    def _handle(self, event: streamevents.Event) -> None:
        match event:
            case streamevents.Received(number, data, size):
                if stream := self._open.get(number):
                    stream.feed(data, size)
            case streamevents.Ended(number):
                if stream := self._open.get(number):
                    stream.feed_end()
                    self._forget_if_over(stream)
            case streamevents.Opened(number):
                if stream := self._open.get(number):
                    stream.open()
            case streamevents.Failed(number, failure):
                if stream := self._open.get(number):
                    self._forget(stream)
                    stream.fail(failure)
            case streamevents.Writable(0):
                self.rotation.unblock_all()
            case streamevents.Writable(number):
                if stream := self._open.get(number):
                    self.rotation.unblock(stream)
            case streamevents.Requested(number, host, port):
                stream = self._open[number] = TunnelStream(self, number)
                self._handler.stream_requested(stream, host, port)
            case streamevents.FlowRequested(number, host, port):
                stream = self._open[number] = TunnelStream(self, number)
                self._handler.flow_requested(stream, host, port)
            case streamevents.Malformed():
                self._handler.request_malformed()
            case streamevents.Greeted():
                self._greeted.set()
            case _:
                assert_never(event)

    # --- down -----------------------------------------------------------------------------------

    def fill(self) -> None:
        """Move bytes from streams to the session while links have room and the turn has bytes."""
        self._session.write(self._http2.output())
        while self.rotation.ready and (room := self._session.room):
            stream, most = self.rotation.next(room)
            self._send_from(stream, most)
            self._session.write(self._http2.output())
        self._session.backlogged = bool(self.rotation)

    def _send_from(self, stream: TunnelStream, most: int) -> None:
        if stream.queued:
            window = self._http2.sendable(stream.number)
            if not window:
                self.rotation.block(stream)
                return
            data = stream.take(min(window, most))
            self.rotation.spend(len(data))
            self._http2.send(stream.number, data)
        if stream.queued:
            self.rotation.wait(stream)
        elif stream.ending:
            self._http2.end(stream.number)
            stream.sent_end()
            self._forget_if_over(stream)

    # --- the end --------------------------------------------------------------------------------

    def end(self) -> None:
        """Fail all streams: the session is over."""
        self._ended = True
        self._greeted.set()
        for stream in list(self._waiting):
            self._leave_line(stream)
            stream.fail(Failure.SESSION_LOST)
        for stream in self._open.values():
            stream.fail(Failure.SESSION_LOST)
        self._open.clear()
        self.rotation.clear()

    def _forget(self, stream: TunnelStream) -> None:
        self._leave_line(stream)
        self._open.pop(stream.number, None)
        self.rotation.leave(stream)
        self._open_waiting()

    def _forget_if_over(self, stream: TunnelStream) -> None:
        if stream.end_sent and stream.end_received:
            self._forget(stream)
