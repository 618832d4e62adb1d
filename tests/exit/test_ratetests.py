"""Tests of volunteers' rates at a real exit, by volunteers that keep to the rules or do not."""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from passerelle import limits, serverlimits
from passerelle.errors import LinkCode
from passerelle.io.server.metrics import Metrics
from passerelle.wire import ratetest
from passerelle.wire.ratetest import Down, Got
from passerelle.wire.tickets import TicketKind
from passerelle.wire.websocket import CLOSE_CODE_BASE
from tests.exit.test_service import UPGRADE, Scene, scene
from tests.network import HOST, ticket

DOWN = ratetest.encode(Down(limits.RATE_TEST_BYTES))
SOON_S = 5.0


def shown(metrics: Metrics, name: str) -> float:
    """Return one of the exit's numbers, by its name and label."""
    lines = metrics.text().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


def counted(metrics: Metrics, outcome: str) -> float:
    """Return how many tests ended so, rounded up to a multiple of 8."""
    return shown(metrics, f'passerelle_exit_rate_tests_total{{outcome="{outcome}"}}')


async def ended(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Take what comes until the exit ends the test; return the code of its close."""
    async with asyncio.timeout(SOON_S):
        async for _ in socket:
            pass
    return socket.close_code


async def refused(made: Scene, text: str, **headers: str) -> bool:
    """Return whether a ticket is answered as a path that does not exist."""
    protocols = {"Sec-WebSocket-Protocol": f"passerelle.v1, {text}"}
    seen = await made.answer("GET", "/v1/link", **UPGRADE, **protocols, **headers)
    assert seen == await made.answer("GET", "/other", **UPGRADE, **protocols, **headers)
    return seen[0] == 404


async def test_a_volunteer_that_acknowledges_gets_all_and_may_send_as_much() -> None:
    metrics = Metrics()
    async with scene(metrics=metrics) as made:
        socket = await made.open(ticket(TicketKind.TEST))
        await socket.send_str(DOWN)
        received = 0
        while received < limits.RATE_TEST_BYTES:
            received += len(await socket.receive_bytes(timeout=SOON_S))
            await socket.send_str(ratetest.encode(Got(received)))
        assert received == limits.RATE_TEST_BYTES
        sent = 0
        while sent < limits.RATE_TEST_BYTES:
            size = min(limits.RATE_TEST_MESSAGE_BYTES, limits.RATE_TEST_BYTES - sent)
            await socket.send_bytes(bytes(size))
            sent += size
            assert ratetest.decode(await socket.receive_str(timeout=SOON_S)) == Got(sent)
        await socket.close()
    assert counted(metrics, "ended") == 8
    for way in ("down", "up"):
        label = f'{{direction="{way}"}}'
        assert shown(metrics, f"passerelle_exit_rate_test_bytes_total{label}") == received
        assert shown(metrics, f"passerelle_exit_stream_bytes_total{label}") == 0


async def test_a_volunteer_that_acknowledges_nothing_gets_little() -> None:
    async with scene() as made:
        socket = await made.open(ticket(TicketKind.TEST))
        await socket.send_str(DOWN)
        received = 0
        while received < limits.RATE_TEST_AHEAD_BYTES:
            received += len(await socket.receive_bytes(timeout=SOON_S))
        # The first thing behind those bytes is the answer to the first that goes up.
        await socket.send_bytes(b"x")
        assert await socket.receive_str(timeout=SOON_S) == ratetest.encode(Got(1))
        assert received == limits.RATE_TEST_AHEAD_BYTES
        await socket.close()


async def test_what_goes_up_ends_what_comes_down() -> None:
    async with scene() as made:
        socket = await made.open(ticket(TicketKind.TEST))
        await socket.send_str(DOWN)
        await socket.receive_bytes(timeout=SOON_S)
        await socket.send_bytes(b"x")
        await socket.send_str(ratetest.encode(Got(limits.RATE_TEST_AHEAD_BYTES)))
        await socket.send_bytes(b"x")
        received = limits.RATE_TEST_MESSAGE_BYTES
        while (message := await socket.receive(timeout=SOON_S)).data != ratetest.encode(Got(2)):
            received += len(message.data) if message.type is WSMsgType.BINARY else 0
        assert received == limits.RATE_TEST_AHEAD_BYTES
        await socket.close()


MALFORMED, LIMIT, UNEXPECTED = LinkCode.MALFORMED, LinkCode.LIMIT, LinkCode.UNEXPECTED
BROKEN: dict[str, tuple[list[str | bytes], LinkCode]] = {
    "no JSON": (["}{"], MALFORMED),
    "a megabyte of text": ([" " * 2**14], LIMIT),
    "more than a test has": (['{"type":"down","bytes":1000000000}'], MALFORMED),
    "a link's words": (['{"type":"drain"}'], MALFORMED),
    "a second request": ([DOWN, DOWN], UNEXPECTED),
    "a request after bytes": ([b"x", DOWN], UNEXPECTED),
    "what was not sent": ([DOWN, ratetest.encode(Got(limits.RATE_TEST_BYTES))], MALFORMED),
    "less than before": (
        [DOWN, ratetest.encode(Got(4096)), ratetest.encode(Got(1))],
        MALFORMED,
    ),
    "too many bytes": ([bytes(16_384)] * 123, LIMIT),
    "too many messages": ([b""] * (limits.RATE_TEST_MESSAGES + 1), LIMIT),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_whoever_breaks_the_rules_loses_the_test(kind: str) -> None:
    messages, code = BROKEN[kind]
    metrics = Metrics()
    async with scene(metrics=metrics) as made:
        socket = await made.open(ticket(TicketKind.TEST))

        async def say() -> None:
            for message in messages:
                if isinstance(message, bytes):
                    await socket.send_bytes(message)
                else:
                    await socket.send_str(message)

        saying = asyncio.ensure_future(say())
        assert await ended(socket) == CLOSE_CODE_BASE + code
        await asyncio.wait((saying,))
        saying.exception()
    assert counted(metrics, "broken") == 8


async def test_a_volunteer_that_does_nothing_is_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So is one that asks for all and reads nothing."""
    monkeypatch.setattr(serverlimits, "RATE_TEST_S", 0.2)
    metrics = Metrics()
    async with scene(metrics=metrics) as made:
        for messages in ([], [DOWN]):
            socket = await made.open(ticket(TicketKind.TEST))
            for message in messages:
                await socket.send_str(message)
            started = time.monotonic()
            await ended(socket)
            assert time.monotonic() - started < SOON_S
    assert counted(metrics, "late") == 8


async def test_a_ticket_is_for_one_test_and_no_link() -> None:
    async with scene() as made:
        text = ticket(TicketKind.TEST)
        socket = await made.open(text)
        await socket.send_bytes(b"x")
        assert await socket.receive_str(timeout=SOON_S) == ratetest.encode(Got(1))
        await socket.close()
        assert await refused(made, text)


async def test_one_network_tests_seldom_and_hinders_no_other() -> None:
    trusted = (ip_network(f"{HOST}/32"),)
    burst = int(serverlimits.RATE_TESTS_OF_NETWORK[0])
    async with scene(trusted_proxies=trusted) as made:
        heavy, honest = ({"X-Forwarded-For": each} for each in ("8.8.8.8", "9.9.9.9"))
        for _ in range(burst):
            await (await made.open(ticket(TicketKind.TEST), **heavy)).close()
        assert await refused(made, ticket(TicketKind.TEST), **heavy)
        await (await made.open(ticket(TicketKind.TEST), **honest)).close()


async def test_many_networks_together_test_so_much_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serverlimits, "RATE_TESTS_RATE", (2.0, 0.0))
    trusted = (ip_network(f"{HOST}/32"),)
    metrics = Metrics()
    async with scene(trusted_proxies=trusted, metrics=metrics) as made:
        for number in range(2):
            socket = await made.open(
                ticket(TicketKind.TEST), **{"X-Forwarded-For": f"8.8.{number}.8"}
            )
            await socket.close()
        assert await refused(made, ticket(TicketKind.TEST), **{"X-Forwarded-For": "8.8.9.8"})
    assert counted(metrics, "refused") == 8


async def test_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serverlimits, "RATE_TESTS", 1)
    async with scene() as made:
        first = await made.open(ticket(TicketKind.TEST))
        assert await refused(made, ticket(TicketKind.TEST))
        await first.close()


@pytest.mark.parametrize("reason", ["many links", "a rate used up", "draining", "no tests"])
async def test_an_exit_that_people_need_tests_nobody(reason: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "many links": {"links": 1},
        "a rate used up": {"rate_bytes_s": 1000.0},
        "no tests": {"tests": False},
    }
    async with scene(**changes.get(reason, {})) as made:
        if reason == "many links":
            await made.open(ticket(TicketKind.LINK))
        elif reason == "a rate used up":
            made.exit._sessions.turns.spend(1_000_000)
        elif reason == "draining":
            await made.exit.drain()
        assert await refused(made, ticket(TicketKind.TEST))
