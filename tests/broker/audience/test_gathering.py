"""Figures of several brokers: they add up, and a page waits for none that is silent."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import msgspec
import pytest

from passerelle import serverlimits
from passerelle.broker.audience.access import COOKIE
from passerelle.broker.channel import BrokerChannel
from passerelle.broker.cluster import COUNT_S
from passerelle.io.server.bus import Bus
from passerelle.wire.bus import BrokerTotals, CountsAnswer, Subjects
from passerelle.wire.publishers import Publishers, token_of
from tests.broker.parties import NETWORK, NOW, SEAL_KEY, TICKET_KEY, Scene, scene
from tests.broker.test_cluster import stats
from tests.rig.nats import NatsServer, bus_ends, nats_server

PAGE, TOKEN = "https://news.example", token_of(bytes(24))
PUBLISHERS = Publishers().given([PAGE], TOKEN)
SUBJECTS = Subjects(TICKET_KEY.public_key())
THREE = msgspec.structs.replace(NETWORK, brokers=NETWORK.brokers * 3)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as running:
        yield running


@pytest.fixture(params=["local", "nats"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Scene, Scene, Bus]]:
    """Two brokers of three, with one publisher, and a bus end of the test's own."""
    url = None if request.param == "local" else request.getfixturevalue("server").url
    async with AsyncExitStack() as stack:
        ends = await stack.enter_async_context(bus_ends(url, 3))
        options = {"publishers": lambda: PUBLISHERS, "descriptor": THREE}
        here = await stack.enter_async_context(scene(ends[1], **options))
        there = await stack.enter_async_context(scene(ends[2], **options))
        yield here, there, ends[0]


async def page(here: Scene, path: str = "/newsroom") -> str:
    async with here.http.get(here.url + path, headers={"Cookie": f"{COOKIE}={TOKEN}"}) as response:
        assert response.status == 200
        return await response.text()


async def joined(here: Scene) -> str:
    """Return the page once the brokers have heard of each other."""
    text = ""
    async with asyncio.timeout(10):
        while "Counted by 2 of the 3 brokers" not in text:
            text = await page(here)
            await asyncio.sleep(0.05)
    return text


async def come(here: Scene, count: int) -> None:
    """Have volunteers of the publisher's page come to a broker."""
    here.http.headers["Origin"] = PAGE
    for _ in range(count):
        await here.volunteer()
    del here.http.headers["Origin"]


async def test_volunteers_of_two_brokers_add_up(pair: tuple[Scene, Scene, Bus]) -> None:
    """Five here and six there are eleven, shown as 16, at either and on the public page."""
    here, there, _ = pair
    await come(here, 5)
    await come(there, 6)
    for at in (here, there):
        text = await joined(at)
        assert "<dt>Volunteers now</dt><dd>16</dd>" in text
    # The public page is made of what brokers tell each other by themselves, and kept for a minute.
    async with asyncio.timeout(COUNT_S * 3):
        while (await stats(here))["volunteers"] != 16:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    text = await page(here, "/status")
    assert "<dt>Volunteers now</dt><dd>16</dd>" in text
    assert "Counted by 2 of the 3 brokers" in text


async def test_a_page_does_not_wait_for_a_silent_broker(pair: tuple[Scene, Scene, Bus]) -> None:
    """One that was heard of and does not answer is left out, and one that invents is not heard."""
    here, _, end = pair
    await come(here, 1)
    liar = BrokerChannel(SEAL_KEY, clock=lambda: NOW, token=secrets.token_bytes)
    liar.join(end)
    await joined(here)
    # It answers a question that nobody asked.
    liar.publish(SUBJECTS.counts, CountsAnswer("silent-broker", bytes(16), 1000, (), {}, 0))
    text, took_s = "", 0.0
    async with asyncio.timeout(10):
        while took_s < serverlimits.COUNTS_ANSWER_S:
            liar.publish(SUBJECTS.broker, BrokerTotals("silent-broker", 0, 0, {}))
            begun_s = asyncio.get_running_loop().time()
            text = await page(here)
            took_s = asyncio.get_running_loop().time() - begun_s
    assert took_s < serverlimits.COUNTS_ANSWER_S + 2
    assert "<dt>Volunteers now</dt><dd>8</dd>" in text
    assert "Counted by 2 of the 3 brokers" in text
