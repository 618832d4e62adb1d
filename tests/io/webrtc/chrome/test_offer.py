from __future__ import annotations

import asyncio
import gc
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc import pathtransport
from passerelle.io.webrtc.chrome.media import MediaExchange
from passerelle.io.webrtc.chrome.offer import ChromeOffer, ChromeTransport
from passerelle.wire import sdp
from passerelle.wire.description import Setup
from tests.answerer import Answerer
from tests.chrome import needs_chrome
from tests.io.tunnel.test_websocket import Taker
from tests.volunteer import Channel

pytestmark = needs_chrome

SILENT_S = 4.0
"""An offer that waits no longer than it should is made by then, on a busy machine too."""
FRAMES = 25
"""So many come before a link is used; the first packets of a video may be lost."""


class Connected:
    def __init__(self, transport: ChromeTransport, volunteer: Answerer) -> None:
        self.transport = transport
        self.volunteer = volunteer
        self.taker = Taker()
        transport.start(self.taker)


async def connect(*, offered: bool, answered: bool) -> Connected:
    offer = await ChromeOffer.gather(private=True, media=offered)
    volunteer = Answerer()
    answer = await volunteer.answer(offer.description, media=answered)
    transport = await offer.connect(answer, timeout_s=10)
    # Each end opens by itself, and the client's may be the first.
    async with asyncio.timeout(10):
        await volunteer.opened.wait()
    return Connected(transport, volunteer)


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    made = await connect(offered=False, answered=False)
    yield made
    made.transport.close(LinkCode.NORMAL)
    await made.transport.wait_closed()
    made.volunteer.connection.close()


async def test_messages_pass_both_ways(connected: Connected) -> None:
    """The largest link message is carried whole; text is the relay's own."""
    for size in (1, 1200, limits.LINK_MESSAGE_BYTES):
        connected.transport.send(bytes(size))
        assert await connected.volunteer.messages.get() == bytes(size)
        connected.volunteer.channel.send(bytes(size))
        assert await connected.taker.messages.get() == bytes(size)
    connected.volunteer.channel.send("{}")
    assert await connected.taker.messages.get() == "{}"


async def test_a_volunteer_with_another_stack_is_reached() -> None:
    """Nothing of the description is Chrome's alone: aiortc answers it."""
    offer, channel = await asyncio.gather(ChromeOffer.gather(private=True), Channel.gather())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        connecting = group.create_task(offer.connect(channel.description, timeout_s=10))
        group.create_task(channel.connect(offer.description))
    transport = connecting.result()
    transport.start(Taker())
    transport.send(b"hello")
    assert await channel.messages.get() == b"hello"
    transport.close(LinkCode.NORMAL)
    await transport.wait_closed()
    await channel.close()


async def test_close_sends_what_is_queued(connected: Connected) -> None:
    connected.transport.send(b"goodbye")
    connected.transport.close(LinkCode.NORMAL)
    assert await connected.volunteer.messages.get() == b"goodbye"
    await connected.transport.wait_closed()
    assert connected.taker.lost == []


async def test_volunteers_end_is_told(connected: Connected) -> None:
    connected.volunteer.connection.close()
    async with asyncio.timeout(5):
        await connected.transport.wait_closed()
    (error,) = connected.taker.lost
    assert error.code is LinkCode.TRANSPORT
    connected.transport.send(b"nobody hears")


async def test_the_answer_decides_whether_there_is_video() -> None:
    """A volunteer that wants no video is reached without one, over the same offer."""
    offer = await ChromeOffer.gather(private=True, media=True)
    assert offer.description.media == 2
    await offer.close()
    plain = await connect(offered=True, answered=False)
    assert plain.transport.windows(0.1) is None
    plain.transport.send(b"x" * 10)
    assert await plain.volunteer.messages.get() == b"x" * 10
    plain.transport.close(LinkCode.NORMAL)
    await plain.transport.wait_closed()
    plain.volunteer.connection.close()
    made = await connect(offered=True, answered=True)
    assert made.transport.windows(0.1) is not None
    made.transport.send(b"x" * 10)
    assert await made.volunteer.messages.get() == bytes(4) + b"x" * 10
    made.volunteer.channel.send(bytes(4) + b"down")
    assert await made.taker.messages.get() == b"down"
    made.transport.close(LinkCode.NORMAL)
    await made.transport.wait_closed()
    made.volunteer.connection.close()


