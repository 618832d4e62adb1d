"""What reaches libsrtp, which keeps a state for each source that it has authenticated."""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest
from pylibsrtp import Session

from passerelle.core.media import rtp
from passerelle.io.webrtc.dtls import MediaDtls
from tests.io.webrtc.test_inbox import Connected, close, connect

VIDEO, REPAIR, OTHER = rtp.VIDEO_PAYLOAD_TYPE, rtp.REPAIR_PAYLOAD_TYPE, 111
VIDEO_SSRC, REPAIR_SSRC = 7, 8


class Counted:
    """The client's SRTP session. Counts the packets that it is given, by their SSRC."""

    def __init__(self, dtls: MediaDtls) -> None:
        self._session = dtls._rx_srtp
        self.given: list[int] = []
        dtls._rx_srtp = cast(Session, self)

    def unprotect(self, data: bytes) -> bytes:
        self.given.append(int.from_bytes(data[8:12], "big"))
        opened: bytes = self._session.unprotect(data)
        return opened

    def unprotect_rtcp(self, data: bytes) -> bytes:
        self.given.append(int.from_bytes(data[4:8], "big"))
        opened: bytes = self._session.unprotect_rtcp(data)
        return opened


async def packet(made: Connected, payload_type: int, ssrc: int, number: int = 1) -> None:
    head = struct.pack("!BBHII", 0x80, payload_type, number, 0, ssrc)
    await made.channel.dtls._send_rtp(head + b"\0")


async def report(made: Connected, kind: int, ssrc: int) -> None:
    await made.channel.dtls._send_rtp(struct.pack("!BBHI", 0x80, kind, 6, ssrc) + bytes(20))


async def settle(made: Connected) -> None:
    """Return once the client has handled what was sent to it, by asking it over DTLS."""
    taker = made.taker
    before = len(taker.messages)
    if made.transport._media:
        made.say(before, b"settle")
    else:
        made.channel.channel.send(b"settle")
    await taker.see(lambda: len(taker.messages) > before)


def srtp(made: Connected) -> Counted:
    return Counted(made.transport._offer._dtls)


async def test_one_source_of_video_and_one_of_repairs_pass() -> None:
    """The first of each that is authentic; the state for others does not even begin."""
    made = await connect()
    counted = srtp(made)
    await packet(made, VIDEO, VIDEO_SSRC)
    await packet(made, REPAIR, REPAIR_SSRC)
    await settle(made)
    for ssrc in range(100, 600):
        await packet(made, VIDEO, ssrc)
        await packet(made, REPAIR, ssrc)
        await report(made, rtp.SENDER_REPORT, ssrc)
    await settle(made)
    assert counted.given == [VIDEO_SSRC, REPAIR_SSRC]
    await packet(made, VIDEO, VIDEO_SSRC, 2)
    await report(made, rtp.SENDER_REPORT, VIDEO_SSRC)
    await settle(made)
    assert counted.given == [VIDEO_SSRC, REPAIR_SSRC, VIDEO_SSRC, VIDEO_SSRC]
    assert made.taker.lost == []
    await close(made)


async def test_sources_in_one_burst_are_told_apart() -> None:
    """Also before the first packet was authenticated: they are judged one by one."""
    made = await connect()
    counted = srtp(made)
    for ssrc in range(100, 200):
        await packet(made, VIDEO, ssrc)
    await settle(made)
    assert counted.given == [100]
    await close(made)


@pytest.mark.parametrize("kind", ["payload type", "receiver report", "early report", "short"])
async def test_what_is_not_of_the_video_does_not_pass(kind: str) -> None:
    made = await connect()
    counted = srtp(made)
    if kind == "payload type":
        await packet(made, OTHER, VIDEO_SSRC)
    elif kind == "receiver report":
        await packet(made, VIDEO, VIDEO_SSRC)
        await settle(made)
        counted.given.clear()
        await report(made, 201, VIDEO_SSRC)
    elif kind == "early report":
        await report(made, rtp.SENDER_REPORT, VIDEO_SSRC)
    else:
        await made.channel.ice._send(bytes([0x80, VIDEO, 0, 1]))
    await settle(made)
    assert counted.given == []
    await close(made)


async def test_nothing_passes_before_the_link_takes_its_video() -> None:
    """A volunteer may film as soon as it has answered; the client then takes nothing yet."""
    made = await connect()
    made.transport._offer._dtls._packet_receiver = None  # as before `start`
    counted = srtp(made)
    for ssrc in range(100, 200):
        await packet(made, VIDEO, ssrc)
    await settle(made)
    assert counted.given == []
    await close(made)


@pytest.mark.parametrize("sides", [(False, None), (True, None)])
async def test_nothing_passes_on_a_link_without_media(sides: tuple[bool, Any]) -> None:
    """Whether the client did not ask for video, or the volunteer did not offer it."""
    made = await connect(ours=sides[0], theirs=sides[1])
    counted = srtp(made)
    await packet(made, VIDEO, VIDEO_SSRC)
    await report(made, rtp.SENDER_REPORT, VIDEO_SSRC)
    await settle(made)
    assert counted.given == []
    await close(made)
