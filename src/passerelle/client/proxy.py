"""The client's local port: applications' SOCKS5 and HTTP requests, each on its stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from passerelle import limits
from passerelle.client.datagrams import Associations
from passerelle.core.localport.protocol_detect import ProtocolDetector
from passerelle.core.localport.request import Associate, CloseConnection, Connect, Forward, Send
from passerelle.errors import StreamFailed
from passerelle.io.server.web import cannot_listen
from passerelle.io.tunnel.splice import splice
from passerelle.io.tunnel.stream import TunnelStream

_log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 30.0
"""An application must have said what it wants by then."""

OpenStream = Callable[[str, int], Awaitable[TunnelStream]]


class LocalProxy:
    """Listens, reads each application's request, and joins it to a stream."""

    def __init__(self, open_stream: OpenStream, associations: Associations) -> None:
        self._open_stream = open_stream
        self._associations = associations
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None  # started
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises LocalError, with a sentence for a person, when that is impossible."""
        try:
            self._server = await asyncio.start_server(
                self._serve, host, port, limit=limits.SOCKET_READ_BYTES
            )
        except OSError as error:
            raise cannot_listen(host, port, error) from error

    async def close(self) -> None:
        """Stop listening and break off every connection."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # asyncio.start_server runs this in a task of its own
        if self._closing or len(self._connections) >= limits.CLIENT_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except OSError:  # TimeoutError is one
            writer.transport.abort()
        except asyncio.CancelledError:
            # `close` asked for it; asyncio's server would log it as a fault.
            if not self._closing:
                raise
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        front = ProtocolDetector()
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            request = await _handshake(front, reader, writer)
        if request is None:
            return
        try:
            if isinstance(request, Associate):
                await self._associations.serve(request, reader, writer)
                return
            stream = await self._open(request)
        except StreamFailed as error:
            writer.write(front.refuse(error.failure))
            await writer.drain()
            return
        writer.write(front.accept())
        await splice(stream, reader, writer, forward=front.forward)

    async def _open(self, request: Connect | Forward) -> TunnelStream:
        """Return the stream once the exit has connected; early data goes ahead of its answer."""
        stream = await self._open_stream(request.host, request.port)
        head = request.head if isinstance(request, Forward) else b""
        try:
            if head or request.early:
                await stream.write(head + request.early)
            await stream.opened()
        except BaseException:
            stream.abort()
            raise
        return stream


async def _handshake(
    front: ProtocolDetector, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Connect | Forward | Associate | None:
    """Return what the application wants, or None when it left or cannot be served."""
    while data := await reader.read(limits.SOCKET_READ_BYTES):
        for effect in front.receive(data):
            match effect:
                case Send(answer):
                    writer.write(answer)
                case Connect() | Forward() | Associate():
                    return effect
                case CloseConnection(reason):
                    _log.debug("an application's request was turned down: %s", reason.value)
                    with contextlib.suppress(OSError):
                        await writer.drain()
                    return None
        await writer.drain()
    return None
