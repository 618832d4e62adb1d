"""A volunteer, honest or hostile, for attacks on a reader's links: `python -m …volunteer`.

Commands are lines of JSON on standard input, and each is answered by one. A hostile volunteer sends
so many bits a second as IP packets. When the reader has hung up, it goes on sending to his port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from google_crc32c import value as crc32c

from passerelle.core.media import frame, rtp
from passerelle.io.webrtc.ortc import stun
from passerelle.wire import sdp
from passerelle.wire.description import (
    CHROME_MEDIA_VERSION,
    MESSAGE_NUMBER_BYTES,
    Candidate,
    CandidateKind,
    Description,
)
from tests.volunteer import Channel

UDP_BYTES = 28
"""Headers of IP and UDP."""
DTLS_BYTES = 37
SRTP_BYTES = 10
STEP_S = 0.01
MESSAGE = bytes(16 * 1024)
STRANGER = "127.0.0.2"
_UNORDERED_FIRST, _FIRST = 6, 2
_HEARTBEAT, _SACK = 4, 3
_SENDER_REPORT = 200
_OTHER_PAYLOAD_TYPE = 111
_KEY_FRAME = b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", frame.SIDE, frame.SIDE) + bytes(20)
"""A picture of the right size, of which no decoder makes anything."""
_FRAME_STARTS = b"\x10"
"""The VP8 payload descriptor of a frame's first packet (RFC 7741 §4.2)."""
_MEDIA_ID = struct.pack("!HHBBH", 0xBEDE, 1, 0x40, ord("0"), 0)
"""The header extension (RFC 8285, 9143) that says that a packet is of the video of a call."""
_FRAME_TICKS = 900
_WAITING = 8000
"""Chunks or packets that wait beyond a missing one: just fewer than the reader allows."""


