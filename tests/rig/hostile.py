"""A hostile broker that holds its network's keys, and the exits that it sends volunteers to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from types import TracebackType
from typing import Self

from aiohttp import ClientConnectionResetError, WSMessage, WSMsgType, web

from passerelle import limits
from passerelle.broker.assets import Assets
from passerelle.errors import LinkCode
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.serve import BUILT_WIDGET

EXIT_ID = "exit-1"
ANSWER_S = 20.0
"""How long to wait until the switch is back after a message that it refuses."""
WELCOME = '{"type":"welcome","version":1}'
HEARTBEAT = '{"type":"welcome","version":1,"heartbeat_s":1}'
"""A welcome that asks for a `ping` every second."""
DESCRIPTION = {
    "ufrag": "abcd",
    "pwd": "abcdefghijklmnopqrstuvwx",
    "fingerprint": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "setup": "actpass",
    "candidates": [],
}


def offer(exit_id: object, **more: object) -> str:
    """Return an offer that is valid except for the given fields."""
    fields = {"type": "offer", "offer": 1, "exit": exit_id, "ticket": "t", **more}
    return json.dumps({"description": DESCRIPTION, **fields})


def demands(word: object) -> str:
    """Return the answer to a ping that says `word` of the readers who wait."""
    return json.dumps({"type": "pong", "demand": word})


def harmful(victim: str) -> dict[str, tuple[str | bytes, LinkCode]]:
    """Return messages that no honest broker sends, and the code that ends the conversation.

    `victim` is an address that some of them name.
    """
    sdp = {**DESCRIPTION, "ufrag": f"abcd\r\na=candidate:1 1 tcp 1 {victim}"}
    malformed, limit = LinkCode.MALFORMED, LinkCode.LIMIT
    return {
        "a URL for an exit": (offer(f"ws://{victim}/"), malformed),
        "an address for an exit": (offer(victim), malformed),
        "somebody's SDP": (offer(EXIT_ID, description={"sdp": "v=0\r\n"}), malformed),
        "SDP in a field": (offer(EXIT_ID, description=sdp), malformed),
        "another protocol": ('{"type":1,"sdp":{}}', malformed),
        "no JSON": ("}{", malformed),
        "deep nesting": ("[" * 4000, malformed),
        "a second welcome": ('{"type":"welcome","version":1}', malformed),
        "bytes": (bytes(range(256)), malformed),
        "markup for a country": (offer(EXIT_ID, country="<img src=x>"), malformed),
        "a megabyte for a ticket": (offer(EXIT_ID, ticket="t" * 2**20), limit),
        "a megabyte for a country": (offer(EXIT_ID, country="I" * 2**20), limit),
        "much text": (" " * (limits.SIGNAL_MESSAGE_BYTES + 1), limit),
        "many bytes": (bytes(10_000_000), malformed),
    }


class Listener:
    """Accepts connections and counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.arrived = asyncio.Event()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._count, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        """The address that it listens on, as host:port."""
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _count(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.arrived.set()
        writer.close()


class HostileBroker:
    """Speaks the volunteer protocol up to the welcome, then sends what the test wants."""

    def __init__(
        self, exit_address: str, welcome: str = WELCOME, *, private_candidates: bool = False
    ) -> None:
        self._exit_address = exit_address
        self._private_candidates = private_candidates
        self._welcome = welcome
        self._keys = Keyring.generate()
        app = web.Application()
        app.router.add_get("/v1/network", self._network)
        app.router.add_get("/v1/volunteer", self._volunteer)
        app.router.add_get("/w/{file}", Assets(BUILT_WIDGET, entry_age_s=60).handle)
        self._server = WebServer(app, "127.0.0.1", 0)
        self._sockets: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self._answers: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._socket: web.WebSocketResponse | None = None

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(None, None, None)

    @property
    def invite(self) -> str:
        """A genuine invite to its network."""
        return str(self._keys.invite(f"http://127.0.0.1:{self._server.port}"))

    async def say(self, message: str | bytes) -> WSMessage:
        """Send one message to the volunteer; return its answer, or its close."""
        async with asyncio.timeout(ANSWER_S):
            while self._socket is None or self._socket.closed:
                self._socket = await self._sockets.get()
            # A volunteer may leave before it has all of a long message.
            with contextlib.suppress(ConnectionError):
                if isinstance(message, str):
                    await self._socket.send_str(message)
                else:
                    await self._socket.send_bytes(message)
            return await self._answers.get()

    async def _network(self, _request: web.Request) -> web.Response:
        _, document = self._keys.descriptor(
            "A network gone bad",
            broker_url=f"http://127.0.0.1:{self._server.port}",
            exit_url=f"ws://{self._exit_address}/v1/link",
            exit_id=EXIT_ID,
            now_s=time.time(),
            private_candidates=self._private_candidates,
        )
        return web.Response(body=document, headers={"Access-Control-Allow-Origin": "*"})

    async def _volunteer(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert (await socket.receive_json())["type"] == "hello"
        await socket.send_str(self._welcome)
        await self._sockets.put(socket)
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.TEXT and message.json()["type"] == "ready":
                continue
            await self._answers.put(message)
            if message.type is not WSMsgType.TEXT:
                return socket


class HostileExit:
    """Lets every link open, sends it messages, and answers nothing: no close, no ping."""

    def __init__(
        self,
        message_bytes: int,
        count: int | None = None,
        pause_s: float = 0.0,
        *,
        hangs_up: bool = False,
    ) -> None:
        """Send `count` messages to each link, or as many as it takes until the link is gone.

        One that `hangs_up` ends each link as soon as it is open.
        """
        self._hangs_up = hangs_up
        self._message = bytes(message_bytes)
        self._count = count
        self._pause_s = pause_s
        app = web.Application()
        app.router.add_get("/v1/link", self._link)
        self._server = WebServer(app, "127.0.0.1", 0)
        self.links = 0
        """Links that were opened."""
        self.sent_bytes = 0
        self.held_s: asyncio.Queue[float] = asyncio.Queue()
        """For each link that is gone, the seconds from its opening to the end of its connection."""

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def message_bytes(self) -> int:
        """The size of each message."""
        return len(self._message)

    @property
    def address(self) -> str:
        """The address that it listens on, as host:port."""
        return f"127.0.0.1:{self._server.port}"

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["passerelle.v1"], autoclose=False)
        await socket.prepare(request)
        self.links += 1
        if self._hangs_up:
            await socket.close()
            return socket
        begin_s = time.monotonic()
        sent = 0
        try:
            while self._is_open(request):
                if self._count is None or sent < self._count:
                    await socket.send_bytes(self._message)
                    sent += 1
                    self.sent_bytes += len(self._message)
                await asyncio.sleep(self._pause_s)
        except ClientConnectionResetError:
            pass  # The link is gone.
        await self.held_s.put(time.monotonic() - begin_s)
        return socket

    def _is_open(self, request: web.Request) -> bool:
        return request.transport is not None and not request.transport.is_closing()
