"""Hostile clients, brokers and exits end their own links, and never the volunteer's program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from passerelle import limits
from passerelle.io.tasks import TaskSet
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from passerelle.volunteer.config import VolunteerConfig
from passerelle.wire import control
from passerelle.wire.control import Lane
from passerelle.wire.description import Setup
from passerelle.wire.invite import parse
from passerelle.wire.sdp import to_sdp
from passerelle.wire.websocket import CLOSE_CODE_BASE
from tests.chrome import needs_chrome
from tests.rig.hostile import (
    EXIT_ID,
    HEARTBEAT,
    WELCOME,
    HostileBroker,
    Listener,
    demands,
    harmful,
    offer,
)
from tests.volunteer import Channel
from tests.volunteer.rig import Running
from tests.volunteer.strangers import SOON_S, Behaviour, Exit, answered, stranger

pytestmark = [needs_chrome, pytest.mark.timeout(90)]

PING = {"type": "ping"}
TOO_BIG = 1009
"""WebSocket's own code for a message that is too long (RFC 6455 §7.4.1)."""
GROWN_BYTES = 32 * limits.MIB
"""What a flood may add to the engine's process: what may wait of a link, and freed memory that
allocators keep."""


@dataclass(frozen=True)
class World:
    """A volunteer between a hostile broker and an exit."""

    broker: HostileBroker
    exit: Exit
    volunteer: Running

    @property
    def failed(self) -> int:
        return self.volunteer.program.status().failed

    async def rest(self, people: int = 0) -> None:
        """Wait until only so many people are helped, and nothing of others is left."""
        relay = self.volunteer.program._relay
        async with asyncio.timeout(SOON_S):
            while relay.links != people:
                relay._ended.clear()
                await relay._ended.wait()

    def engine_bytes(self) -> int:
        """Return the resident memory of the engine's process."""
        told = Path(f"/proc/{self.volunteer.program._engine.pid}/statm").read_text()
        return 4096 * int(told.split()[1])


@asynccontextmanager
async def world(address: str | None = None, welcome: str = WELCOME) -> AsyncIterator[World]:
    """Yield a volunteer that waits; `address` is another exit's than the one in the world.

    The broker says `welcome`.
    """
    async with AsyncExitStack() as stack:
        exit_ = Exit()
        await stack.enter_async_context(exit_.running())
        broker = HostileBroker(address or exit_.address, welcome, private_candidates=True)
        await stack.enter_async_context(broker)
        config = VolunteerConfig(
            invite=parse(broker.invite).plain, people=80, flows_a_day=None, open_s=1.5, exit_s=1.5
        )
        running = Running(config)
        await running.program.start()
        tasks = await stack.enter_async_context(TaskSet("test"))
        tasks.spawn(running.program.run(), "volunteer")
        stack.push_async_callback(running.program.close)
        await running.until(lambda status: status.state == "waiting")
        yield World(broker, exit_, running)


