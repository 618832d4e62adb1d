"""A media link's client, against a volunteer of aiortc's over real ICE, DTLS and SRTP."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from passerelle import limits
from passerelle.core.media import video
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc import inbox as rtcinbox
from passerelle.io.webrtc.channel import ChannelOffer, ChannelTransport
from passerelle.wire.description import MEDIA_VERSION
from tests.volunteer import Channel

RTT_S = 0.1


class Taker:
    """Writes down what the transport says."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.windows = 0
        self.lost: list[LinkLost] = []
        self.changed = asyncio.Event()

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)
        self.changed.set()

    def control_received(self, text: str) -> None:
        raise AssertionError("a relay says nothing of media")

    def windows_changed(self) -> None:
        self.windows += 1
        self.changed.set()

    def transport_lost(self, error: LinkLost) -> None:
        self.lost.append(error)
        self.changed.set()

    async def see(self, wanted: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not wanted():
                self.changed.clear()
                await self.changed.wait()


class Connected:
    """A client's transport and the volunteer that films for it."""

    def __init__(self, transport: ChannelTransport, channel: Channel) -> None:
        self.transport = transport
        self.channel = channel
        self.taker = Taker()
        self._sequence = 65_530
        transport.start(self.taker)

    def say(self, number: int, message: bytes) -> None:
        """Send a message over the DataChannel."""
        self.channel.channel.send(number.to_bytes(4, "big") + message)

    async def film(self, *messages: tuple[int, bytes]) -> None:
        """Send messages in one frame of one packet."""
        head = struct.pack("!BBHII", 0x80, 97 | 0x80, self._sequence, 0, 7)
        self._sequence = self._sequence + 1 & 0xFFFF
        await self.channel.dtls._send_rtp(head + b"\x10" + video.pack(0, list(messages)))

    async def told(self) -> dict[str, Any]:
        """Return the next thing the client says to the relay."""
        async with asyncio.timeout(5):
            text = await self.channel.messages.get()
        assert isinstance(text, str)
        said: dict[str, Any] = json.loads(text)
        return said


async def connect(*, ours: bool = True, theirs: int | None = MEDIA_VERSION) -> Connected:
    offer, channel = await asyncio.gather(
        ChannelOffer.gather(private=True, media=ours), Channel.gather()
    )
    answer = channel.description
    if theirs is not None:
        answer = msgspec.structs.replace(answer, media=theirs)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        connecting = group.create_task(offer.connect(answer, timeout_s=10))
        group.create_task(channel.connect(offer.description))
    return Connected(connecting.result(), channel)


async def close(made: Connected) -> None:
    made.transport.close(LinkCode.NORMAL)
    await made.transport.wait_closed()
    await made.channel.close()


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    made = await connect()
    yield made
    await close(made)


async def test_video_and_channel_share_one_order(connected: Connected) -> None:
    """Whichever comes first waits for what is before it."""
    connected.say(0, b"zero")
    connected.say(2, b"two")
    await connected.film((3, b"three"))
    await connected.taker.see(lambda: connected.taker.messages)
    assert connected.taker.messages == [b"zero"]
    await connected.film((1, b"one"), (4, b"four"))
    await connected.taker.see(lambda: len(connected.taker.messages) == 5)
    assert connected.taker.messages == [b"zero", b"one", b"two", b"three", b"four"]


async def test_uploads_have_no_numbers(connected: Connected) -> None:
    connected.transport.send(b"upwards")
    assert await connected.channel.messages.get() == b"upwards"


async def test_the_relay_is_told_what_it_may_forget(connected: Connected) -> None:
    """After a moment, and at once when much has come."""
    connected.say(0, b"zero")
    assert await connected.told() == {"type": "got", "next": 1}
    large = bytes(limits.LINK_MESSAGE_BYTES)
    for number in range(1, 18):
        connected.say(number, large)
    assert await connected.told() == {"type": "got", "next": 17}
    assert await connected.told() == {"type": "got", "next": 18}


async def test_the_relay_is_asked_for_what_is_missing(connected: Connected) -> None:
    """Where no packet is missing that could bring it."""
    await connected.film((0, b"zero"))
    await connected.film((2, b"two"), (5, b"five"))
    said = [await connected.told(), await connected.told()]
    assert {"type": "resend", "gaps": [[1, 2], [3, 5]]} in said
    assert {"type": "got", "next": 1} in said


async def test_a_window_is_known_while_video_comes(
    connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And told at once when it changed: the far end may be waiting for it."""
    await connected.film((0, b"zero"))
    await connected.taker.see(lambda: connected.taker.windows)
    windows = connected.transport.windows(RTT_S)
    assert windows is not None
    assert windows.receive >= limits.LINK_WINDOW_FLOOR_BYTES
    assert windows.send > 0
    monkeypatch.setattr(rtcinbox, "SILENT_S", -1.0)
    silent = connected.transport.windows(RTT_S)
    assert silent is not None
    assert silent.receive == 0


@pytest.mark.parametrize(("ours", "theirs"), [(True, None), (True, 2), (False, MEDIA_VERSION)])
async def test_without_media_on_both_sides_it_is_a_plain_link(
    ours: bool, theirs: int | None
) -> None:
    """Whatever the other claims: unknown formats and unasked ones are not used."""
    made = await connect(ours=ours, theirs=theirs)
    made.channel.channel.send(b"plain")
    await made.film((0, b"never asked for"))
    await made.taker.see(lambda: made.taker.messages)
    assert made.taker.messages == [b"plain"]
    assert made.transport.windows(RTT_S) is None
    await close(made)


async def hostile_message(made: Connected) -> None:
    made.channel.channel.send(b"abc")


async def hostile_size(made: Connected) -> None:
    made.say(0, bytes(limits.LINK_MESSAGE_BYTES + 1))


async def hostile_number(made: Connected) -> None:
    made.say(2 * limits.MEDIA_MESSAGES_AHEAD, b"x")


async def hostile_frame(made: Connected) -> None:
    await made.channel.dtls._send_rtp(struct.pack("!BBHII", 0x80, 97 | 0x80, 1, 0, 7) + b"\x10\0")


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (hostile_message, LinkCode.MALFORMED),
        (hostile_size, LinkCode.LIMIT),
        (hostile_number, LinkCode.LIMIT),
        (hostile_frame, LinkCode.MALFORMED),
    ],
)
async def test_a_hostile_volunteer_ends_its_link(
    connected: Connected, attack: Callable[[Connected], Any], code: LinkCode
) -> None:
    """With a code, once; nothing of it is delivered."""
    await attack(connected)
    await connected.taker.see(lambda: connected.taker.lost)
    assert [error.code for error in connected.taker.lost] == [code]
    assert connected.taker.messages == []
    async with asyncio.timeout(5):
        await connected.transport.wait_closed()
