"""The sending half, against aiortc's own SCTP over a simulated path."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from passerelle.io.webrtc.ortc import (
    Chunk,
    DataChunk,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsTransport,
    RTCSctpCapabilities,
    RTCSctpTransport,
    SackChunk,
)
from passerelle.io.webrtc.sctp import SctpSender

# isort: split
from aiortc.rtcsctptransport import parse_packet

DELAY_S = 0.01
MESSAGE = bytes(range(256)) * 40


class Wire:
    """Stands in for DTLS: carries packets to the other end, later, or not at all."""

    def __init__(self, role: str, drop: Callable[[bytes], bool]) -> None:
        self.state = "connected"
        self._role = role
        self._drop = drop
        self.far: Wire
        self.receiver: RTCSctpTransport | None = None

    def _register_data_receiver(self, receiver: RTCSctpTransport) -> None:
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver: RTCSctpTransport) -> None:
        self.receiver = None

    async def _send_data(self, data: bytes) -> None:
        if not self._drop(data):
            asyncio.get_running_loop().call_later(DELAY_S, self.far.arrive, data)

    def arrive(self, data: bytes) -> None:
        if self.receiver is not None:
            work = self.receiver._handle_data(data)
            # Nothing in it waits: the wire does not either.
            with pytest.raises(StopIteration):
                work.send(None)


class Browser(RTCSctpTransport):
    """aiortc's receiver, whose acknowledgements have no more room than a browser's (dcSCTP)."""

    async def _send_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, SackChunk):
            chunk.gaps = chunk.gaps[:20]
        await super()._send_chunk(chunk)


class Pair:
    """Our sender, and a browser's receiver."""

    def __init__(self, drop: Callable[[bytes], bool], drop_back: Callable[[bytes], bool]) -> None:
        ours, theirs = Wire("server", drop), Wire("client", drop_back)
        ours.far, theirs.far = theirs, ours
        self.sender = SctpSender(cast(RTCDtlsTransport, ours))
        self.taker = Browser(cast(RTCDtlsTransport, theirs))
        parameters = RTCDataChannelParameters(negotiated=True, id=0)
        self.channel = RTCDataChannel(self.sender, parameters)
        far = RTCDataChannel(self.taker, parameters)
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        far.on("message", self.messages.put_nowait)
        self.opened = asyncio.Event()
        self.channel.on("open", self.opened.set)

    async def open(self) -> None:
        capabilities = RTCSctpCapabilities(maxMessageSize=65536)
        await self.taker.start(capabilities, 5000)
        await self.sender.start(capabilities, 5000)
        async with asyncio.timeout(20):
            await self.opened.wait()

    async def transfer(self, count: int) -> list[bytes]:
        for number in range(count):
            self.channel.send(number.to_bytes(4, "big") + MESSAGE)
        async with asyncio.timeout(20):
            return [await self.messages.get() for _ in range(count)]

    async def close(self) -> None:
        await self.sender.stop()
        await self.taker.stop()


@pytest.fixture
async def pairs() -> AsyncIterator[Callable[..., Pair]]:
    made = []

    def make(
        drop: Callable[[bytes], bool] = lambda _: False,
        drop_back: Callable[[bytes], bool] = lambda _: False,
    ) -> Pair:
        made.append(Pair(drop, drop_back))
        return made[-1]

    yield make
    for pair in made:
        await pair.close()


def has(data: bytes, kind: type) -> bool:
    return any(isinstance(chunk, kind) for chunk in parse_packet(data)[3])


def loses(share: float, seed: int = 1) -> Callable[[bytes], bool]:
    """Lose data and acknowledgements by chance; the handshake passes."""
    dice = random.Random(seed)
    return lambda data: (has(data, DataChunk) or has(data, SackChunk)) and dice.random() < share


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.1, 0.3])
async def test_everything_arrives_in_order(pairs: Callable[..., Pair], loss: float) -> None:
    """Whatever is lost each way."""
    pair = pairs(loses(loss), loses(loss, 2))
    await pair.open()
    got = await pair.transfer(100)
    assert got == [number.to_bytes(4, "big") + MESSAGE for number in range(100)]
    # The last acknowledgements may have been lost: one more message brings the next.
    for _ in range(50):
        await pair.transfer(1)
        await asyncio.sleep(3 * DELAY_S)
        if not pair.sender._flights:
            break
    assert pair.sender._flight_size == 0
    assert pair.sender._held_bytes == 0
    assert not pair.sender._holes


async def test_nothing_is_sent_after_the_end(pairs: Callable[..., Pair]) -> None:
    """A packet that waited for the pace waits no more, and no timer fails."""
    failures: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    pair = pairs()
    await pair.open()
    await pair.transfer(1)
    for _ in range(100):
        pair.channel.send(MESSAGE)
    async with asyncio.timeout(5):
        while pair.sender._resume is None:  # noqa: ASYNC110  (nothing announces it)
            await asyncio.sleep(0)
    resume = pair.sender._resume
    await pair.close()
    assert resume.cancelled()
    pair.sender._go_on()
    pair.sender._t3_expired()
    await asyncio.sleep(0)
    assert not failures


