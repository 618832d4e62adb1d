"""The browser's WebSocket, with a real server."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiohttp import WSMsgType, web

from passerelle.io.net.browsersocket import BrowserSocket, SocketFailed
from passerelle.io.server.web import WebServer
from tests.network import HOST


async def test_messages_and_the_close_code_come_through() -> None:
    """Binary and text are told apart; a message that is too long ends the WebSocket."""
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def echo(request: web.Request) -> web.WebSocketResponse:
        """Send back what comes, behind a text."""
        socket = web.WebSocketResponse(protocols=("one",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str("a text")
            await socket.send_bytes(message.data)
        codes.put_nowait(socket.close_code)
        return socket

    app = web.Application()
    app.router.add_get("/", echo)
    async with WebServer(app, HOST, 0) as server:
        url = f"ws://{HOST}:{server.port}/"

        async def connect() -> BrowserSocket:
            return await BrowserSocket.connect(url, protocols=("one",), most=1000, timeout_s=5.0)

        socket = await connect()
        await socket.send_bytes(b"x" * 1000)
        got = [await anext(socket), await anext(socket)]
        assert [each.type for each in got] == [WSMsgType.TEXT, WSMsgType.BINARY]
        assert [each.data for each in got] == ["a text", b"x" * 1000]
        await socket.close(code=4009)
        assert await codes.get() == 4009
        await socket.release()
        with pytest.raises(ConnectionError):
            await socket.send_bytes(b"late")
        socket = await connect()
        await socket.send_bytes(b"x" * 1001)
        assert [message.type async for message in socket] == [WSMsgType.TEXT]
        await socket.release()


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    """libcurl has no other bound for that, and a thread waits meanwhile."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, HOST, 0) as server, asyncio.timeout(10):
        url = f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(SocketFailed):
            await BrowserSocket.connect(url, protocols=(), most=1000, timeout_s=1.0)
