"""Clients of a volunteer's program that are no Passerelle clients, and exits that are no exits."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from aiohttp import WSMsgType, web

from passerelle.errors import LinkCode
from passerelle.io.server.web import WebServer
from passerelle.io.webrtc.chrome.offer import ChromeOffer, ChromeTransport
from passerelle.wire import signalling
from passerelle.wire.description import Description
from passerelle.wire.signalling import VolunteerAnswer
from tests.io.tunnel.test_websocket import Taker
from tests.rig.hostile import EXIT_ID, HostileBroker, offer

SOON_S = 15.0
Behaviour = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


async def echo(socket: web.WebSocketResponse, _request: web.Request) -> None:
    """Send every message back."""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)


class Exit:
    """Opens every link, and behaves as it is told to at that time."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = echo
        app = web.Application()
        app.router.add_get("/v1/link", self._link)
        self._server = WebServer(app, "127.0.0.1", 0, grace_s=0.1)
        self.links = 0
        """Links that were opened."""
        self.open = 0
        """Those that are open now."""

    @property
    def address(self) -> str:
        """The address that it listens on, as host:port."""
        return f"127.0.0.1:{self._server.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve."""
        async with self._server:
            yield

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["passerelle.v1"], autoclose=False)
        await socket.prepare(request)
        self.links += 1
        self.open += 1
        try:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                await self.behaviour(socket, request)
        finally:
            self.open -= 1
        return socket


class Stranger:
    """A client with one link, which says what it wants."""

    def __init__(self, made: ChromeOffer) -> None:
        self._made = made
        self._taker = Taker()
        self.transport: ChromeTransport

    async def open(self, broker: HostileBroker) -> None:
        """Have the broker ask the volunteer, and come."""
        answer = await answered(broker, self._made.description)
        self.transport = await self._made.connect(answer, timeout_s=SOON_S)
        self.transport.start(self._taker)

    async def echoes(self, message: bytes = b"are you there?") -> None:
        """Fail where a message does not come back from the exit."""
        self.transport.send(message)
        async with asyncio.timeout(SOON_S):
            while await self._taker.messages.get() != message:
                pass

    async def ended(self) -> None:
        """Wait until the volunteer has ended the link."""
        async with asyncio.timeout(SOON_S):
            await self.transport.wait_closed()

    async def close(self) -> None:
        """Go."""
        await self._made.close()


async def answered(broker: HostileBroker, description: Description) -> Description:
    """Have the broker offer `description`, and return what the volunteer answers."""
    fields = json.loads(msgspec.json.encode(description))
    told = await broker.say(offer(EXIT_ID, description=fields))
    message = signalling.decode_from_volunteer(told.data)
    assert isinstance(message, VolunteerAnswer), message
    return message.description


@asynccontextmanager
async def stranger(broker: HostileBroker) -> AsyncIterator[Stranger]:
    """Yield a client whose link is open."""
    made = Stranger(await ChromeOffer.gather(private=True))
    try:
        await made.open(broker)
        yield made
        made.transport.close(LinkCode.NORMAL)
    finally:
        await made.close()


async def slow(socket: web.WebSocketResponse, _request: web.Request) -> None:
    """Answer a test of a rate as an exit that carries 0.08 Mbit/s each way."""
    await socket.receive()
    received = 0
    while not socket.closed:
        await asyncio.sleep(0.4)
        if not received:
            await socket.send_bytes(bytes(4096))
        message = await socket.receive()
        if message.type is WSMsgType.BINARY:
            received += len(message.data)
            await socket.send_str(f'{{"type":"got","bytes":{received}}}')
        elif message.type is not WSMsgType.TEXT:
            return
