"""A program's test of its own rate, at a real exit and at exits that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from passerelle import limits
from passerelle.core import speed
from passerelle.core.speed import Speed
from passerelle.volunteer import ratetest as module
from passerelle.volunteer import service
from passerelle.volunteer.ratetest import Rates, RateTest
from passerelle.wire.tickets import TicketKind
from tests.chrome import needs_chrome
from tests.network import EXIT_ID, network, ticket
from tests.volunteer.rig import volunteering
from tests.volunteer.strangers import Behaviour, Exit, slow

MOST = limits.RATE_TEST_BYTES


async def measured(url: str, text: str = "t", most: int = MOST) -> tuple[Rates | None, int]:
    """Return what a test finds out, and how many bytes it moved."""
    async with aiohttp.ClientSession() as http:
        test = RateTest(http, most)
        return await test.run(url, text), test.moved_bytes


@asynccontextmanager
async def exit_that(behaviour: Behaviour) -> AsyncIterator[str]:
    """Yield the URL of an exit that behaves so."""
    made = Exit()
    made.behaviour = behaviour
    async with made.running():
        yield f"ws://{made.address}/v1/link"


async def test_both_ways_are_measured_at_a_real_exit() -> None:
    async with network() as net:
        rates, moved = await measured(net.exit_urls[EXIT_ID], ticket(TicketKind.TEST))
    assert rates is not None
    assert rates.speed is Speed.VIDEO
    assert 2 * MOST * 0.5 < moved <= 2 * MOST


async def test_a_small_test_moves_little() -> None:
    async with network() as net:
        url = net.exit_urls[EXIT_ID]
        rates, moved = await measured(url, ticket(TicketKind.TEST), 65_536)
    assert rates is not None
    assert moved == 2 * 65_536


async def test_an_exit_that_refuses_leaves_it_unknown() -> None:
    async with network() as net:
        assert await measured(net.exit_urls[EXIT_ID], "no ticket") == (None, 0)
    assert await measured("ws://127.0.0.1:1/v1/link") == (None, 0)


async def _silent(_socket: web.WebSocketResponse, _request: web.Request) -> None:
    await asyncio.Event().wait()


async def _garbling(socket: web.WebSocketResponse, _request: web.Request) -> None:
    await socket.receive()
    await socket.send_str("}{")
    await socket.receive()


async def _generous(socket: web.WebSocketResponse, _request: web.Request) -> None:
    await socket.receive()
    for _ in range(MOST // 4096 + 2):
        await socket.send_bytes(bytes(4096))
    await socket.receive()


async def _hungry(socket: web.WebSocketResponse, _request: web.Request) -> None:
    await socket.receive()
    await socket.send_str('{"type":"down","bytes":1000000}')
    await socket.receive()


async def _leaving(socket: web.WebSocketResponse, _request: web.Request) -> None:
    await socket.receive()
    await socket.close()


async def _boasting(socket: web.WebSocketResponse, _request: web.Request) -> None:
    """Say that more has come than was sent."""
    await socket.receive()
    for _ in range(16):
        await socket.send_bytes(bytes(4096))
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            got = 2_000_000 if message.data else 0
            await socket.send_str(f'{{"type":"got","bytes":{got}}}')


async def _chattering(socket: web.WebSocketResponse, _request: web.Request) -> None:
    while True:
        await socket.send_str('{"type":"got","bytes":0}')


@pytest.mark.parametrize(
    "behaviour", [_silent, _garbling, _generous, _hungry, _leaving, _boasting, _chattering]
)
async def test_a_bad_exit_leaves_it_unknown_and_takes_little_time(
    behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAY_S", 0.3)
    async with exit_that(behaviour) as url:
        began = asyncio.get_running_loop().time()
        rates, moved = await measured(url)
        took = asyncio.get_running_loop().time() - began
    assert rates is None
    assert moved <= MOST + 4096
    assert took < module.TEST_S


async def test_a_slow_exit_is_measured_as_slow() -> None:
    async with exit_that(slow) as url:
        rates, moved = await measured(url)
    assert rates is not None
    assert (rates.speed, rates.up_mbit) == (Speed.SLOW, None)
    assert moved < 200_000


@needs_chrome
async def test_the_program_tests_before_it_helps_and_tells() -> None:
    async with network() as net, volunteering(net, tests=True) as volunteer:
        status = await volunteer.until(lambda status: status.state == "waiting")
        assert (status.speed, status.reason) == ("video", "")
        assert status.down_mbit is not None
        assert status.up_mbit is not None
        assert MOST < status.day_bytes <= 2 * MOST
        states = [(each.state, each.reason) for each in volunteer.shown]
        assert ("paused", "test") in states
        assert states.index(("paused", "test")) < states.index(("waiting", ""))


@needs_chrome
async def test_a_program_that_is_too_slow_helps_nobody_and_tests_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says so, and helps as soon as a later test finds it fast enough."""
    monkeypatch.setattr(service, "SLOW_S", 0.3)
    with monkeypatch.context() as demanding:
        for name in ("VIDEO_MBIT", "PAGES_MBIT"):
            demanding.setattr(speed, name, 1e9)
        async with network() as net, volunteering(net, tests=True) as volunteer:
            slow = await volunteer.until(lambda status: status.reason == "slow")
            assert (slow.state, slow.speed, volunteer.program.free) == ("paused", "slow", 0)
            demanding.undo()
            fast = await volunteer.until(lambda status: status.state == "waiting")
            assert fast.speed == "video"
            assert volunteer.program.free > 0


@needs_chrome
async def test_another_network_is_looked_at_anew_and_tested_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker is called anew at once, and a test is made if the last one is an hour old."""
    networks = [("198.51.100.7", "")]
    monkeypatch.setattr(service, "own_networks", lambda: networks[-1])
    monkeypatch.setattr(service, "LOOK_S", 0.05)
    async with network() as net, volunteering(net, tests=True) as volunteer:

        async def moved() -> int:
            """Change the network; return how many bytes were moved in all once it waits again."""
            shown = len(volunteer.shown)
            networks.append((f"198.51.100.{len(networks)}", ""))
            await volunteer.until(lambda _: len(volunteer.shown) > shown)
            status = await volunteer.until(lambda status: status.state == "waiting")
            return status.total_bytes

        first = (await volunteer.until(lambda status: status.state == "waiting")).total_bytes
        assert first > MOST
        assert await moved() == first, "tested lately"
        monkeypatch.setattr(service, "AGAIN_S", 0.0)
        second = await moved()
        assert second > first + MOST
        assert await moved() > second + MOST


@needs_chrome
async def test_a_program_whose_bounds_leave_no_room_tests_nothing() -> None:
    async with (
        network() as net,
        volunteering(net, tests=True, day_bytes=1_000_000) as volunteer,
    ):
        status = await volunteer.until(lambda status: status.state == "waiting")
        assert (status.speed, status.down_mbit, status.day_bytes) == ("", None, 0)