async def test_a_loss_does_not_halve_the_window(pairs: Callable[..., Pair]) -> None:
    """Nor is a packet sent more often than it is lost, by much."""
    sent = lost = 0
    dice = loses(0.05)

    def drop(data: bytes) -> bool:
        nonlocal sent, lost
        gone = dice(data)
        sent += has(data, DataChunk)
        lost += gone
        return gone

    pair = pairs(drop)
    await pair.open()
    await pair.transfer(230)
    assert pair.sender._control.window_bytes > 48 * 1024
    needed = 230 * (len(MESSAGE) // 1160 + 1)
    assert sent < 1.05 * (needed + lost)


async def test_a_lost_tail_is_probed_for(pairs: Callable[..., Pair]) -> None:
    """Nothing later arrives that could tell of it."""
    losing = False
    pair = pairs(lambda data: losing and has(data, DataChunk))
    await pair.open()
    await pair.transfer(5)
    losing = True
    pair.channel.send(b"tail")
    await asyncio.sleep(0.05)
    losing = False
    async with asyncio.timeout(2):
        assert await pair.messages.get() == b"tail"


async def test_many_losses_at_once_are_got_over(pairs: Callable[..., Pair]) -> None:
    """A queue that overflows loses every second packet of a window: more gaps than one
    acknowledgement can tell of."""
    sent = 0

    def drop(data: bytes) -> bool:
        nonlocal sent
        sent += has(data, DataChunk)
        return has(data, DataChunk) and 200 < sent < 600 and sent % 2 == 0

    pair = pairs(drop)
    await pair.open()
    start_s = asyncio.get_running_loop().time()
    await pair.transfer(200)
    assert sent > 600
    assert asyncio.get_running_loop().time() - start_s < 5


async def test_a_dead_path_ends(
    pairs: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many timeouts, each longer than the last."""
    monkeypatch.setattr("passerelle.io.webrtc.sctp._TIMEOUTS_MOST", 2)
    dead = False
    pair = pairs(lambda _: dead)
    await pair.open()
    dead = True
    closed = asyncio.Event()
    pair.channel.on("close", closed.set)
    pair.channel.send(b"nobody hears")
    async with asyncio.timeout(10):
        await closed.wait()


async def sack(pair: Pair, cumulative: int, *gaps: tuple[int, int], window: int = 1 << 20) -> None:
    chunk = SackChunk()
    chunk.cumulative_tsn = cumulative % 2**32
    chunk.advertised_rwnd = window
    chunk.gaps = list(gaps)
    await pair.sender._receive_sack_chunk(chunk)


async def test_hostile_acknowledgements_change_nothing(pairs: Callable[..., Pair]) -> None:
    """Of the future, of the past, of gaps upside down or without end."""
    pair = pairs(lambda data: has(data, DataChunk))
    await pair.open()
    pair.channel.send(MESSAGE)
    await asyncio.sleep(0.05)
    sender = pair.sender
    first, count = sender._last_sacked_tsn, len(sender._flights)
    assert count > 5
    await sack(pair, first + count + 1)
    await sack(pair, first - 5)
    assert (len(sender._flights), sender._last_sacked_tsn) == (count, first)
    await sack(pair, first, (3, 1), (0, 0), (60_000, 65_535))
    assert not any(flight.arrived for flight in sender._flights.values())
    assert len(sender._holes) <= count
    await sack(pair, first, (2, 65_535))
    assert sum(flight.arrived for flight in sender._flights.values()) == count - 1
    assert len(sender._holes) <= count


async def test_the_peers_window_is_kept(pairs: Callable[..., Pair]) -> None:
    """Nothing new beyond it; what is missing has its place there already."""
    pair = pairs(lambda data: has(data, DataChunk))
    await pair.open()
    for _ in range(20):
        pair.channel.send(MESSAGE)
    await asyncio.sleep(0.02)
    sender = pair.sender
    sent = sender._sending_count
    await sack(pair, sender._last_sacked_tsn + 1, window=0)
    await asyncio.sleep(0.02)
    assert sender._sending_count - sent <= 2
    assert len(sender._flights) < sent


async def test_who_hands_over_is_told_the_room(pairs: Callable[..., Pair]) -> None:
    pair = pairs()
    await pair.open()
    assert pair.sender.room_bytes == pair.sender.window_bytes > 0
    for _ in range(20):
        pair.channel.send(MESSAGE)
    assert pair.sender.room_bytes < 0


async def test_while_packets_are_lost_small_messages_travel_again_with_the_next(
    pairs: Callable[..., Pair],
) -> None:
    """So a lost one holds up what follows for no round trip, and costs no packet."""
    carried: list[list[int]] = []

    def drop(data: bytes) -> bool:
        found = [chunk.tsn for chunk in parse_packet(data)[3] if isinstance(chunk, DataChunk)]
        if found:
            carried.append(found)
        return len(carried) == 3 and bool(found)

    pair = pairs(drop)
    await pair.open()
    carried.clear()
    pair.sender._losing_until_s = float("inf")
    for number in range(6):
        pair.channel.send(bytes([number]) * 50)
        await asyncio.sleep(0.001)
    async with asyncio.timeout(5):
        got = [await pair.messages.get() for _ in range(6)]
    assert got == [bytes([number]) * 50 for number in range(6)]
    first = carried[0][0]
    expected = [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert [[tsn - first for tsn in packet] for packet in carried] == expected


async def test_on_a_path_without_loss_nothing_travels_twice(pairs: Callable[..., Pair]) -> None:
    sent = 0

    def drop(data: bytes) -> bool:
        nonlocal sent
        sent += sum(isinstance(chunk, DataChunk) for chunk in parse_packet(data)[3])
        return False

    pair = pairs(drop)
    await pair.open()
    sent = 0
    for number in range(6):
        pair.channel.send(bytes([number]) * 50)
        await asyncio.sleep(0.001)
    async with asyncio.timeout(5):
        for _ in range(6):
            await pair.messages.get()
    assert sent == 6
