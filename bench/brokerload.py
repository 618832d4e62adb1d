"""Volunteers and readers for `bench.broker`, in a process of their own.

Their protocols are written out at the level of bytes, so that 15,000 sockets and thousands of
requests a second cost little here. Commands come as lines on standard input, answers go as lines of
JSON:

    connect COUNT MOST   volunteers connect and say hello, at most MOST at once
    dismiss              wait until all have been sent away
    matches COUNT CONCURRENT OFFERS
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import struct
import sys
import time
from collections import Counter
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.brokerhost import SEAL_PUBLIC
from bench.report import percentile
from passerelle.errors import PeerError
from passerelle.wire import rendezvous, signalling
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.rendezvous import Answer, RendezvousRequest
from passerelle.wire.signalling import VolunteerAnswer, VolunteerHello

_UPGRADE = (
    b"GET /v1/volunteer HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
_NUMBER = re.compile(rb'"offer":(\d+)')
_RETRY = re.compile(rb'"retry_after_s":([\d.]+)')
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_CONNECT_S, _MATCH_S = 120.0, 60.0


def description(setup: Setup) -> Description:
    """Return one side's description of a link, as a browser makes it."""
    return Description(
        ufrag="abcd",
        pwd="p" * 24,
        fingerprint=bytes(32),
        setup=setup,
        candidates=tuple(
            Candidate(CandidateKind.REFLEXIVE, f"93.184.216.{n}", 40_000) for n in (1, 2)
        ),
    )


_HELLO = signalling.encode(VolunteerHello(signalling.VERSION, "bench/0.1.0", 64)).encode()
_BEFORE, _AFTER = (
    signalling.encode(VolunteerAnswer(0, description(Setup.ACTIVE))).encode().split(b'"offer":0', 1)
)


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's WebSocket frame. RFC 6455 demands some mask; this is zero."""
    if len(payload) < 126:
        return bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload
    return struct.pack("!BBHI", 0x80 | opcode, 0xFE, len(payload), 0) + payload


class Volunteer(asyncio.Protocol):
    """A volunteer that says hello and answers every offer at once."""

    __slots__ = ("_buffer", "_crowd", "_is_open", "_transport")

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._buffer = b""
        self._is_open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_UPGRADE)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        if not self._is_open:
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = data
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._crowd.count("refused")
            self._is_open = True
            self._write(_TEXT, _HELLO)
            data = rest
        while len(data) >= 2:
            length, start = data[1] & 0x7F, 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            if len(data) < start + length:
                break
            self._take(data[0] & 0x0F, data[start : start + length])
            data = data[start + length :]
        self._buffer = data

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.count("left")

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._write(_PONG, payload)
        elif opcode == _CLOSE:
            self._write(_CLOSE, payload[:2])
        elif b'"type":"offer"' in payload:
            number = _NUMBER.search(payload)
            assert number is not None
            self._write(_TEXT, _BEFORE + b'"offer":' + number[1] + _AFTER)
        elif b'"type":"welcome"' in payload:
            self._crowd.count("welcomed")
        elif b'"type":"bye"' in payload:
            retry = _RETRY.search(payload)
            self._crowd.count("bye with a time" if retry else "bye for good")
            if retry:
                self._crowd.retries.append(float(retry[1]))

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame(opcode, payload))


class Crowd:
    """All volunteers, and counts of what happened to them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.counts: Counter[str] = Counter()
        self.retries: list[float] = []
        self._changed = asyncio.Event()

    def count(self, what: str) -> None:
        """Count that `what` happened to a volunteer."""
        self.counts[what] += 1
        self._changed.set()

    async def connect(self, count: int, most: int) -> dict[str, Any]:
        """Connect `count` volunteers, `most` at once; return how long it took to welcome all."""
        self.counts.clear()
        self.retries.clear()
        start = time.monotonic()
        loop = asyncio.get_running_loop()

        async def dial() -> None:
            try:
                await loop.create_connection(lambda: Volunteer(self), "127.0.0.1", self._port)
            except OSError:
                self.count("refused")

        while self._settled < count and not self.counts["late"]:
            batch = min(most, count - self._settled)
            target = self._settled + batch
            async with asyncio.TaskGroup() as group:
                for _ in range(batch):
                    group.create_task(dial())
            await self._until(partial(self._reached, target))
        return {"seconds": time.monotonic() - start, **self.counts}

    def _reached(self, target: int) -> bool:
        return self._settled >= target or self.counts["late"] > 0

    @property
    def _settled(self) -> int:
        return self.counts["welcomed"] + self.counts["refused"] + self.counts["left"]

    async def dismiss(self) -> dict[str, Any]:
        """Wait until all volunteers have been sent away."""
        await self._until(lambda: self.counts["left"] >= self.counts["welcomed"])
        return {**self.counts, "longest_retry_s": max(self.retries, default=0.0)}

    async def _until(self, done: Any) -> None:
        try:
            async with asyncio.timeout(_CONNECT_S):
                while not done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self.counts["late"] += 1


class Readers:
    """Readers whose requests are sealed before the clock runs, and replies opened after it."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def matches(self, count: int, concurrent: int, offers: int) -> dict[str, Any]:
        """Send `count` requests over `concurrent` connections."""
        todo = [self._request(offers) for _ in range(count)]
        replies: list[tuple[RendezvousRequest, X25519PrivateKey, bytes]] = []
        times: list[float] = []
        waiting = iter(todo)
        pairs = [await asyncio.open_connection("127.0.0.1", self._port) for _ in range(concurrent)]
        start = time.monotonic()

        async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for request, key, post in waiting:
                began = time.monotonic()
                writer.write(post)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                times.append(time.monotonic() - began)
                replies.append((request, key, body))

        async with asyncio.TaskGroup() as group:
            for pair in pairs:
                group.create_task(work(*pair))
        seconds = time.monotonic() - start
        for _, writer in pairs:
            writer.close()
        answered = sum(self._answers(*reply) for reply in replies)
        return {
            "seconds": seconds,
            "answered": answered,
            "p50_ms": 1000 * percentile(times, 0.5),
            "p99_ms": 1000 * percentile(times, 0.99),
        }

    def _request(self, offers: int) -> tuple[RendezvousRequest, X25519PrivateKey, bytes]:
        key = X25519PrivateKey.generate()
        request = RendezvousRequest(
            version=rendezvous.VERSION,
            time_s=int(time.time()),
            nonce=secrets.token_bytes(16),
            reply_key=key.public_key().public_bytes_raw(),
            offers=(description(Setup.ACTPASS),) * offers,
        )
        sealed = rendezvous.seal_request(request, SEAL_PUBLIC)
        head = f"POST /v1/rendezvous HTTP/1.1\r\nHost: b\r\nContent-Length: {len(sealed)}\r\n\r\n"
        return request, key, head.encode() + sealed

    def _answers(self, request: RendezvousRequest, key: X25519PrivateKey, body: bytes) -> int:
        try:
            reply = rendezvous.open_reply(body, key, request)
        except PeerError:
            return 0
        return sum(isinstance(answer, Answer) for answer in reply.answers)


async def main(port: int) -> None:
    """Obey commands until standard input ends."""
    crowd, readers = Crowd(port), Readers(port)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *numbers = line.split()
        if command == "connect":
            answer = await crowd.connect(*map(int, numbers))
        elif command == "dismiss":
            answer = await crowd.dismiss()
        else:
            answer = await readers.matches(*map(int, numbers))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
