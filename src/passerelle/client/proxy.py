"""The client's local port: applications' SOCKS5 and HTTP requests, each on its stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from passerelle import limits, serverlimits
from passerelle.client.datagrams import UdpAssociations
from passerelle.client.exchange import HttpConversation
from passerelle.client.logintries import LoginTries, machine
from passerelle.client.notices import (
    BrokerUnreachable,
    LinkUp,
    NetworkLoaded,
    Notice,
    NoVolunteer,
)
from passerelle.core.address.forwarded import plain_address
from passerelle.core.address.host import IPAddress
from passerelle.core.localport.httpproxy import HttpProxy
from passerelle.core.localport.login import Login
from passerelle.core.localport.protocol_detect import ProtocolDetector
from passerelle.core.localport.request import (
    Associate,
    CloseConnection,
    Connect,
    Forward,
    Handshake,
    Rejection,
    Send,
)
from passerelle.core.shares import ShareTable
from passerelle.errors import Failure, StreamFailed
from passerelle.io.listening import cannot_listen
from passerelle.io.server.openfiles import raise_file_limit
from passerelle.io.tunnel.splice import splice
from passerelle.io.tunnel.stream import TunnelStream

_log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 30.0
"""An application must have said what it wants within this time."""
KEEP_S = 120.0
"""A kept connection without a request is closed after so long: longer than applications keep one,
because one that is closed just as a request comes makes an application fail or ask again."""
LINK_PATIENCE_S = 10.0
"""A request waits so long for a link. Then a person wants to know why nothing comes."""
ANSWER_PATIENCE_S = limits.DIAL_TIMEOUT_S + 10.0
"""The exit says whether a site can be reached by then; otherwise the links are dead or too slow."""
PARTING_S = 5.0
"""An application has so long to read the last answer and close its side."""

_MACHINE = b"m"
"""Kind of the origins (`core.origin`) here: those of one machine have one share."""
REFUSALS_LOGGED_S = 60.0
"""The shortest time between two warnings that applications are refused."""

OpenStream = Callable[[str, int], Awaitable[TunnelStream]]


class LocalProxy:
    """Listens, reads each application's request, and joins it to a stream."""

    def __init__(
        self,
        open_stream: OpenStream,
        associations: UdpAssociations,
        login: Login | None = None,
    ) -> None:
        """With a `login`, applications must give it."""
        self._login = login
        self._tries = LoginTries()
        self._open_stream = open_stream
        self._associations = associations
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._files = limits.CLIENT_CONNECTIONS
        """Connections that the system's limit of open files leaves room for."""
        self._shares: ShareTable[asyncio.StreamWriter] = ShareTable(limits.CLIENT_CONNECTIONS)
        """Connections that are served, by the machine they come from."""
        self._refusals = 0
        """Connections that are being told that there is no room."""
        self._refusal_logged_s = -REFUSALS_LOGGED_S
        self._idle: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        """Kept connections without a request, the one that waits for longest first."""
        self._no_link = Failure.NO_BROKER
        """Why there is no link, when there is none."""
        self._closing = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None  # started
        return int(self._server.sockets[0].getsockname()[1])

    def heed(self, notice: Notice) -> None:
        """Learn what to tell applications that wait for a link in vain."""
        match notice:
            case BrokerUnreachable():
                self._no_link = Failure.NO_BROKER
            case NetworkLoaded() | NoVolunteer() | LinkUp():
                self._no_link = Failure.NO_VOLUNTEER
            case _:
                pass

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises LocalError, with a sentence for a person, when that is impossible."""
        files = raise_file_limit()
        self._files = max(files - serverlimits.FILES_KEPT, files // 2)
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
        peer = _peer(writer)
        origin = _MACHINE + (b"" if peer is None else machine(peer))
        crowded = not self._has_room(origin)
        if (
            self._closing
            or (crowded and self._refusals >= limits.CLIENT_REFUSALS)
            or not self._may_try(writer)
        ):
            writer.transport.abort()
            return
        self._connections.add(task)
        # What an application does not read waits in its stream, where small pieces are joined.
        writer.transport.set_write_buffer_limits(0)
        try:
            if crowded:
                await self._refuse(reader, writer)
            else:
                self._shares.add(writer, origin)
                await self._converse(reader, writer)
        except OSError:  # TimeoutError is one
            writer.transport.abort()
        except asyncio.CancelledError:
            # `close` asked for it; asyncio's server would log it as a fault.
            if not self._closing:
                raise
        finally:
            self._connections.discard(task)
            self._shares.discard(writer)
            writer.close()

    def _may_try(self, writer: asyncio.StreamWriter) -> bool:
        """Return whether an application has not given too many wrong logins."""
        if self._login is None:
            return True
        peer = _peer(writer)
        return peer is not None and self._tries.may_try(peer, asyncio.get_running_loop().time())

    def _has_room(self, origin: bytes) -> bool:
        """Return whether one more connection may be served.

        An idle one gives way to it, or else one of a machine that has more than `origin`.
        """
        self._shares.capacity = min(self._files, limits.CLIENT_CONNECTIONS)
        if len(self._shares) < self._shares.capacity:
            return True
        gone: asyncio.StreamWriter | None
        if self._idle:
            gone = self._idle.pop(next(iter(self._idle)))
            self._shares.discard(gone)
        elif self._shares.refuses(origin):
            return False
        else:
            gone = self._shares.give_way()
        if gone is not None:
            gone.transport.abort()
        return True

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell an application, in its own protocol, that too many connections are open."""
        self._refusals += 1
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._refusal_logged_s + REFUSALS_LOGGED_S:
            self._refusal_logged_s = now_s
            _log.warning(
                "applications have as many connections open as there can be (%d); more are refused "
                "until some close",
                len(self._shares),
            )
        front = ProtocolDetector(self._login)
        try:
            async with asyncio.timeout(PARTING_S):
                request = await _handshake(front, b"", reader, writer)
                if isinstance(request, CloseConnection):
                    await self._turn_down(request.reason, reader, writer)
                    return
                if request is not None:
                    writer.write(front.refuse(Failure.LIMIT))
                await _part(reader, writer)
        finally:
            self._refusals -= 1

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection, one after the other."""
        front: Handshake = ProtocolDetector(self._login)
        rest: bytes | None = b""
        while rest is not None:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                request = await _handshake(front, rest, reader, writer)
            if request is None:
                break
            if isinstance(request, CloseConnection):
                await self._turn_down(request.reason, reader, writer)
                return
            rest = await self._serve_request(front, request, reader, writer)
            front = HttpProxy(self._login)
            if rest == b"":
                rest = await self._next_request(reader, writer)
        await _part(reader, writer)

    async def _turn_down(
        self, reason: Rejection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """End a connection whose request cannot be served, once its answer is read."""
        _log.debug("an application's request was turned down: %s", reason.value)
        peer = _peer(writer)
        if reason is Rejection.WRONG_LOGIN and peer is not None:
            self._tries.failed(peer, asyncio.get_running_loop().time())
        if reason is Rejection.NOT_A_PROXY_REQUEST:
            # A web page measures how long its request takes to fail, so nothing is waited for.
            writer.transport.abort()
        else:
            await _part(reader, writer)

    async def _serve_request(
        self,
        front: Handshake,
        request: Connect | Forward | Associate,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bytes | None:
        """Return what the application has sent of its next request; None if there may be none."""
        try:
            if isinstance(request, Associate):
                await self._associations.serve(request, reader, writer)
                return None
            stream = await self._open(request)
        except StreamFailed as error:
            writer.write(front.refuse(error.failure))
            await writer.drain()
            return None
        if isinstance(request, Forward):
            return await HttpConversation(request.exchange, stream, reader, writer).run()
        writer.write(front.accept())
        await splice(stream, reader, writer)
        return None

    async def _next_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Return the first bytes of a request on a kept connection; None: none has come."""
        task = asyncio.current_task()
        assert task is not None  # `_serve` runs in one
        self._idle[task] = writer
        try:
            async with asyncio.timeout(KEEP_S):
                return await reader.read(limits.SOCKET_READ_BYTES) or None
        except TimeoutError:
            return None
        finally:
            self._idle.pop(task, None)

    async def _open(self, request: Connect | Forward) -> TunnelStream:
        """Return the stream once the exit has connected; early data goes ahead of its answer.

        Raises StreamFailed: NO_BROKER or NO_VOLUNTEER without a link in time, SESSION_LOST if links
        do not bring the exit's answer in time.
        """
        try:
            async with _patience(LINK_PATIENCE_S, Failure.NO_VOLUNTEER):
                stream = await self._open_stream(request.host, request.port)
        except StreamFailed as error:
            if error.failure is Failure.NO_VOLUNTEER:
                raise StreamFailed(self._no_link) from None
            raise
        head = request.head if isinstance(request, Forward) else b""
        try:
            async with _patience(ANSWER_PATIENCE_S, Failure.SESSION_LOST):
                if head or request.early:
                    await stream.write(head + request.early)
                await stream.opened()
        except BaseException:
            stream.abort()
            raise
        return stream


