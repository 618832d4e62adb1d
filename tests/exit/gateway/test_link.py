from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import aiohttp
import pytest

from passerelle import limits
from passerelle.errors import LinkCode
from passerelle.exit.config import Lifetimes
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.reports import LinkReport
from passerelle.io.tasks import TaskSet
from passerelle.wire import gatewayframes
from passerelle.wire.gatewayframes import LINK_ID, FrameType, Reset
from passerelle.wire.websocket import CLOSE_CODE_BASE
from tests.exit.gateway.scene import scene, until
from tests.network import LOOPBACK
from tests.rig.pagereader import Asking, WasReset

CREDIT = limits.GATEWAY_CREDIT_BYTES


async def closed(socket: aiohttp.ClientWebSocketResponse) -> LinkCode:
    """Read a socket to its end, and return what it was closed with."""
    async with asyncio.timeout(10):
        while not socket.closed:
            await socket.receive()
    assert socket.close_code is not None
    return LinkCode(socket.close_code - CLOSE_CODE_BASE)


async def received(asking: Asking, size: int) -> None:
    """Wait until `size` bytes of an answer have come."""
    await until(lambda: asking.received_bytes >= size)


async def test_many_requests_share_a_link() -> None:
    """Answers come side by side, in whatever order the site gives them."""
    async with scene() as made, made.reader() as reader:
        slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
        await until(lambda: made.publisher.count("/slow"))
        answers = await asyncio.gather(
            *(reader.ask("GET", f"{made.site}/bytes?n={n * 5000}") for n in range(1, 30))
        )
        assert [len(answer.content) for answer in answers] == [n * 5000 for n in range(1, 30)]
        made.publisher.gate.set()
        assert (await reader.finish(slow)).content == b"begin end"


async def test_the_beginning_of_a_slow_answer_comes_at_once() -> None:
    """What the site has sent does not wait for the rest of a chunk."""
    async with scene() as made, made.reader() as reader:
        slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
        await received(slow, 30)
        made.publisher.gate.set()
        assert (await reader.finish(slow)).content == b"begin end"


async def test_an_answer_stops_where_its_credit_ends() -> None:
    """A reader that takes nothing is sent no more than it has allowed, and holds up no other."""
    async with scene() as made, made.reader(generous=False) as reader:
        big = await reader.begin(reader.seal("GET", f"{made.site}/bytes?n=2000000"))
        await received(big, CREDIT)
        other = await reader.begin(reader.seal("GET", f"{made.site}/bytes?n=100000"))
        await reader.credit(LINK_ID, 2 * CREDIT)
        assert len((await reader.finish(other)).content) == 100_000
        assert CREDIT <= big.received_bytes < CREDIT + limits.LINK_MESSAGE_BYTES
        await reader.credit(LINK_ID, limits.GATEWAY_CREDIT_MOST_BYTES - 2 * CREDIT)
        await reader.credit(big.id, 2_000_000)
        assert len((await reader.finish(big)).content) == 2_000_000


async def test_an_answer_that_nobody_takes_is_broken_off() -> None:
    """It does not hold a connection to the site for ever."""
    settings = GatewaySettings(stalled_s=0.2, plain_http=True)
    async with scene(gateway=settings) as made, made.reader(generous=False) as reader:
        big = await reader.begin(reader.seal("GET", f"{made.site}/bytes?n=2000000"))
        with pytest.raises(WasReset) as reset:
            await reader.finish(big)
        assert reset.value.code is Reset.BROKEN


async def test_a_reader_that_takes_an_answer_in_drops_is_given_up() -> None:
    """Each drop comes in time, and yet there is an end."""
    settings = GatewaySettings(exchange_s=0.3, stalled_s=0.3, plain_http=True)
    async with scene(gateway=settings) as made, made.reader(generous=False) as reader:
        path = "/bytes?n=2000000&Cache-Control=max-age%3D60"
        big = await reader.begin(reader.seal("GET", made.site + path))
        await received(big, CREDIT)

        async def drip() -> None:
            while True:
                await reader.credit(LINK_ID, 20_000)
                await reader.credit(big.id, 20_000)
                await asyncio.sleep(0.1)

        async with TaskSet("drip") as tasks:
            tasks.spawn(drip(), "drip")
            with pytest.raises(WasReset) as reset:
                await reader.finish(big)
        assert reset.value.code is Reset.BROKEN
        assert big.received_bytes < 1_000_000


