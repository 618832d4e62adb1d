"""Links that a volunteer's program answers with Chrome's engine, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc.chrome.offer import ChromeOffer, ChromeTransport
from passerelle.io.webrtc.chrome.process import ProcessEngine
from passerelle.io.webrtc.chrome.remote import RemoteTransport
from passerelle.wire.description import Setup
from tests.chrome import needs_chrome
from tests.io.tunnel.test_websocket import Taker

pytestmark = needs_chrome


@pytest.fixture
async def engine() -> AsyncIterator[ProcessEngine]:
    made = ProcessEngine()
    yield made
    await made.close()


async def connect(
    engine: ProcessEngine, *, media: bool
) -> tuple[ChromeTransport, Taker, RemoteTransport, Taker]:
    """Return both ends of a link: the client's, which has said hello, and the volunteer's."""
    offer = await ChromeOffer.gather(private=True, media=media)
    answer = await engine.accept(offer.description, private=True)
    assert answer.description.setup is Setup.ACTIVE
    assert answer.description.has_media is media
    client = await offer.connect(answer.description, timeout_s=10)
    client_taker, volunteer_taker = Taker(), Taker()
    client.start(client_taker)
    client.send(b"hello")  # before the volunteer's program has heard that the link is open
    client.send_control("{}")
    volunteer = await answer.opened(timeout_s=10)
    async with asyncio.timeout(10):
        while len(volunteer._early) < 2:  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.01)
    volunteer.start(volunteer_taker)
    assert {await volunteer_taker.messages.get() for _ in range(2)} == {b"hello", "{}"}
    return client, client_taker, volunteer, volunteer_taker


@pytest.mark.parametrize("media", [False, True])
async def test_messages_pass_both_ways_and_what_left_is_told(
    engine: ProcessEngine, *, media: bool
) -> None:
    """With video and without: every message arrives in order, and the queue is known."""
    client, client_taker, volunteer, volunteer_taker = await connect(engine, media=media)
    async with asyncio.timeout(20):
        for index in range(100):
            size = (1, 1200, limits.LINK_MESSAGE_BYTES)[index % 3]
            volunteer.send(bytes([index]) * size)
            client.send(bytes([index]) * size)
            assert await client_taker.messages.get() == bytes([index]) * size
            assert await volunteer_taker.messages.get() == bytes([index]) * size
        heard = asyncio.Event()
        volunteer.sent = heard.set
        for _ in range(100):
            volunteer.send(bytes(limits.LINK_MESSAGE_BYTES))
        assert volunteer.queued_bytes > 50 * limits.LINK_MESSAGE_BYTES
        while volunteer.queued_bytes:
            heard.clear()
            await heard.wait()
    volunteer.close(LinkCode.NORMAL)
    await volunteer.wait_closed()
    async with asyncio.timeout(10):
        for _ in range(100):
            await client_taker.messages.get()
    client.close(LinkCode.NORMAL)
    await client.wait_closed()


async def test_a_client_that_never_comes_is_given_up(engine: ProcessEngine) -> None:
    offer = await ChromeOffer.gather(private=True)
    answer = await engine.accept(offer.description, private=True)
    await offer.close()
    with pytest.raises(LinkLost) as caught:
        await answer.opened(timeout_s=0.5)
    assert caught.value.code is LinkCode.TIMEOUT


async def test_a_client_that_falls_silent_is_told_and_may_come_back(engine: ProcessEngine) -> None:
    clients = ProcessEngine()
    offer = await clients.gather(private=True)
    answer = await engine.accept(offer.description, private=True)
    await offer.connect(answer.description, timeout_s=10)
    volunteer = await answer.opened(timeout_s=10)
    told: asyncio.Queue[bool] = asyncio.Queue()
    volunteer.silence = told.put_nowait
    taker = Taker()
    volunteer.start(taker)
    assert clients.pid is not None
    os.kill(clients.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(12):
            assert await told.get()
    finally:
        os.kill(clients.pid, signal.SIGCONT)
    async with asyncio.timeout(10):
        assert not await told.get()
    assert not taker.lost
    await clients.close()


async def test_the_clients_end_is_told(engine: ProcessEngine) -> None:
    client, _, volunteer, taker = await connect(engine, media=True)
    client.close(LinkCode.NORMAL)
    async with asyncio.timeout(10):
        await volunteer.wait_closed()
    assert len(taker.lost) == 1