async def test_only_udp_addresses_of_our_own_are_told() -> None:
    offer = await ChromeOffer.gather(private=True, media=True)
    try:
        assert offer.description.setup is Setup.ACTPASS
        assert "tcp" in offer._connection.local_description.sdp
        text = sdp.to_sdp(offer.description)
        assert re.search(" tcp |raddr (?!0.0.0.0)", text) is None
    finally:
        await offer.close()
    public = await ChromeOffer.gather()
    assert public.description.candidates == ()
    await public.close()


@pytest.mark.parametrize("setup", [Setup.PASSIVE, Setup.ACTPASS])
async def test_a_volunteer_is_the_dtls_client(setup: Setup) -> None:
    """Nothing is sent to one that would have the reader's machine say hello."""
    offer = await ChromeOffer.gather(private=True, media=True)
    volunteer = Answerer()
    answer = await volunteer.answer(offer.description, media=True)
    with pytest.raises(LinkLost, match="DTLS client"):
        await offer.connect(msgspec.structs.replace(answer, setup=setup), timeout_s=3)
    volunteer.connection.close()


@pytest.mark.parametrize("fault", ["setup", "fingerprint", "nobody"])
async def test_a_bad_answer_ends_the_offer_alone(fault: str) -> None:
    offer = await ChromeOffer.gather(private=True, media=True)
    volunteer = Answerer()
    answer = await volunteer.answer(offer.description, media=True)
    if fault == "setup":
        answer = msgspec.structs.replace(answer, setup=Setup.ACTPASS)
    elif fault == "fingerprint":
        answer = msgspec.structs.replace(answer, fingerprint=bytes(32))
    else:
        volunteer.connection.close()
    with pytest.raises(LinkLost) as lost:
        await offer.connect(answer, timeout_s=3)
    assert lost.value.code in (LinkCode.TRANSPORT, LinkCode.TIMEOUT)
    volunteer.connection.close()


async def test_a_volunteer_that_says_nothing_after_ice_costs_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its page has closed its side, or died: the limit for a whole link is not waited for."""
    monkeypatch.setattr(pathtransport, "HANDSHAKE_LEAST_S", 0.2)
    offer, channel = await asyncio.gather(ChromeOffer.gather(private=True), Channel.gather())
    async with asyncio.timeout(10):
        reaching = asyncio.ensure_future(channel.reach(offer.description))
        with pytest.raises(LinkLost) as caught:
            await offer.connect(channel.description, timeout_s=60)
        await reaching
    assert caught.value.code is LinkCode.TIMEOUT
    await channel.close()


async def test_a_message_longer_than_links_carry_ends_the_link(connected: Connected) -> None:
    connected.volunteer.channel.send(bytes(limits.LINK_MESSAGE_BYTES + 1))
    async with asyncio.timeout(5):
        await connected.transport.wait_closed()
    (error,) = connected.taker.lost
    assert error.code is LinkCode.LIMIT


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_links_that_ended_leave_nothing() -> None:
    """Sockets and tasks are gone once a link is; a client makes thousands in a day."""
    await (await ChromeOffer.gather(private=True, media=True)).close()
    gc.collect()
    files, tasks = open_files(), len(asyncio.all_tasks())
    for _ in range(20):
        offer = await ChromeOffer.gather(private=True, media=True)
        await offer.close()
    async with asyncio.timeout(5):
        while open_files() > files or len(asyncio.all_tasks()) > tasks:
            gc.collect()
            await asyncio.sleep(0.05)


async def test_an_older_kind_of_video_is_refused() -> None:
    """A page of an older build would send frames that this engine gives to its decoder."""
    offer = await ChromeOffer.gather(private=True, media=True)
    answer = await Answerer().answer(offer.description, media=True)
    with pytest.raises(LinkLost) as lost:
        await offer.connect(msgspec.structs.replace(answer, media=1), timeout_s=3)
    assert lost.value.code is LinkCode.VERSION


@pytest.mark.parametrize("message", ["{}", b"x"])
async def test_a_volunteer_that_makes_too_much_work_is_left(
    monkeypatch: pytest.MonkeyPatch, message: str | bytes
) -> None:
    """Where nothing may be spent, the first message is too much."""
    for name in ("LINK_WORK_S", "LINK_WORK_BUSY_SHARE", "LINK_WORK_IDLE_SHARE"):
        monkeypatch.setattr(limits, name, 0.0)
    monkeypatch.setattr(limits, "LINK_WORK_S_PER_BYTE", 0.0)
    made = await connect(offered=False, answered=False)
    made.transport.send(b"hello")
    assert await made.volunteer.messages.get() == b"hello"  # its end is open, too
    made.volunteer.channel.send(message)
    async with asyncio.timeout(5):
        await made.transport.wait_closed()
    (error,) = made.taker.lost
    assert error.code is LinkCode.LIMIT
    made.volunteer.connection.close()


async def test_a_silent_stun_server_costs_little_time() -> None:
    """Where its port is blocked, each offer waits for it, and has this machine's addresses then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"stun:127.0.0.1:{silent.getsockname()[1]}"
        async with asyncio.timeout(SILENT_S):
            offer = await ChromeOffer.gather((url,), private=True)
    assert offer.description.candidates
    await offer.close()