@pytest.fixture(autouse=True)
def no_failures(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A task that failed is in the log."""
    yield
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


# --- clients --------------------------------------------------------------------------------------

LANE = (
    '{"type":"lane","lane":1,"ticket":"t","description":{"ufrag":"a\\r\\na=x","pwd":"b",'
    '"fingerprint":"","setup":"actpass","candidates":[]}}'
)
WORDS: dict[str, str | bytes] = {
    "no JSON": "}{",
    "deep nesting": "[" * 4000,
    "SDP in a field": LANE,
    "a number for a lane": '{"type":"lane","lane":-1}',
    "much text": " " * (limits.SIGNAL_MESSAGE_BYTES + 1),
    "a giant message": bytes(limits.LINK_MESSAGE_BYTES + 1),
    "a gigantic message": bytes(200_000),
}


async def test_a_client_that_says_what_none_says_loses_its_own_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def generous(*words: Any, **more: Any) -> str:
        text = to_sdp(*words, **more)
        return re.sub("max-message-size:\\d+", "max-message-size:262144", text)

    # A client's own engine sends nothing longer than the volunteer takes.
    monkeypatch.setattr("passerelle.io.webrtc.chrome.offer.to_sdp", generous)
    async with world() as here, stranger(here.broker) as honest:
        for name, word in WORDS.items():
            async with stranger(here.broker) as bad:
                await bad.echoes()
                if isinstance(word, str):
                    bad.transport.send_control(word)
                else:
                    bad.transport.send(word)
                try:
                    await bad.ended()
                except TimeoutError:
                    raise AssertionError(f"{name} was borne") from None
            await here.rest(people=1)
            await honest.echoes()


async def test_a_client_cannot_ask_for_lanes_without_end() -> None:
    """It has as many as a person may have, with bad tickets none, and its first link goes on."""
    async with world() as here, stranger(here.broker) as greedy:
        await greedy.echoes()
        offers = [await ChromeOffer.gather(private=True) for _ in range(2)]
        for number in range(200):
            ticket = ("t", "t t", "t\r\nHost: x", "é", "")[number % 5]
            lane = Lane(number, ticket, offers[number % 2].description)
            greedy.transport.send_control(control.encode(lane))
        await greedy.echoes()
        assert here.volunteer.program._relay.links <= limits.LANES
        await here.rest(people=1)
        await greedy.echoes()
        assert here.exit.links < 1 + limits.LANE_REQUESTS[0] + 8
        for each in offers:
            await each.close()


async def test_a_client_that_floods_what_nobody_takes_fills_no_memory() -> None:
    async def deaf(_socket: web.WebSocketResponse, request: web.Request) -> None:
        assert request.transport is not None
        while not request.transport.is_closing():  # noqa: ASYNC110 (the link's end has no event)
            await asyncio.sleep(0.05)

    async with world() as here, stranger(here.broker) as honest:
        await honest.echoes()
        before = here.engine_bytes()
        here.exit.behaviour = deaf
        async with stranger(here.broker) as bad:
            for _ in range(4 * limits.RELAY_BUFFERED_BYTES // limits.LINK_MESSAGE_BYTES):
                bad.transport.send(bytes(limits.LINK_MESSAGE_BYTES))
                while bad.transport.queued_bytes > limits.MIB:
                    if bad.transport.is_closed:
                        break
                    await asyncio.sleep(0.005)
            await bad.ended()
        await honest.echoes()
        assert here.engine_bytes() - before < GROWN_BYTES


async def test_clients_that_never_finish_are_given_up() -> None:
    """One never comes, one stops before DTLS, and their places are free again."""
    async with world() as here, stranger(here.broker) as honest:
        absent = await ChromeOffer.gather(private=True)
        await answered(here.broker, absent.description)
        half = await Channel.gather()
        half.ice._connection.ice_controlling = True
        description = msgspec.structs.replace(half.description, setup=Setup.ACTPASS)
        await half.reach(await answered(here.broker, description))
        assert here.volunteer.program._relay.links == 3
        await here.rest(people=1)
        assert here.failed == 2
        await honest.echoes()
        await half.close()
        await absent.close()


# --- brokers --------------------------------------------------------------------------------------


async def test_what_a_broker_says_of_demand_is_told_or_ignored() -> None:
    """A word that makes no sense is none, and ends nothing; without a broker nothing is told."""
    async with world(welcome=HEARTBEAT) as here:
        assert json.loads((await here.broker.say(demands("many"))).data) == PING
        assert here.volunteer.program.status().demand == "many"
        for nonsense in ("all", ["some"], {"many": 1}, 7, None, "<b>", "x" * 4000):
            told = await here.broker.say(demands(nonsense))
            assert json.loads(told.data) == PING, nonsense
            assert here.volunteer.program.status().demand == ""
        await here.broker.say(demands("some"))
        assert here.volunteer.program.status().demand == "some"
        assert (await here.broker.say("}{")).type is not WSMsgType.TEXT
        await here.volunteer.until(lambda status: status.demand == "")


async def test_a_hostile_broker_gains_nothing() -> None:
    """The program connects to its own exit only, ends the conversation, and calls again."""
    async with Listener() as exit_, Listener() as victim, world(exit_.address) as here:
        for name in ("exit-2", "constructor"):
            told = await here.broker.say(offer(name))
            assert json.loads(told.data)["reason"] == "unknown_exit"
        for name, (message, code) in harmful(victim.address).items():
            told = await here.broker.say(message)
            assert told.type in (WSMsgType.CLOSE, WSMsgType.CLOSED), name
            if told.type is WSMsgType.CLOSE:
                assert told.data in (CLOSE_CODE_BASE + code, TOO_BIG), name
        assert (victim.connections, exit_.connections) == (0, 0)
        told = await here.broker.say(offer(EXIT_ID, url=f"ws://{victim.address}"))
        assert json.loads(told.data)["type"] == "answer"
        async with asyncio.timeout(SOON_S):
            await exit_.arrived.wait()
        assert victim.connections == 0


async def test_a_bad_ticket_ends_its_own_link() -> None:
    async with world() as here, stranger(here.broker) as honest:
        for ticket in ("t t", "t\r\nHost: x", "t\0", "é", ",", "", "t" * 512):
            await here.broker.say(offer(EXIT_ID, ticket=ticket))
        await here.rest(people=1)
        assert here.exit.links <= 1 + here.failed
        await honest.echoes()


async def test_a_flood_of_offers_makes_few_links() -> None:
    async with world() as here:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        burst, per_s = limits.VOLUNTEER_OFFERS
        answers = [await here.broker.say(offer(EXIT_ID)) for _ in range(burst + 40)]
        taken = sum(json.loads(each.data)["type"] == "answer" for each in answers)
        assert taken <= burst + per_s * (loop.time() - begun) + 1
        assert here.exit.links <= taken


# --- exits ----------------------------------------------------------------------------------------


async def giant(socket: web.WebSocketResponse, _request: web.Request) -> None:
    await socket.send_bytes(bytes(limits.LINK_MESSAGE_BYTES + 1))
    await socket.receive()


async def texts(socket: web.WebSocketResponse, _request: web.Request) -> None:
    while True:
        await socket.send_str("{}" * 500)


async def pings(socket: web.WebSocketResponse, _request: web.Request) -> None:
    while True:
        await socket.ping(b"p" * 125)


async def frames(_socket: web.WebSocketResponse, request: web.Request) -> None:
    assert request.transport is not None
    request.transport.write(b"\xff" * 1000)
    await asyncio.sleep(SOON_S)


@pytest.mark.parametrize("behaviour", [giant, texts, pings, frames])
async def test_an_exit_that_breaks_the_rules_is_left(behaviour: Behaviour) -> None:
    """All links to it end, and it is asked for no other."""
    async with world() as here, stranger(here.broker) as first:
        await first.echoes()
        here.exit.behaviour = behaviour
        async with stranger(here.broker) as second:
            await second.ended()
        await first.ended()
        await here.rest()
        assert here.volunteer.program.status().reason == "exit"


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass


async def garbled(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01" + bytes(200_000))
    await writer.drain()


async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nX-A: ")
    for _ in range(1000):
        writer.write(b"a" * 10_000)
        await writer.drain()


async def elsewhere(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    )
    await writer.drain()


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Yield the address of a server that answers each connection so."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await answer(reader, writer)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("answer", [silent, garbled, endless, elsewhere])
async def test_an_exit_that_opens_no_link_fails_alone(answer: Answer) -> None:
    async with answering(answer) as address, world(address) as here:
        await here.broker.say(offer(EXIT_ID))
        await here.rest()
        assert here.failed == 1
        assert here.volunteer.program.status().state == "waiting"