async def test_a_request_that_never_arrives_in_full_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its link goes on."""
    monkeypatch.setattr(limits, "GATEWAY_ARRIVAL_S", 0.1)
    settings = GatewaySettings(link_idle_s=0.1, plain_http=True)
    async with scene(gateway=settings) as made, made.reader() as reader:
        slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
        half = Asking(2, slow.sealed, asyncio.Queue())
        reader._open[2] = half
        await reader.socket.send_bytes(gatewayframes.encode(2, FrameType.REQUEST, b"half"))
        with pytest.raises(WasReset) as reset:
            await reader.finish(half)
        assert reset.value.code is Reset.LIMIT
        made.publisher.gate.set()
        assert (await reader.finish(slow)).content == b"begin end"


async def test_what_a_reader_gives_up_is_given_up_at_the_site() -> None:
    """A seek in a video, or a page that is left, ends what was asked for."""
    async with scene() as made, made.reader() as reader:
        slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
        await received(slow, 1)
        await reader.reset(slow)
        async with asyncio.timeout(10):
            await made.publisher.gone.wait()
        assert (await reader.ask("GET", f"{made.site}/")).status == 200


async def test_a_link_that_dies_gives_everything_up() -> None:
    """A volunteer that vanishes leaves nothing running."""
    async with scene() as made:
        async with made.reader() as reader:
            slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
            await received(slow, 1)
        async with asyncio.timeout(10):
            await made.publisher.gone.wait()
        await until(lambda: not made.exit.load().links)


async def test_one_request_too_many_is_refused_alone() -> None:
    """The others of the link go on."""
    async with scene() as made, made.reader() as reader:
        held = [
            await reader.begin(reader.seal("GET", f"{made.site}/slow"))
            for _ in range(limits.GATEWAY_REQUESTS)
        ]
        with pytest.raises(WasReset) as reset:
            await reader.ask("GET", f"{made.site}/")
        assert reset.value.code is Reset.LIMIT
        made.publisher.gate.set()
        for asking in held:
            assert (await reader.finish(asking)).content == b"begin end"


async def test_a_large_request_comes_through_and_a_larger_one_is_refused() -> None:
    """A photograph can be sent; nobody fills the exit's memory."""
    async with scene() as made, made.reader() as reader:
        photograph = bytes(900_000)
        answer = await reader.ask("POST", f"{made.site}/echo", content=photograph)
        assert answer.content == photograph
        with pytest.raises(WasReset) as reset:
            await reader.ask("POST", f"{made.site}/echo", content=bytes(3_000_000))
        assert reset.value.code is Reset.LIMIT


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", LinkCode.MALFORMED),
        (b"\x00\x00\x00\x01", LinkCode.MALFORMED),
        (gatewayframes.encode(1, FrameType.ANSWER, b"x"), LinkCode.UNEXPECTED),
        (gatewayframes.encode_credit(LINK_ID, 2**32 - 1), LinkCode.FLOW),
    ],
    ids=["empty", "short", "answer", "credit"],
)
async def test_a_frame_that_no_reader_sends_ends_the_link(message: bytes, code: LinkCode) -> None:
    """The volunteer learns by the close code what was wrong."""
    async with scene() as made:
        socket = await made.open()
        await socket.send_bytes(message)
        assert await closed(socket) is code


async def test_unknown_frames_and_texts_are_skipped() -> None:
    """What a later version may say does no harm, and neither does a relay's text."""
    async with scene() as made, made.reader() as reader:
        await reader.socket.send_bytes(b"\x00\x00\x00\x05\xffanything")
        await reader.socket.send_str('{"type":"drain"}')
        await reader.socket.ping()
        assert (await reader.ask("GET", f"{made.site}/")).status == 200


