"""A hostile broker that holds the network's keys sends messages to a real browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType

from passerelle import limits
from passerelle.wire.websocket import CLOSE_CODE_BASE
from tests.e2e.test_trouble import BROWSERS, visit
from tests.rig.firefox import Firefox
from tests.rig.hostile import (
    ANSWER_S,
    EXIT_ID,
    HEARTBEAT,
    WELCOME,
    HostileBroker,
    HostileExit,
    Listener,
    demands,
    harmful,
    offer,
)
from tests.rig.publisher import Publisher
from tests.rig.volunteer import Chromium, flip, state, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


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


async def provoke(broker: HostileBroker, exit_: Listener, victim: Listener) -> None:
    """Let the broker send all kinds of messages; the switch connects to its own exit only."""
    assert declined(await broker.say(offer("exit-2"))) == "unknown_exit"
    assert declined(await broker.say(offer("constructor"))) == "unknown_exit"
    for name, (message, wanted) in harmful(victim.address).items():
        assert code(await broker.say(message)) == CLOSE_CODE_BASE + wanted, name
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


async def test_what_a_broker_says_of_demand_is_shown_or_ignored(chrome: Chromium) -> None:
    """One of three words becomes a sentence; anything else shows nothing and ends nothing."""
    async with network(HEARTBEAT) as (broker, _, _), Publisher(broker.invite) as publisher:
        page = await chrome.open(publisher.url)
        try:
            await flip(page)
            said = page.get_by_text("had to wait for a volunteer")
            # The answer to each is the next ping, a second later.
            assert (await broker.say(demands("many"))).json() == {"type": "ping"}
            assert await said.inner_text() == "Lately, many people had to wait for a volunteer."
            for nonsense in ("<b>all</b>", ["some"], 7):
                assert (await broker.say(demands(nonsense))).json() == {"type": "ping"}
                assert (await state(page))["demand"] is None
            assert await said.count() == 0
            assert (await state(page))["phase"] == "waiting"
        finally:
            await page.context.close()


# --- rates ------------------------------------------------------------------------------------

OFFER_BURST = 64
OFFERS_PER_S = 2.0
"""As in `core/limits.ts`."""
LET_GO_S = 20.0
"""A link's connection is gone after 10 s and the time that people have to move."""


async def test_a_flood_of_offers_makes_few_connections(chrome: Chromium) -> None:
    """The browser takes as many offers as its slots could hold, then a few a second."""
    async with (
        HostileExit(0, hangs_up=True) as exit_,
        HostileBroker(exit_.address) as broker,
        Publisher(broker.invite) as publisher,
    ):
        page = await chrome.open(publisher.url)
        await page.evaluate(
            "document.querySelector('passerelle-switch').setAttribute('people', '64')"
        )
        try:
            await flip(page)
            begin_s = time.monotonic()
            answers = [await broker.say(offer(EXIT_ID)) for _ in range(OFFER_BURST + 60)]
            took_s = time.monotonic() - begin_s
            taken = sum(1 for answer in answers if declined(answer) is None)
            assert taken <= OFFER_BURST + OFFERS_PER_S * took_s + 1
            assert exit_.links <= taken
        finally:
            await page.context.close()


@BROWSERS
async def test_an_exit_is_left_at_its_first_giant_message(
    browser: str, chrome: Chromium, firefox: Firefox
) -> None:
    """A message that no exit sends ends the link, and the only exit's end ends the relay."""
    async with (
        HostileExit(limits.LINK_MESSAGE_BYTES + 1, count=1) as exit_,
        HostileBroker(exit_.address) as broker,
        Publisher(broker.invite) as publisher,
        visit(browser, chrome, firefox, publisher.url) as here,
    ):
        await here.press()
        await here.agree()
        await here.until("s.phase === 'waiting'")
        await broker.say(offer(EXIT_ID))
        await here.until("s.phase === 'problem' && s.reason === 'exit_garbled'")
        assert "broke the rules" in await here.page.inner_text(".status")
        if browser == "chromium":  # Firefox keeps the connection to an exit that answers nothing.
            async with asyncio.timeout(LET_GO_S):
                await exit_.held_s.get()
        assert exit_.links == 1


async def test_an_exit_that_does_not_let_go_is_left(chrome: Chromium, firefox: Firefox) -> None:
    """A flood whose sender ignores the end of the link ends too, and the switch goes on."""
    async with (
        HostileExit(limits.LINK_MESSAGE_BYTES, pause_s=0.005) as exit_,
        HostileBroker(exit_.address) as broker,
        Publisher(broker.invite) as publisher,
        visit("chromium", chrome, firefox, publisher.url) as here,
    ):
        await here.press()
        await here.agree()
        await here.until("s.phase === 'waiting'")
        await broker.say(offer(EXIT_ID))
        async with asyncio.timeout(LET_GO_S):
            await exit_.held_s.get()
        await here.until("s.phase === 'waiting'")
