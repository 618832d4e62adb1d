from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.server.web import WebServer, application
from passerelle.io.tunnel import websocket as ws
from passerelle.io.tunnel.websocket import MESSAGE_LIMIT_BYTES, WebSocketTransport
from passerelle.wire.websocket import CLOSE_CODE_BASE


class Taker:
    """Takes what arrives."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.lost: list[LinkLost] = []

    def message_received(self, message: bytes) -> None:
        self.messages.put_nowait(message)

    def control_received(self, text: str) -> None:
        self.messages.put_nowait(text)

    def windows_changed(self) -> None:
        pass

    def transport_lost(self, error: LinkLost) -> None:
        self.lost.append(error)


class Served:
    """A transport at the server's end, and a plain WebSocket at the other."""

    def __init__(self) -> None:
        self.taker = Taker()
        self.transport: WebSocketTransport
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.socket: aiohttp.ClientWebSocketResponse
        self.wire: asyncio.Transport
        self.rest: Callable[[], Awaitable[None]] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_LIMIT_BYTES)
        await socket.prepare(request)
        assert request.transport is not None
        self.transport = WebSocketTransport(socket, request.transport.abort)
        self.transport.start(self.taker)
        self.started.set()
        try:
            await self.transport.run(self.rest)
        finally:
            self.ended.set()
        return socket


@asynccontextmanager
async def served(rest: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[Served]:
    made = Served()
    made.rest = rest
    app = application()
    app.router.add_get("/", made.handle)
    async with (
        WebServer(app, "127.0.0.1", 0, grace_s=0.1) as server,
        aiohttp.ClientSession() as http,
    ):
        made.socket = await http.ws_connect(
            f"http://127.0.0.1:{server.port}/", max_msg_size=MESSAGE_LIMIT_BYTES
        )
        await made.started.wait()
        connection = made.socket._response.connection
        assert connection is not None
        assert isinstance(connection.transport, asyncio.Transport)
        made.wire = connection.transport
        yield made
        await made.socket.close()
        connection.close()


async def soon(work: Awaitable[object]) -> None:
    async with asyncio.timeout(5):
        await work


async def test_messages_of_every_size_pass_both_ways() -> None:
    """The largest link message is whole in both directions; text is the relay's own."""
    async with served() as pair:
        for size in (1, 125, 126, limits.LINK_MESSAGE_BYTES):
            await pair.socket.send_bytes(bytes(size))
            assert await pair.taker.messages.get() == bytes(size)
            pair.transport.send(bytes(size))
            assert await pair.socket.receive_bytes() == bytes(size)
        await pair.socket.send_str("{}")
        assert await pair.taker.messages.get() == "{}"


async def test_message_beyond_the_limit_ends_the_transport() -> None:
    """A longer message is not even buffered."""
    async with served() as pair:
        await pair.socket.send_bytes(bytes(limits.LINK_MESSAGE_BYTES + 1))
        await soon(pair.ended.wait())
        assert [error.code for error in pair.taker.lost] == [LinkCode.TRANSPORT]
        assert pair.taker.messages.empty()


async def test_close_sends_what_is_queued_and_then_the_code() -> None:
    """The link's code travels as a close code; the owner is not told of its own closing."""
    async with served() as pair:
        for number in range(100):
            pair.transport.send(bytes([number]))
        pair.transport.close(LinkCode.DRAINING)
        pair.transport.close(LinkCode.NORMAL)
        pair.transport.send(b"too late")
        received = [message.data async for message in pair.socket]
        assert received == [bytes([number]) for number in range(100)]
        assert pair.socket.close_code == CLOSE_CODE_BASE + LinkCode.DRAINING
        await soon(pair.ended.wait())
        assert pair.taker.lost == []


@pytest.mark.parametrize("politely", [True, False])
async def test_end_of_the_far_side_is_told_once(politely: bool) -> None:
    """A closed WebSocket and a broken connection are both TRANSPORT."""
    async with served() as pair:
        if politely:
            await pair.socket.close()
        else:
            pair.wire.abort()
        await soon(pair.ended.wait())
        assert [error.code for error in pair.taker.lost] == [LinkCode.TRANSPORT]


async def flood(pair: Served) -> None:
    for _ in range(limits.TRANSPORT_QUEUE_BYTES // limits.LINK_MESSAGE_BYTES + 1):
        pair.transport.send(bytes(limits.LINK_MESSAGE_BYTES))


async def close_under_load(pair: Served) -> None:
    for _ in range(300):
        pair.transport.send(bytes(limits.LINK_MESSAGE_BYTES))
    await asyncio.sleep(0)
    pair.transport.close(LinkCode.TIMEOUT)


@pytest.mark.parametrize(("provoke", "codes"), [(flood, [LinkCode.LIMIT]), (close_under_load, [])])
async def test_peer_that_does_not_read_is_not_waited_for(
    provoke: Callable[[Served], Awaitable[None]],
    codes: list[LinkCode],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a queue that grows nor a close frame that cannot leave keeps the handler."""
    monkeypatch.setattr(ws, "_CLOSE_TIMEOUT_S", 0.05)
    async with served() as pair:
        pair.wire.pause_reading()
        await provoke(pair)
        await soon(pair.ended.wait())
        assert [error.code for error in pair.taker.lost] == codes
        pair.wire.abort()


async def test_a_far_end_is_held_back_between_messages() -> None:
    """While this end rests nothing more is delivered, and the rest of it comes afterwards."""
    go_on = asyncio.Event()

    async def rest() -> None:
        await go_on.wait()

    async with served(rest) as here, asyncio.timeout(10):
        for number in range(3):
            await here.socket.send_bytes(bytes([number]))
        await here.socket.ping()
        assert await here.taker.messages.get() == b"\0"
        for _ in range(20):
            await asyncio.sleep(0)
        assert here.taker.messages.empty()
        go_on.set()
        assert await here.taker.messages.get() == b"\1"
        assert await here.taker.messages.get() == b"\2"