async def test_a_flood_of_texts_ends_the_link() -> None:
    """Messages beside the link's own are counted."""
    async with scene() as made:
        socket = await made.open()
        for _ in range(limits.LINK_ASIDES[0] + 10):
            await socket.send_str("x")
        assert await closed(socket) is LinkCode.LIMIT


async def test_a_ping_is_answered_while_the_site_is_silent() -> None:
    """The reader sees by it that the link is alive; a flood of them ends it."""
    async with scene() as made, made.reader() as reader:
        slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
        await received(slow, 1)
        await reader.socket.send_bytes(gatewayframes.encode_ping(7))
        async with asyncio.timeout(5):
            assert await reader.pongs.get() == 7
        for _ in range(int(limits.GATEWAY_PINGS[0]) + 10):
            await reader.socket.send_bytes(gatewayframes.encode_ping(8))
        with pytest.raises(ConnectionError):
            await reader.finish(slow)
        assert reader.socket.close_code == CLOSE_CODE_BASE + LinkCode.LIMIT


async def test_a_link_is_reported_with_what_its_way_carries() -> None:
    """Brokers learn by it which volunteers have a bad one."""
    reports: list[LinkReport] = []
    reporter = SimpleNamespace(link_ended=reports.append)
    async with scene(reporter=reporter) as made:
        async with made.reader() as reader:
            for _ in range(20):
                await reader.ask("GET", f"{made.site}/bytes?n=400000")
        await until(lambda: reports)
    assert reports[0].joined
    assert reports[0].sent_bytes > 8_000_000
    assert reports[0].rate_bytes_s > 0
    assert 0 < reports[0].rtt_s < 5


async def test_a_link_without_requests_is_closed() -> None:
    """Neither a volunteer without reader nor a reader that has left holds a link."""
    quick = Lifetimes(handshake_s=0.2)
    async with scene(lifetimes=quick) as made:
        assert await closed(await made.open()) is LinkCode.TIMEOUT
    settings = GatewaySettings(link_idle_s=0.3, plain_http=True)
    async with scene(gateway=settings) as made, made.reader() as reader:
        await reader.ask("GET", f"{made.site}/")
        await until(lambda: reader.socket.closed)
        assert reader.socket.close_code == CLOSE_CODE_BASE + LinkCode.TIMEOUT


async def test_an_exit_that_leaves_finishes_what_it_has_begun() -> None:
    """New requests are sent elsewhere, and the old ones get their answers."""
    async with scene() as made, made.reader() as reader, TaskSet("test") as tasks:
        slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
        await received(slow, 1)
        leaving = tasks.start(made.exit.drain(), "drain")
        await asyncio.sleep(0)
        with pytest.raises(WasReset) as reset:
            await reader.ask("GET", f"{made.site}/")
        assert reset.value.code is Reset.DRAINING
        assert not leaving.done()
        made.publisher.gate.set()
        assert (await reader.finish(slow)).content == b"begin end"
        await leaving


async def test_an_exit_without_sites_has_no_gateway() -> None:
    """For the whole web there is none: its subprotocol is a stranger's."""
    async with scene(policy=LOOPBACK) as made:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await made.open()
        assert refused.value.status == 404


async def test_answers_keep_to_the_exits_rate() -> None:
    """The operator's limit holds for reading pages, and two readers share it equally."""
    rate = 2_000_000.0
    settings = GatewaySettings(plain_http=True)
    async with (
        scene(gateway=settings, rate_bytes_s=rate) as made,
        made.reader() as reader,
        made.reader() as other,
    ):
        url = f"{made.site}/bytes?n=2000000"
        began_s = time.monotonic()
        many = [await reader.begin(reader.seal("GET", url)) for _ in range(4)]
        one = await other.begin(other.seal("GET", f"{made.site}/bytes?n=1000000"))
        assert len((await other.finish(one)).content) == 1_000_000
        # Four answers of one reader have had no more than the other's one, and a burst.
        assert reader.link_bytes < 1_000_000 + 0.3 * rate
        assert time.monotonic() - began_s > 0.7 * (2_000_000 / rate)
        for asking in many:
            await reader.reset(asking)
