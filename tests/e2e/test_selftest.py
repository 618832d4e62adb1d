"""The switch tests how fast its device is, at a real exit and at exits that behave badly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web
from playwright.async_api import Page

from tests.e2e.test_hostile import declined
from tests.rig.hostile import EXIT_ID, WELCOME, HostileBroker, offer
from tests.rig.publisher import Publisher
from tests.rig.stage import Stage, tag
from tests.rig.volunteer import Chromium, flip, state, until
from tests.rig.way import Way
from tests.volunteer.strangers import Behaviour, Exit, slow

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

TESTING = json.dumps({**json.loads(WELCOME), "test": {"exit": EXIT_ID, "ticket": "t"}})
TEST_S = 5.0
SLACK_S = 5.0
"""Time for the page to fetch its files, on a machine with much to do."""


@asynccontextmanager
async def visit(
    chrome: Chromium, behaviour: Behaviour | None = None, welcome: str = TESTING
) -> AsyncIterator[tuple[Page, HostileBroker, Exit]]:
    """Yield a page that was just agreed on, its broker, and an exit that behaves so."""
    exit_ = Exit()
    if behaviour is not None:
        exit_.behaviour = behaviour
    async with (
        exit_.running(),
        HostileBroker(exit_.address, welcome) as broker,
        Publisher(broker.invite) as publisher,
    ):
        page = await chrome.open(publisher.url)
        try:
            await page.get_by_role("switch").click()
            await page.get_by_role("button", name="Turn on").click()
            yield page, broker, exit_
        finally:
            await page.context.close()


async def _silent(socket: web.WebSocketResponse, _request: web.Request) -> None:
    while (await socket.receive()).type is WSMsgType.TEXT:
        pass


async def test_a_fast_device_is_told_so_once(chrome: Chromium, way: Way) -> None:
    """A word says it, figures are there on demand, and the next click tests nothing."""
    page = await chrome.open(way.publisher.url)
    try:
        assert await page.evaluate("localStorage.getItem('passerelle-speed')") is None
        await flip(page)
        seen = await state(page)
        assert min(seen["rates"]["down_mbit"], seen["rates"]["up_mbit"]) >= 3
        assert (seen["untested"], seen["totals"]["bytes"]) == (None, 0)
        await page.get_by_text("fast enough for video").click()
        await page.get_by_text("Measured: about").wait_for()
        kept = json.loads(await page.evaluate("localStorage.getItem('passerelle-speed')"))
        assert 2_000_000 < kept["bytes"] <= 4_000_000
        await page.reload()
        await flip(page)
        assert (await state(page))["rates"] == seen["rates"]
        again = json.loads(await page.evaluate("localStorage.getItem('passerelle-speed')"))
        assert again == kept
    finally:
        await page.context.close()


async def test_an_exit_that_says_nothing_keeps_nobody_from_helping(chrome: Chromium) -> None:
    async with visit(chrome, _silent) as (page, broker, exit_):
        await until(page, "s.phase === 'waiting'", TEST_S + SLACK_S)
        assert (await state(page))["untested"] == "silent"
        await page.get_by_text("could not be measured").wait_for()
        assert exit_.links == 1
        assert declined(await broker.say(offer(EXIT_ID))) is None


async def test_a_device_that_is_too_slow_says_so_and_takes_nobody(chrome: Chromium) -> None:
    async with visit(chrome, slow) as (page, broker, _):
        await until(page, "s.reason === 'too_slow'", TEST_S + SLACK_S)
        seen = await state(page)
        assert seen["phase"] == "retrying"
        assert seen["retry_s"] > 590
        assert seen["rates"]["down_mbit"] < 0.2
        assert seen["rates"]["up_mbit"] is None
        await page.get_by_role("status").get_by_text("its connection is too slow").wait_for()
        assert declined(await broker.say(offer(EXIT_ID))) == "busy"
        await page.get_by_role("switch").click()
        await until(page, "s.phase === 'off'", 2.0)


async def test_an_older_broker_knows_no_test(chrome: Chromium) -> None:
    async with visit(chrome, welcome=WELCOME) as (page, broker, exit_):
        await until(page, "s.phase === 'waiting'")
        seen = await state(page)
        assert (seen["rates"], seen["untested"], exit_.links) == (None, None, 0)
        assert declined(await broker.say(offer(EXIT_ID))) is None


async def test_small_limits_leave_no_room_for_a_test(chrome: Chromium) -> None:
    exit_ = Exit()
    async with exit_.running(), HostileBroker(exit_.address, TESTING) as broker:
        script = broker.invite.partition("/#")[0] + "/w/passerelle.js"
        async with Stage(script) as stage:
            page = await chrome.open(stage.put("limits", tag(broker.invite, megabytes="5")))
            try:
                await flip(page)
                assert (await state(page))["untested"] == "limits"
                await page.get_by_text("your limits leave no room").wait_for()
                assert exit_.links == 0
            finally:
                await page.context.close()