def _peer(writer: asyncio.StreamWriter) -> IPAddress | None:
    """Return the address of an application; None when it was gone at once."""
    where = writer.get_extra_info("peername")
    return plain_address(where[0].partition("%")[0]) if where else None


@asynccontextmanager
async def _patience(most_s: float, failure: Failure) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(most_s):
            yield
    except TimeoutError:
        raise StreamFailed(failure) from None


async def _handshake(
    front: Handshake, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Connect | Forward | Associate | CloseConnection | None:
    """Return what the application wants, or why it cannot be served; None when it left.

    `data` is what it has said already.
    """
    while data or (data := await reader.read(limits.SOCKET_READ_BYTES)):
        for effect in front.receive(data):
            match effect:
                case Send(answer):
                    writer.write(answer)
                case Connect() | Forward() | Associate() | CloseConnection():
                    return effect
        await writer.drain()
        data = b""
    return None


async def _part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End the connection so that the application can read all that was sent.

    A socket that is closed with bytes unread tells its peer of a break, and the peer drops what it
    has not read yet. So what the application still sends is read, for a while, and dropped.
    """
    with contextlib.suppress(OSError):  # TimeoutError is one
        if writer.is_closing():
            return
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(PARTING_S):
            while await reader.read(limits.SOCKET_READ_BYTES):
                pass
