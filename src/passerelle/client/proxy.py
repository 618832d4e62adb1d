"""The client's local port: each SOCKS5 or HTTP request of an application gets a stream."""

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
"""An application must have said what it wants within this time."""

OpenStream = Callable[[str, int], Awaitable[TunnelStream]]


class LocalProxy:
    """Listens, reads each application's request, and joins its connection to a stream."""

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
            await self._serve_request(reader, writer)
        except OSError:  # TimeoutError is one
            writer.transport.abort()
        except asyncio.CancelledError:
            # asyncio's server would log as a fault what `close` has asked for.
            if not self._closing:
                raise
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        detector = ProtocolDetector()
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            request = await _read_request(detector, reader, writer)
        if request is None:
            return
        try:
            if isinstance(request, Associate):
                await self._associations.serve(request, reader, writer)
                return
            stream = await self._open(request)
        except StreamFailed as error:
            writer.write(detector.refuse(error.failure))
            await writer.drain()
            return
        writer.write(detector.accept())
        await splice(stream, reader, writer, forward=detector.forward)

    async def _open(self, request: Connect | Forward) -> TunnelStream:
        """Return a stream once the exit has connected; data sent early is already on its way."""
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


async def _read_request(
    detector: ProtocolDetector, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Connect | Forward | Associate | None:
    """Return the application's request, or None when it left or cannot be served."""
    while data := await reader.read(limits.SOCKET_READ_BYTES):
        for effect in detector.receive(data):
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
