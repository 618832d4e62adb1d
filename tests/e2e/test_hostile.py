"""A hostile broker that holds the network's keys sends messages to a real browser."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType, web

from passerelle import limits
from passerelle.broker.assets import Assets
from passerelle.errors import LinkCode
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.serve import BUILT_WIDGET
from tests.rig.publisher import Publisher
from tests.rig.volunteer import Chromium, flip, state, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

EXIT_ID = "exit-1"
ANSWER_S = 20.0
"""How long to wait until the switch is back after a message that it refuses."""
WELCOME = '{"type":"welcome","version":1}'
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


class Listener:
    """Accepts connections and counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.arrived = asyncio.Event()
        self._server: asyncio.Server

    async def __aenter__(self) -> Listener:
        self._server = await asyncio.start_server(self._count, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
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

    def __init__(self, exit_address: str, welcome: str = WELCOME) -> None:
        self._exit_address = exit_address
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

    async def __aenter__(self) -> HostileBroker:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
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


@asynccontextmanager
async def network(
    welcome: str = WELCOME,
) -> AsyncIterator[tuple[HostileBroker, Listener, Listener]]:
    """Run a hostile broker; yield it, the exit that its descriptor names, and a victim."""
    async with (
        Listener() as exit_,
        Listener() as victim,
        HostileBroker(exit_.address, welcome) as broker,
    ):
        yield broker, exit_, victim


def declined(message: WSMessage) -> Any:
    """Return the reason for which the volunteer declined an offer, or None if it did not."""
    return message.json().get("reason") if message.type is WSMsgType.TEXT else None


def code(message: WSMessage) -> int:
    """Return the code with which the volunteer closed the connection."""
    assert message.type is WSMsgType.CLOSE, message
    return int(message.data)


MALFORMED = 4000 + LinkCode.MALFORMED
LIMIT = 4000 + LinkCode.LIMIT


async def provoke(broker: HostileBroker, exit_: Listener, victim: Listener) -> None:
    """Let the broker send all kinds of messages; the switch connects to its own exit only."""
    assert declined(await broker.say(offer("exit-2"))) == "unknown_exit"
    assert declined(await broker.say(offer("constructor"))) == "unknown_exit"
    bad: dict[str, tuple[str | bytes, int]] = {
        "a URL for an exit": (offer(f"ws://{victim.address}/"), MALFORMED),
        "an address for an exit": (offer(victim.address), MALFORMED),
        "somebody's SDP": (offer(EXIT_ID, description={"sdp": "v=0\r\n"}), MALFORMED),
        "SDP in a field": (
            offer(
                EXIT_ID,
                description={
                    **DESCRIPTION,
                    "ufrag": f"abcd\r\na=candidate:1 1 tcp 1 {victim.address}",
                },
            ),
            MALFORMED,
        ),
        "another protocol": ('{"type":1,"sdp":{}}', MALFORMED),
        "no JSON": ("}{", MALFORMED),
        "deep nesting": ("[" * 4000, MALFORMED),
        "a second welcome": ('{"type":"welcome","version":1}', MALFORMED),
        "bytes": (bytes(range(256)), MALFORMED),
        "markup for a country": (offer(EXIT_ID, country="<img src=x>"), MALFORMED),
        "a megabyte for a ticket": (offer(EXIT_ID, ticket="t" * 2**20), LIMIT),
        "a megabyte for a country": (offer(EXIT_ID, country="I" * 2**20), LIMIT),
        "much text": (" " * (limits.SIGNAL_MESSAGE_BYTES + 1), LIMIT),
        "many bytes": (bytes(10_000_000), MALFORMED),
    }
    for name, (message, wanted) in bad.items():
        assert code(await broker.say(message)) == wanted, name
    assert (victim.connections, exit_.connections) == (0, 0)
    # The counting works: a valid offer is taken, and leads to the named exit only.
    answer = await broker.say(offer(EXIT_ID, url=f"ws://{victim.address}"))
    assert answer.type is WSMsgType.TEXT, answer
    async with asyncio.timeout(ANSWER_S):
        await exit_.arrived.wait()


async def test_a_hostile_broker_gains_nothing(chrome: Chromium) -> None:
    """The browser connects only to the descriptor's exit, and the switch goes on working."""
    async with network() as (broker, exit_, victim), Publisher(broker.invite) as publisher:
        page = await chrome.open(publisher.url)
        crashes: list[str] = []
        page.on("pageerror", lambda error: crashes.append(str(error)))
        try:
            await flip(page)
            await provoke(broker, exit_, victim)
            await page.get_by_role("switch").click()
            await until(page, "s.phase === 'off'")
            await page.get_by_role("switch").click()
            await until(page, "s.phase === 'waiting'")
            assert victim.connections == 0
            assert crashes == []
        except AssertionError as error:
            error.add_note(f"the switch says: {await state(page)}")
            raise
        finally:
            await page.context.close()


async def test_nobody_comes_before_the_second_yes(chrome: Chromium) -> None:
    """Where helping may be dangerous, offers are declined until the visitor agrees once more."""
    welcome = '{"type":"welcome","version":1,"country":"RU","caution":true}'
    async with (
        network(welcome) as (broker, exit_, _),
        Publisher(broker.invite) as publisher,
    ):
        page = await chrome.open(publisher.url)
        try:
            await page.get_by_role("switch").click()
            await page.get_by_role("button", name="Turn on").click()
            await until(page, "s.phase === 'caution' && s.country === 'RU'")
            await page.get_by_text("You seem to be in Russia").wait_for()
            assert declined(await broker.say(offer(EXIT_ID))) == "busy"
            assert exit_.connections == 0
            await page.get_by_role("button", name="I understand").click()
            await until(page, "s.phase === 'waiting'")
            assert declined(await broker.say(offer(EXIT_ID))) is None
            async with asyncio.timeout(ANSWER_S):
                await exit_.arrived.wait()
        finally:
            await page.context.close()
