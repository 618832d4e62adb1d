"""The receiver, against generated RTP."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from passerelle import limits
from passerelle.core.media import video
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.video import VideoReceiver

SSRC, REPAIR_SSRC = 11, 12
DELAY_S = 0.01
PART_BYTES = 1000


class Camera:
    """A browser that sends messages as video, answers NACKs, and a path that loses and reorders.

    Stands in for the DTLS transport, too.
    """

    def __init__(self, *, loss: float = 0.0, reorder: float = 0.0, first: int = 65_500) -> None:
        self.reports: list[bytes] = []
        self.reported = asyncio.Event()
        self.allowance = Allowance(lambda error: pytest.fail(str(error)))
        self.receiver: VideoReceiver
        self.number = first
        self.sent: dict[int, bytes] = {}
        self.next_message = 0
        self._dice = random.Random(3)
        self._loss, self._reorder = loss, reorder
        self._repairs = 0
        self.silent: set[int] = set()
        """Packets that are never sent, not even when asked for."""

    async def _send_rtp(self, data: bytes) -> None:
        self.reports.append(data)
        self.reported.set()
        if data[1] == 205 and self._dice.random() >= self._loss:
            for first, bits in struct.iter_unpack("!HH", data[12:]):
                for ahead in (0, *(bit + 1 for bit in range(16) if bits >> bit & 1)):
                    self.repair(first + ahead & 0xFFFF)

    def repair(self, number: int) -> None:
        payload = self.sent.get(number)
        if payload is None or number in self.silent:
            return
        self._repairs += 1
        body = struct.pack("!H", number) + payload[12:]
        head = struct.pack(
            "!BBHII", 0x80, 98 | (payload[1] & 0x80), self._repairs & 0xFFFF, 0, REPAIR_SSRC
        )
        self.pass_on(head + body)

    def film(self, messages: list[bytes], *, padding: int = 0, backlog: int = 0) -> None:
        """Send messages in one frame."""
        numbered = []
        for message in messages:
            numbered.append((self.next_message, message))
            self.next_message += 1
        self.frame(video.pack(backlog, numbered) + bytes(padding))

    def frame(self, payload: bytes) -> None:
        parts = [payload[at : at + PART_BYTES] for at in range(0, len(payload), PART_BYTES)]
        for index, part in enumerate(parts):
            marker = 0x80 if index == len(parts) - 1 else 0
            head = struct.pack("!BBHII", 0x80, 97 | marker, self.number, 0, SSRC)
            data = head + (b"\x10" if index == 0 else b"\x00") + part
            self.sent[self.number] = data
            if self.number not in self.silent:
                self.pass_on(data)
            self.number = self.number + 1 & 0xFFFF

    def pass_on(self, data: bytes) -> None:
        if self._dice.random() < self._loss:
            return
        late = DELAY_S if self._dice.random() < self._reorder else 0.0
        loop = asyncio.get_running_loop()
        loop.call_later(DELAY_S + late, self.receiver.packet_received, data)


class Owner:
    """Collects what comes."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.missing: list[list[tuple[int, int]]] = []
        self.errors: list[LinkLost] = []
        self.changed = asyncio.Event()

    def video_messages(self, messages: list[bytes]) -> None:
        self.messages += messages
        self.changed.set()

    def video_missing(self, gaps: list[tuple[int, int]]) -> None:
        self.missing.append(gaps)
        self.changed.set()

    def video_window(self) -> None:
        self.changed.set()

    def video_failed(self, error: LinkLost) -> None:
        self.errors.append(error)
        self.changed.set()

    async def until(self, count: int) -> None:
        await self.see(lambda: len(self.messages) >= count)

    async def see(self, wanted: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not wanted():
                self.changed.clear()
                await self.changed.wait()


class Stage:
    """A camera and who watches it."""

    def __init__(self, **options: float) -> None:
        self.owner = Owner()
        self.camera = Camera(**options)  # type: ignore[arg-type]
        self.receiver = VideoReceiver(self.camera, self.owner)  # type: ignore[arg-type]
        self.receiver.repair.seed(2 * DELAY_S)
        self.camera.receiver = self.receiver


@pytest.fixture
def stages() -> Iterator[list[Stage]]:
    made: list[Stage] = []
    yield made
    for stage in made:
        stage.receiver.close()


@pytest.mark.parametrize(
    ("loss", "reorder"), [(0, 0), (0, 0.2), (0.02, 0), (0.1, 0.1), (0.25, 0.1)]
)
async def test_messages_arrive_in_order(stages: list[Stage], loss: float, reorder: float) -> None:
    """Through loss both ways, reordering, and numbers that wrap; each once."""
    stage = Stage(loss=loss, reorder=reorder)
    stages.append(stage)
    sent = [bytes([number % 256]) * (1 + number * 37 % 5000) for number in range(600)]
    stage.camera.frame(video.pack(0, []))
    for at in range(0, len(sent), 3):
        stage.camera.film(sent[at : at + 3], padding=at % 7)
        if at % 30 == 0:
            await asyncio.sleep(0.005)
    for _ in range(12):
        # A relay fills pauses: what was lost last is noticed, too.
        stage.camera.film([])
        await asyncio.sleep(0.01)
    await stage.owner.until(len(sent))
    assert stage.owner.messages == sent
    assert not stage.owner.errors
    assert stage.receiver.repair.abandoned == 0


async def test_both_ways_share_one_order(stages: list[Stage]) -> None:
    """Small messages come over the DataChannel and wait for larger ones in front of them."""
    stage = Stage()
    stages.append(stage)
    camera, receiver = stage.camera, stage.receiver
    receiver.message_received(0, b"zero")
    receiver.message_received(2, b"two")
    receiver.message_received(2, b"two again")
    assert stage.owner.messages == [b"zero"]
    camera.next_message = 1
    camera.film([b"one"])
    await stage.owner.until(3)
    assert stage.owner.messages == [b"zero", b"one", b"two"]


async def test_what_cannot_be_repaired_is_asked_from_the_relay(
    stages: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the numbers of the messages; sent again, they fit in."""
    monkeypatch.setattr("passerelle.core.media.nack.ASK_MOST", 2)
    monkeypatch.setattr("passerelle.core.media.video.RESEND_LEAST_S", 0.05)
    stage = Stage(first=100)
    stages.append(stage)
    camera = stage.camera
    camera.silent = {101, 104}
    for message in (b"0", b"1", b"2", b"3", b"4", b"5"):
        camera.film([message])
    await stage.owner.see(lambda: stage.owner.missing)
    assert stage.owner.messages == [b"0"]
    assert stage.owner.missing[0] == [(1, 2), (4, 5)]
    camera.frame(video.pack(0, [(1, b"1"), (4, b"4")]))
    await stage.owner.until(6)
    assert stage.owner.messages == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert stage.receiver.repair.abandoned == 2


async def test_what_waits_in_order_widens_the_window(stages: list[Stage]) -> None:
    """It has arrived, though it cannot be acknowledged."""
    stage = Stage(first=100)
    stages.append(stage)
    camera = stage.camera
    camera.silent = {100}
    camera.frame(b"\x00\x00")
    camera.silent = {101}
    for _ in range(3):
        camera.film([bytes(500)])
    await asyncio.sleep(3 * DELAY_S)
    before = stage.receiver.control.window_bytes
    assert stage.receiver.window_bytes >= before
    camera.number = 110
    camera.film([bytes(600)])
    await asyncio.sleep(3 * DELAY_S)
    assert stage.receiver.window_bytes >= stage.receiver.control.window_bytes + 600


async def test_reports_keep_the_browser_going(stages: list[Stage]) -> None:
    """REMB and a receiver report, which echoes the sender report's time."""
    stage = Stage()
    stages.append(stage)
    report = struct.pack("!BBHIQIII", 0x80, 200, 6, SSRC, 0x0011223344556677, 1, 2, 3)
    stage.camera.film([b"x"])
    await stage.owner.until(1)
    stage.receiver.report_received(report)
    stage.camera.reports.clear()
    stage.camera.reported = stage.owner.changed
    await stage.owner.see(lambda: stage.camera.reports)
    data = stage.camera.reports[0]
    assert data[1] == 201
    assert data[24:28] == bytes.fromhex("22334455")
    assert b"REMB" in data


@pytest.mark.parametrize("seed", range(20))
async def test_garbage_is_dropped_or_ends_the_link(stages: list[Stage], seed: int) -> None:
    """Nothing is raised, whatever an authenticated volunteer sends."""
    stage = Stage()
    stages.append(stage)
    dice = random.Random(seed)
    for _ in range(300):
        kind = dice.choice((97, 98, dice.randrange(256)))
        data = struct.pack("!BBHII", 0x80, kind, dice.randrange(65536), 0, dice.choice((11, 12)))
        data += dice.randbytes(dice.randrange(40))
        stage.receiver.packet_received(data[: dice.randrange(len(data) + 1)])
        stage.receiver.report_received(dice.randbytes(40))
    assert len(stage.owner.errors) <= 1


def hostile_frame(stage: Stage) -> None:
    stage.camera.frame(video.pack(0, [(0, bytes(100))])[:-1])


def hostile_message(stage: Stage) -> None:
    stage.camera.frame(video.pack(0, [(0, bytes(limits.LINK_MESSAGE_BYTES + 1))]))


def hostile_number(stage: Stage) -> None:
    stage.camera.frame(video.pack(0, [(1 << 20, b"x")]))


def hostile_length(stage: Stage) -> None:
    stage.camera.frame(bytes(2 * limits.MEDIA_FRAME_BYTES))


def hostile_leap(stage: Stage) -> None:
    stage.camera.film([b"x"])
    stage.camera.number = stage.camera.number + 20_000 & 0xFFFF
    stage.camera.film([b"x"])


def hostile_descriptor(stage: Stage) -> None:
    stage.receiver.packet_received(struct.pack("!BBHII", 0x80, 97, 1, 0, 11) + b"\x90")


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (hostile_frame, LinkCode.MALFORMED),
        (hostile_message, LinkCode.LIMIT),
        (hostile_number, LinkCode.LIMIT),
        (hostile_length, LinkCode.LIMIT),
        (hostile_leap, LinkCode.LIMIT),
        (hostile_descriptor, LinkCode.MALFORMED),
    ],
)
async def test_a_hostile_volunteer_is_sent_away(
    stages: list[Stage], attack: Callable[[Stage], None], code: LinkCode
) -> None:
    """Once, with a code; what comes later is not looked at."""
    stage = Stage(first=100)
    stages.append(stage)
    attack(stage)
    await stage.owner.see(lambda: stage.owner.errors)
    attack(stage)
    await asyncio.sleep(5 * DELAY_S)
    assert [error.code for error in stage.owner.errors] == [code]


async def test_the_bulk_path_is_quick_enough(stages: list[Stage]) -> None:
    """A megabyte takes less than a tenth of a second: a fifth of a core at 100 Mbit/s and more."""
    stage = Stage()
    stages.append(stage)
    datas: list[bytes] = []
    stage.camera.pass_on = datas.append  # type: ignore[assignment,method-assign]
    for _ in range(64):
        stage.camera.film([bytes(limits.LINK_MESSAGE_BYTES)])
    start_s = time.process_time()
    for data in datas:
        stage.receiver.packet_received(data)
    assert time.process_time() - start_s < 0.1
    assert len(stage.owner.messages) == 64
