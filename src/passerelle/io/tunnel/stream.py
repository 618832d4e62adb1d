"""One proxied connection inside a session, as a pair of awaitable byte pipes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from passerelle import limits
from passerelle.errors import Failure, StreamFailed


class Carrier(Protocol):
    """Carries streams: what a stream knows of its tunnel."""

    def sendable(self, stream: TunnelStream) -> None:
        """The stream has something to send."""

    def consumed(self, stream: TunnelStream, size: int) -> None:
        """The application took `size` bytes."""

    def accept(self, stream: TunnelStream) -> None:
        """Tell the client that the connection is made."""

    def refuse(self, stream: TunnelStream, failure: Failure) -> None:
        """Tell the client why there is no connection."""

    def abort(self, stream: TunnelStream) -> None:
        """Break the stream off."""


class Listener(Protocol):
    """Serves a stream without a task of its own."""

    def stream_changed(self) -> None:
        """Look at the stream: something arrived, there is room to send, it failed or is over.

        May be called when nothing has changed.
        """


class TunnelStream:
    """One stream.

    It is used either by its awaitables or, with a listener, by `take_received` and `push`.
    """

    def __init__(self, tunnel: Carrier, number: int = 0) -> None:
        self.number = number
        """The stream's HTTP/2 number; 0 while the stream waits to be opened."""
        self._tunnel = tunnel
        self._incoming: deque[bytes | bytearray] = deque()
        """Bytes that have arrived; small pieces are joined to the one before."""
        self._window_used = 0
        """What they and their padding take of the far side's window."""
        self.end_received = False
        """Whether the far side sends no more."""
        self.end_sent = False
        """Whether everything queued, and the end, has been handed down."""
        self._outgoing = bytearray()
        self._outgoing_end = False
        self._failure: Failure | None = None
        self._listener: Listener | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._opened = asyncio.Event()
        self._broken = asyncio.Event()

    def listen(self, listener: Listener | None) -> None:
        """Tell `listener` of changes from now on; None: tell nobody."""
        self._listener = listener

    @property
    def failure(self) -> Failure | None:
        """Why the stream has failed; None if it has not."""
        return self._failure

    @property
    def over(self) -> bool:
        """Whether both directions have ended, and everything received was taken."""
        return self.end_sent and self.end_received and not self._incoming

    def take_received(self, most: int | None = None) -> bytes:
        """Return what has arrived, or b""; `most` bytes of it, and up to a piece more.

        The far side may then send as much again.
        """
        chunks: list[bytes | bytearray] = []
        size = 0
        while self._incoming and (most is None or size < most):
            chunk = self._incoming.popleft()
            chunks.append(chunk)
            size += len(chunk)
        if not chunks:
            return b""
        # The padding counts as taken with the last piece.
        used = size if self._incoming else self._window_used
        self._window_used -= used
        self._tunnel.consumed(self, used)
        return bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)

    def push(self, data: bytes | memoryview) -> None:
        """Queue a copy of `data`; after a failure, do nothing.

        The caller stops when `queued` exceeds `limits.STREAM_SEND_BYTES`.
        """
        if self._failure is None:
            self._outgoing += data
            self._tunnel.sendable(self)

    async def opened(self) -> None:
        """Wait for the exit's answer. Raises StreamFailed. Cancelling changes nothing."""
        await self._opened.wait()
        self._check()

    async def read(self) -> bytes:
        """Return the next bytes, or b"" at the end. Raises StreamFailed.

        Cancelling loses nothing.
        """
        while not self._incoming:
            if self.end_received:
                return b""
            self._check()
            self._readable.clear()
            await self._readable.wait()
        return self.take_received()

    async def write(self, data: bytes) -> None:
        """Queue `data`, and wait while more than `limits.STREAM_SEND_BYTES` are queued.

        Raises StreamFailed. Cancelling leaves `data` queued.
        """
        self._check()
        self._outgoing += data
        self._tunnel.sendable(self)
        while len(self._outgoing) > limits.STREAM_SEND_BYTES:
            self._check()
            self._writable.clear()
            await self._writable.wait()
        self._check()

    def offer(self, data: bytes, most: int) -> bool:
        """Queue `data` if no more than `most` bytes are queued then; return whether it was queued.

        A stream that has failed, or sends no more, takes nothing.
        """
        over = self._failure is not None or self._outgoing_end
        if over or len(self._outgoing) + len(data) > most:
            return False
        self._outgoing += data
        self._tunnel.sendable(self)
        return True

    def write_end(self) -> None:
        """Send no more. The other direction stays open."""
        self._outgoing_end = True
        self._tunnel.sendable(self)

    async def broken(self) -> Failure:
        """Wait until the stream has failed and return why. Cancelling changes nothing."""
        await self._broken.wait()
        assert self._failure is not None  # `fail` sets both
        return self._failure

    async def flushed(self) -> None:
        """Wait until everything queued, and the end, has been handed down. Raises StreamFailed.

        Cancelling changes nothing.
        """
        while not self.end_sent:
            self._check()
            self._writable.clear()
            await self._writable.wait()

    def abort(self) -> None:
        """Break the stream off in both directions. Idempotent."""
        if self._failure is None and not (self.end_received and self.end_sent):
            self._tunnel.abort(self)
            self.fail(Failure.SESSION_LOST)

    def accept(self) -> None:
        """At the exit: tell the client that the connection is made."""
        if self._failure is None:
            self._tunnel.accept(self)

    def refuse(self, failure: Failure) -> None:
        """At the exit: tell the client why there is no connection."""
        if self._failure is None:
            self._tunnel.refuse(self, failure)

    # --- called by the tunnel -------------------------------------------------------------------

    def feed(self, data: bytes, size: int) -> None:
        """Take bytes that have arrived. The window that the far side was given bounds them.

        `size` is what they and their padding take of that window.
        """
        self._window_used += size
        last = self._incoming[-1] if self._incoming else b""
        if isinstance(last, bytearray) and len(last) + len(data) <= limits.PIECE_BYTES:
            # An object for each byte would cost a hundred times what the window counts.
            last += data
        elif len(data) < limits.PIECE_BYTES:
            self._incoming.append(bytearray(data))
        else:
            self._incoming.append(data)
        self._readable.set()
        self._notify()

    def feed_end(self) -> None:
        """Take the end of the incoming direction."""
        self.end_received = True
        self._readable.set()
        self._notify()

    def open(self) -> None:
        """Learn that the exit has made the connection."""
        self._opened.set()

    def fail(self, failure: Failure) -> None:
        """Learn that the stream is over without a proper end. Only the first reason counts."""
        self._failure = self._failure or failure
        for event in (self._broken, self._opened, self._readable, self._writable):
            event.set()
        self._notify()

    def sent_end(self) -> None:
        """Note that everything queued, and the end, has been handed down."""
        self.end_sent = True
        self._writable.set()
        self._notify()

    def take(self, most: int) -> bytes:
        """Remove and return up to `most` queued bytes."""
        data = bytes(memoryview(self._outgoing)[:most])
        del self._outgoing[: len(data)]
        if len(self._outgoing) <= limits.STREAM_SEND_BYTES // 2:
            self._writable.set()
            self._notify()
        return data

    @property
    def unread(self) -> int:
        """Bytes of the far side's window that wait for the application."""
        return self._window_used

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._outgoing)

    @property
    def ending(self) -> bool:
        """Whether the end of the outgoing direction follows the queued bytes."""
        return self._outgoing_end

    def _notify(self) -> None:
        if self._listener is not None:
            self._listener.stream_changed()

    def _check(self) -> None:
        if self._failure is not None:
            raise StreamFailed(self._failure)