@pytest.mark.parametrize(
    "url", ["stun:a:b:c", "stun:127.0.0.1:0", "stun:127.0.0.1:9?transport=udp"]
)
async def test_a_stun_url_that_cannot_be_read_ends_no_offer(url: str) -> None:
    """The operator's mistake would else end the engine's process again and again."""
    offer = await ChromeOffer.gather((url,), private=True)
    assert offer.description.candidates
    await offer.close()


class Nonsense(MediaExchange):
    """A volunteer's video, each frame of which says that it is shorter than its own picture."""

    def _filled(self, genuine: bytes, now: float) -> bytes:
        return genuine + b"\xff" * 50


async def test_a_malformed_frame_before_the_link_is_used_ends_it() -> None:
    """Nobody would read the frames that follow, while the engine keeps 60 of any length."""
    offer = await ChromeOffer.gather(private=True, media=True)
    volunteer = Answerer()
    volunteer.exchange = Nonsense
    answer = await volunteer.answer(offer.description, media=True)
    transport = await offer.connect(answer, timeout_s=10)
    assert volunteer.media is not None
    for _ in range(FRAMES):
        volunteer.media._request(time.monotonic())
        await asyncio.sleep(0.02)
    taker = Taker()
    transport.start(taker)
    async with asyncio.timeout(5):
        await transport.wait_closed()
    assert [error.code for error in taker.lost] == [LinkCode.MALFORMED]
    volunteer.connection.close()


async def test_a_volunteer_that_acknowledges_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small messages take more room than their bytes."""
    monkeypatch.setattr(limits, "MEDIA_KEPT_BYTES", 10 * (1 + limits.MESSAGE_COST_BYTES))
    made = await connect(offered=True, answered=True)
    for _ in range(10):
        made.transport.send(b"x")
    assert not made.transport.is_closed
    made.transport.send(b"x")
    async with asyncio.timeout(5):
        await made.transport.wait_closed()
    assert [error.code for error in made.taker.lost] == [LinkCode.LIMIT]
    made.volunteer.connection.close()


async def test_asking_for_what_was_never_sent_makes_no_frames() -> None:
    """Fifty bytes of a question would else draw a frame of up to 1,100."""
    made = await connect(offered=True, answered=True)
    media = made.transport._media
    assert media is not None
    await asyncio.sleep(0.5)  # the first frames are made
    begin = media._request
    frames = 0

    def count(now: float) -> None:
        nonlocal frames
        frames += 1
        begin(now)

    media._request = count  # type: ignore[method-assign]
    for _ in range(100):
        made.volunteer.channel.send('{"type":"resend","gaps":[[0,9]]}')
        await asyncio.sleep(0.005)
    assert frames <= 5
    made.transport.close(LinkCode.NORMAL)
    await made.transport.wait_closed()
    made.volunteer.connection.close()