class Volunteer:
    """One volunteer and the DataChannel that it made last."""

    def __init__(self) -> None:
        self._channel: Channel
        self._offer: Description
        self._joining: asyncio.Task[None] | None = None
        self._sockets: list[socket.socket] = []
        self._numbers = 0
        self._dice = random.Random(1)

    async def obey(self, said: dict[str, Any]) -> dict[str, Any]:
        """Do what one command says, and return the answer."""
        if said["do"] == "answer":
            return await self._answer(said)
        if said["do"] == "send":
            return await self._send(said["mbit_s"], said["seconds"])
        if said["do"] == "reflect":
            return await self._reflect(said["seconds"])
        return await self._attack(ATTACKS[said["attack"]], said["mbit_s"], said["seconds"])

    async def _answer(self, said: dict[str, Any]) -> dict[str, Any]:
        if self._joining is not None:
            await asyncio.wait([self._joining])
            await self._channel.close()
        self._channel, self._numbers = await Channel.gather(), 0
        self._offer = msgspec.json.decode(said["description"], type=Description)
        answer = self._channel.description
        if said["media"]:
            answer = msgspec.structs.replace(answer, media=self._offer.media)
        if said["join"]:
            self._joining = asyncio.create_task(self._channel.connect(self._offer))
        else:
            # The address that is named is nobody's: only the one that is not can be reached.
            answer = answer.with_candidates(
                [Candidate(CandidateKind.HOST, STRANGER, self._open(STRANGER).getsockname()[1])]
            )
        return {"answer": msgspec.json.encode(answer).decode()}

    @property
    def _client(self) -> tuple[str, int]:
        """Return where the reader's client is, on the path that was found if one was."""
        for pair in self._channel.ice._connection._nominated.values():
            return pair.remote_addr
        found = next(c for c in self._offer.candidates if ":" not in c.ip)
        return found.ip, found.port

    def _open(self, address: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind((address, 0))
        self._sockets.append(made)
        if len(self._sockets) > 1000:
            self._sockets.pop(0).close()
        return made

    async def _send(self, mbit_s: float, seconds: float) -> dict[str, Any]:
        """Send messages at an even pace."""
        assert self._joining is not None
        await self._joining
        start_s, sent = time.monotonic(), 0
        while (past_s := time.monotonic() - start_s) < seconds:
            while sent * 8 < past_s * mbit_s * 1e6:
                self._channel.channel.send(MESSAGE)
                sent += len(MESSAGE)
            await asyncio.sleep(STEP_S)
        return {"bytes": sent}

    async def _attack(
        self, attack: Callable[[Volunteer], Awaitable[int]], mbit_s: float, seconds: float
    ) -> dict[str, Any]:
        assert self._joining is not None
        await self._joining
        self._open(self._client[0])
        start_s, sent, packets = time.monotonic(), 0, 0
        while (past_s := time.monotonic() - start_s) < seconds:
            while sent * 8 < past_s * mbit_s * 1e6:
                try:
                    sent += await attack(self)
                except (ConnectionError, OSError):
                    sent += self._raw(self._sockets[-1], b"\x17" + bytes(99))
                packets += 1
            await asyncio.sleep(STEP_S)
        return {"bytes": sent, "packets": packets}

    async def _reflect(self, seconds: float) -> dict[str, Any]:
        """Send one check in the name of an address that was not named; count what it gets."""
        victim = self._open(STRANGER)
        check = self.check()
        self._raw(victim, check)
        await asyncio.sleep(seconds)
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(len(victim.recv(2000)))
        return {"sent": len(check), "packets": len(found), "bytes": sum(found)}

    # --- packets --------------------------------------------------------------------------------

    def check(self) -> bytes:
        """Return a signed check."""
        message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        name = f"{self._offer.ufrag}:{self._channel.description.ufrag}"
        message.attributes["USERNAME"] = name
        message.attributes["PRIORITY"] = 1
        message.attributes["ICE-CONTROLLED"] = 1
        message.add_message_integrity(self._offer.pwd.encode())
        return bytes(message)

    def _raw(self, from_: socket.socket, data: bytes) -> int:
        with contextlib.suppress(OSError):  # the reader's port may be closed
            from_.sendto(data, self._client)
        return len(data) + UDP_BYTES

    async def sctp(self, chunks: bytes) -> int:
        """Send SCTP chunks in one packet."""
        sctp = self._channel.sctp
        head = struct.pack("!HHL", 5000, 5000, sctp._remote_verification_tag)
        checksum = struct.pack("<L", crc32c(head + bytes(4) + chunks))
        await self._channel.dtls._send_data(head + checksum + chunks)
        return 12 + len(chunks) + DTLS_BYTES + UDP_BYTES

    async def srtp(self, packet: bytes) -> int:
        """Send one packet of RTP or RTCP."""
        await self._channel.dtls._send_rtp(packet)
        return len(packet) + SRTP_BYTES + UDP_BYTES

    def chunk(self, flags: int, ahead: int) -> bytes:
        """Return a tiny DATA chunk that is `ahead` of what the reader waits for."""
        tsn = self._channel.sctp._local_tsn + ahead & 0xFFFFFFFF
        return struct.pack("!BBHLHHL4s", 0, flags, 17, tsn, 0, 0, 53, b"x")

    async def video(self, payload: bytes, number: int, frame_number: int) -> int:
        """Send one packet of video, with the descriptor of a first one.

        It ends its frame if it has the frame's number.
        """
        call = self._offer.media == CHROME_MEDIA_VERSION
        kind = sdp.VP8 if call else rtp.VIDEO_PAYLOAD_TYPE
        ends = 0x80 if number == frame_number else 0
        ticks = frame_number * _FRAME_TICKS & 0xFFFFFFFF
        head = struct.pack("!BBHII", 0x90, ends | kind, number & 0xFFFF, ticks, 7)
        return await self.srtp(head + _MEDIA_ID + _FRAME_STARTS + payload)

    def number(self) -> int:
        """Return the next number, from 1 on."""
        self._numbers += 1
        return self._numbers

    # --- attacks, each a packet -----------------------------------------------------------------

    async def unordered_chunks(self) -> int:
        """Send beginnings of unordered messages behind a missing chunk."""
        return await self.sctp(
            b"".join(self.chunk(_UNORDERED_FIRST, self.number()) for _ in range(58))
        )

    async def tiny_chunks(self) -> int:
        """Send as many tiny chunks behind a missing one as may wait, and then again."""
        ahead = [1 + self.number() % _WAITING for _ in range(58)]
        return await self.sctp(b"".join(self.chunk(_FIRST, number) for number in ahead))

    async def heartbeats(self) -> int:
        """Send heartbeats in small packets, each of which asks for answers."""
        return await self.sctp(struct.pack("!BBHHH", _HEARTBEAT, 0, 8, 1, 4) * 4)

    async def endless_parameters(self) -> int:
        """Send a heartbeat whose parameter has no length, so that the next one is where it is."""
        return await self.sctp(struct.pack("!BBHHH", _HEARTBEAT, 0, 8, 1, 0))

    async def acknowledgements(self) -> int:
        """Send acknowledgements with as many gaps as a packet holds."""
        gaps = b"".join(struct.pack("!HH", 2 * n, 2 * n) for n in range(1, 280))
        last = self._channel.sctp._last_received_tsn or 0
        head = struct.pack("!BBHLLHH", _SACK, 0, 16 + len(gaps), last, 1 << 20, len(gaps) // 4, 0)
        return await self.sctp(head + gaps)

    async def video_sources(self) -> int:
        """Send RTP and reports of ever new sources."""
        number = self.number()
        if number % 2:
            return await self.srtp(
                struct.pack("!BBHII", 0x80, _OTHER_PAYLOAD_TYPE, 1, 0, number) + b"\0"
            )
        return await self.srtp(struct.pack("!BBHI", 0x80, _SENDER_REPORT, 6, number) + bytes(20))

    async def missing_video(self) -> int:
        """Send video of which some thousand packets are missing all the time."""
        number = self.number()
        sequence = number if number == 1 else number + _WAITING
        head = struct.pack("!BBHII", 0x80, rtp.VIDEO_PAYLOAD_TYPE, sequence & 0xFFFF, 0, 7)
        return await self.srtp(head + b"\0x")

    async def broken_frames(self) -> int:
        """Send whole frames whose trailers say nonsense."""
        number = self.number()
        return await self.video(_KEY_FRAME + self._dice.randbytes(40), number, number)

    async def repeated_messages(self) -> int:
        """Send whole frames, each with one message that the reader has."""
        number = self.number()
        return await self.video(frame.wrap(_KEY_FRAME, 0, [(0, b"x")], unsent=1), number, number)

    async def messages_far_ahead(self) -> int:
        """Send whole frames, each with one message beyond a missing one."""
        number = self.number()
        payload = frame.wrap(_KEY_FRAME, 0, [(1 + 2 * number, b"x")])
        return await self.video(payload, number, number)

    async def endless_frame(self) -> int:
        """Send packets of one frame that never ends."""
        number = self.number()
        return await self.video(_KEY_FRAME + bytes(1000), number, 0)

    async def numbered_messages(self) -> int:
        """Send tiny messages over the DataChannel, each beyond a missing one."""
        if self._channel.channel.bufferedAmount < len(MESSAGE):
            number = 1 + 2 * self.number()
            self._channel.channel.send(number.to_bytes(MESSAGE_NUMBER_BYTES, "big") + b"x")
        return MESSAGE_NUMBER_BYTES + 1 + DTLS_BYTES + UDP_BYTES

    async def checks_from_new_ports(self) -> int:
        """Send a signed check from a port that was never used before."""
        return self._raw(self._open(self._client[0]), self.check())

    async def checks(self) -> int:
        """Send a signed check from the address that the path leads to."""
        check = self.check()
        await self._channel.ice._send(check)
        return len(check) + UDP_BYTES

    async def noise(self) -> int:
        """Send noise that looks like STUN, DTLS or SRTP, from an address of somebody else."""
        first = self._dice.choice((b"\x00\x01", b"\x01\x01", b"\x17\xfe", b"\x80\x61"))
        return self._raw(self._sockets[-1], first + self._dice.randbytes(40))


ATTACKS: dict[str, Callable[[Volunteer], Awaitable[int]]] = {
    "SCTP, unordered beginnings": Volunteer.unordered_chunks,
    "SCTP, tiny chunks": Volunteer.tiny_chunks,
    "SCTP, heartbeats": Volunteer.heartbeats,
    "SCTP, endless parameters": Volunteer.endless_parameters,
    "SCTP, acknowledgements": Volunteer.acknowledgements,
    "SRTP, new sources": Volunteer.video_sources,
    "SRTP, missing packets": Volunteer.missing_video,
    "SRTP, broken frames": Volunteer.broken_frames,
    "SRTP, messages again and again": Volunteer.repeated_messages,
    "SRTP, messages far ahead": Volunteer.messages_far_ahead,
    "SRTP, a frame without end": Volunteer.endless_frame,
    "SRTP, messages of the channel far ahead": Volunteer.numbered_messages,
    "ICE, checks from new ports": Volunteer.checks_from_new_ports,
    "ICE, checks": Volunteer.checks,
    "noise of a stranger": Volunteer.noise,
}


async def run() -> None:
    """Obey the lines on standard input until they end."""
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    volunteer = Volunteer()
    async for line in lines:
        print(json.dumps(await volunteer.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(run())
