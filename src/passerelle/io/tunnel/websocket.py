"""A link transport over a WebSocket, for the server's end and the client's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from aiohttp import WSMessage, WSMsgType

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.wire.websocket import CLOSE_CODE_BASE

SUBPROTOCOL = "passerelle.v1"
"""The first WebSocket subprotocol of a link. The second is the ticket."""
MESSAGE_LIMIT_BYTES = limits.LINK_MESSAGE_BYTES + 1
"""What aiohttp takes as `max_msg_size`, which is the first size that it refuses."""
_CLOSE_TIMEOUT_S = 2.0


class Socket(Protocol):
    """What is needed of a WebSocket: aiohttp's, or one like it."""

    def __aiter__(self) -> AsyncIterator[WSMessage]:
        """Iterate over the messages that arrive, until the WebSocket ends."""

    async def send_bytes(self, data: bytes, /) -> object:
        """Send a binary message; may wait for the peer. Raises ConnectionError, RuntimeError."""

    async def pong(self, data: bytes, /) -> object:
        """Answer a PING."""

    async def close(self, *, code: int) -> object:
        """Send what is queued, then close."""


class WebSocketTransport:
    """One WebSocket. Binary messages are the link's, text messages are the relay's own."""

    def __init__(
        self,
        socket: Socket,
        abort: Callable[[], None] | None = None,
    ) -> None:
        """`socket` has no `autoping`: aiohttp would answer any number of PINGs. `abort` breaks the
        connection off below aiohttp, which waits for the peer to read.
        """
        self._socket = socket
        self._abort = abort
        self._receiver: Receiver | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._closing: LinkCode | None = None
        self._overflow = False
        burst, per_s = limits.LINK_ASIDES
        self._asides = Bucket(per_s, burst, asyncio.get_running_loop().time())
        self._flooded = False
        self._over = asyncio.Event()
        """Set when this side wants the WebSocket to end."""

    def start(self, receiver: Receiver) -> None:
        """Deliver to `receiver` while `run` runs."""
        self._receiver = receiver

    def send(self, message: bytes) -> None:
        """Queue one binary message."""
        if self._closing is not None:
            return
        self._queue.append(message)
        self._queued_bytes += len(message)
        if self._queued_bytes > limits.TRANSPORT_QUEUE_BYTES:
            self._overflow = True
            self._over.set()
        self._wake.set()

    def send_control(self, text: str) -> None:
        """Do nothing: nothing is said to a relay on its WebSocket side yet."""

    def windows(self, rtt_s: float) -> Windows | None:
        """Return None: the kernel controls the rate of TCP."""

    def close(self, code: LinkCode) -> None:
        """Send what is queued, then close with `code`."""
        if self._closing is None:
            self._closing = code
            self._over.set()
            self._wake.set()

    async def run(self, rest: Callable[[], Awaitable[None]] | None = None) -> None:
        """Carry messages until the WebSocket ends. Cancelling breaks it off.

        `rest` is waited for after each of the link's messages: the far end is held back meanwhile.
        """
        try:
            async with TaskSet("websocket") as tasks:
                writer = tasks.start(self._write(), "writer")
                reader = tasks.start(self._read(rest), "reader")
                over = tasks.start(self._over.wait(), "end")
                await asyncio.wait((reader, over), return_when=asyncio.FIRST_COMPLETED)
                if self._over.is_set():
                    # A peer that neither reads nor closes is not waited for.
                    await asyncio.wait((writer,), timeout=_CLOSE_TIMEOUT_S)
        finally:
            if self._abort is not None:
                self._abort()
        if self._receiver is not None and self._closing is None:
            error = self._reason()
            self._closing = error.code
            self._receiver.transport_lost(error)

    def _reason(self) -> LinkLost:
        if self._overflow:
            return LinkLost(LinkCode.LIMIT, "the relay did not take what was queued for it")
        if self._flooded:
            return LinkLost(LinkCode.LIMIT, "too many messages beside the link's own")
        return LinkLost(LinkCode.TRANSPORT, "the WebSocket ended")

    async def _read(self, rest: Callable[[], Awaitable[None]] | None) -> None:
        assert self._receiver is not None  # start() comes before run()
        loop = asyncio.get_running_loop()
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY and not self._asides.take(loop.time()):
                self._flooded = True
                return
            match message.type:
                case WSMsgType.BINARY:
                    self._receiver.message_received(message.data)
                    if rest is not None:
                        await rest()
                case WSMsgType.TEXT:
                    self._receiver.control_received(message.data)
                case WSMsgType.PING:
                    await self._socket.pong(message.data)
                case WSMsgType.PONG:
                    pass
                case _:
                    break

    async def _write(self) -> None:
        try:
            while not self._overflow:
                while self._queue:
                    message = self._queue.popleft()
                    self._queued_bytes -= len(message)
                    await self._socket.send_bytes(message)
                if self._closing is not None:
                    break
                self._wake.clear()
                await self._wake.wait()
            code = self._closing if self._closing is not None else LinkCode.LIMIT
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._socket.close(code=CLOSE_CODE_BASE + code)
        except (ConnectionError, TimeoutError, RuntimeError):
            # aiohttp raises RuntimeError for a socket that closed meanwhile. The reader reports it.
            return
