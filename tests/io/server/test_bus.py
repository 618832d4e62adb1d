# ruff: noqa: ASYNC110  (what is waited for has no event)

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from passerelle import serverlimits
from passerelle.errors import ConfigError, LinkCode, LocalError, PeerError
from passerelle.io.server.bus import Bus, LocalBus, NatsBus, _LocalSubscription, connect
from tests.rig.nats import NatsServer, nats_server
from tests.rig.ports import free_port


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as running:
        yield running


@pytest.fixture(params=["local", "nats"])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bus, Bus]]:
    """Yield two ends of one bus, first a local one and then over NATS: both behave the same."""
    if request.param == "local":
        bus = await connect(None, name="test")
        yield bus, bus
        await bus.close()
        return
    url = request.getfixturevalue("server").url
    one, other = await connect(url, name="one"), await connect(url, name="other")
    yield one, other
    await one.close()
    await other.close()


class Taker:
    """A handler that remembers its messages."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.messages: list[bytes] = []
        self._answer = answer
        self._news = asyncio.Event()

    async def __call__(self, message: bytes) -> bytes | None:
        self.messages.append(message)
        self._news.set()
        return self._answer

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.messages) < count:
                self._news.clear()
                await self._news.wait()


async def settled(bus: Bus) -> None:
    """Wait until the bus knows of every subscription that was made before."""
    taker = Taker(b"pong")
    subscription = await bus.subscribe("settled", taker)
    while await bus.request("settled", b"ping", timeout_s=1) != b"pong":
        await asyncio.sleep(0.01)
    await subscription.end()


async def test_all_who_subscribed_get_a_message(two: tuple[Bus, Bus]) -> None:
    here, there = two
    takers = [Taker(), Taker()]
    for taker in takers:
        await there.subscribe("news", taker)
    await settled(there)
    here.publish("news", b"hello")
    for taker in takers:
        await taker.until(1)
        assert taker.messages == [b"hello"]


async def test_of_a_group_one_gets_each_message(two: tuple[Bus, Bus]) -> None:
    here, there = two
    takers = [Taker(), Taker(), Taker()]
    for taker in takers:
        await there.subscribe("work", taker, group="workers")
    witness = Taker()
    await there.subscribe("work", witness)
    await settled(there)
    for number in range(50):
        here.publish("work", bytes((number,)))
    await witness.until(50)
    while sum(len(taker.messages) for taker in takers) < 50:
        await asyncio.sleep(0.01)
    got = sorted(message for taker in takers for message in taker.messages)
    assert got == [bytes((number,)) for number in range(50)]


async def test_a_question_is_answered(two: tuple[Bus, Bus]) -> None:
    here, there = two
    await there.subscribe("question", Taker(b"answer"))
    await settled(there)
    assert await here.request("question", b"?", timeout_s=5) == b"answer"


async def test_a_question_that_nobody_hears_comes_back_at_once(two: tuple[Bus, Bus]) -> None:
    here, _ = two
    async with asyncio.timeout(5):
        assert await here.request("nobody", b"?", timeout_s=60) is None


async def test_an_answer_that_comes_too_late_is_none(two: tuple[Bus, Bus]) -> None:
    here, there = two

    async def never(_: bytes) -> None:
        await asyncio.Event().wait()

    await there.subscribe("slow", never)
    await settled(there)
    assert await here.request("slow", b"?", timeout_s=0.05) is None


async def test_who_ended_hears_nothing_more(two: tuple[Bus, Bus]) -> None:
    here, there = two
    subscription = await there.subscribe("gone", Taker(b"here"))
    await settled(there)
    assert await here.request("gone", b"?", timeout_s=5) == b"here"
    await subscription.end()
    await subscription.end()
    await settled(there)
    assert await here.request("gone", b"?", timeout_s=5) is None


async def test_a_failing_handler_ends_its_message_only(
    two: tuple[Bus, Bus], caplog: pytest.LogCaptureFixture
) -> None:
    here, there = two
    secret = ".".join(("192", "0", "2", "1"))

    async def pick(message: bytes) -> bytes:
        if message == b"bad":
            raise ValueError(secret)
        return b"good"

    await there.subscribe("pick", pick)
    await settled(there)
    assert await here.request("pick", b"bad", timeout_s=0.2) is None
    assert await here.request("pick", b"fine", timeout_s=5) == b"good"
    assert "could not be handled" in caplog.text
    assert secret not in caplog.text


async def test_a_flood_is_bounded(two: tuple[Bus, Bus], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serverlimits, "BUS_HANDLERS", 8)
    here, there = two
    running = 0
    most = 0
    release = asyncio.Event()

    async def wait(_: bytes) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    await there.subscribe("flood", wait)
    await settled(there)
    for _ in range(100):
        here.publish("flood", b"x")
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    assert 0 < most <= 8
    release.set()


async def test_a_bus_that_was_away_is_found_again() -> None:
    with nats_server() as server:
        here, there = await connect(server.url, name="a"), await connect(server.url, name="b")
        try:
            await there.subscribe("question", Taker(b"answer"))
            await settled(there)
            server.stop()
            while here._client.is_connected:  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
            assert await here.request("question", b"?", timeout_s=5) is None
            here.publish("question", b"lost")
            server.start()
            async with asyncio.timeout(10):
                while await here.request("question", b"?", timeout_s=0.2) != b"answer":
                    await asyncio.sleep(0.05)
        finally:
            await here.close()
            await there.close()
            await here.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:4222", "127.0.0.1:4222", "nats://", ""])
async def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--bus wants the address of a NATS server"):
        await connect(url, name="test")


async def test_no_server_is_said_so() -> None:
    with pytest.raises(LocalError, match=r"No NATS server answers at 127\.0\.0\.1:"):
        await connect(f"nats://127.0.0.1:{free_port()}", name="test")


async def test_without_an_address_it_is_local() -> None:
    assert isinstance(await connect(None, name="test"), LocalBus)


async def test_a_subscription_while_away_is_refused() -> None:
    with nats_server() as server:
        bus = await connect(server.url, name="test")
        assert isinstance(bus, NatsBus)
        await bus.close()
        with pytest.raises(LocalError, match="took no subscription"):
            await bus.subscribe("late", Taker())


async def test_a_long_message_is_dropped(two: tuple[Bus, Bus]) -> None:
    """Nothing reads what is longer than any message of ours, and a long answer is none."""
    here, there = two
    taker = Taker(bytes(serverlimits.BUS_MESSAGE_BYTES + 1))
    await there.subscribe("long", taker)
    await settled(there)
    here.publish("long", bytes(900_000))
    here.publish("long", bytes(serverlimits.BUS_MESSAGE_BYTES))
    await taker.until(1)
    assert [len(message) for message in taker.messages] == [serverlimits.BUS_MESSAGE_BYTES]
    assert await here.request("long", b"?", timeout_s=1) is None


async def test_refusing_a_message_costs_no_task_and_few_lines(
    two: tuple[Bus, Bus], caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that judges at once may refuse thousands a second; the log has one line of it."""
    here, there = two
    seen = 0
    done = asyncio.Event()

    def refuse(_: bytes) -> None:
        nonlocal seen
        seen += 1
        if seen == 1000:
            done.set()
        raise PeerError(LinkCode.IDENTITY, "no member of the network")

    await there.subscribe("judged", refuse)
    await settled(there)
    for _ in range(1000):
        here.publish("judged", b"garbage")
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await done.wait()
    (line,) = [record.getMessage() for record in caplog.records]
    assert "no member of the network" in line
    assert "Traceback" not in line


async def test_a_password_is_in_no_message() -> None:
    """An address that cannot be used may hold one."""
    with pytest.raises(ConfigError) as caught:
        await connect("natss://somebody:secret@127.0.0.1", name="test")
    assert "secret" not in str(caught.value)


async def test_a_message_in_hand_at_the_end_leaves_nothing_behind() -> None:
    """Its work is given up before it begins, without a warning, and no later one is taken."""
    bus = await connect(None, name="test")
    taker = Taker()
    subscription = await bus.subscribe("last", taker)
    bus.publish("last", b"in hand")
    await subscription.end()
    assert isinstance(subscription, _LocalSubscription)
    assert not subscription.handlers.take(b"too late", None)
    assert taker.messages == []
    gc.collect()
