"""A reader with a good ticket who floods an exit: one process, told what to do by lines.

`attack KIND SECONDS` floods over one session. When the exit ends it, another one with the same
ticket follows, at most two a second: each link takes a ticket of a broker's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hpack import Encoder

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import TlsPipe, client_context
from passerelle.io.tunnel.websocket import MESSAGE_LIMIT_BYTES, SUBPROTOCOL, WebSocketTransport
from passerelle.wire.control import Control
from passerelle.wire.frames import Ack, Close, Data, Frame, Hello, Padding, Ping, Pong
from passerelle.wire.tickets import Ticket, TicketKind, sign

HOST = "127.0.0.1"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CHUNK_BYTES = 12_000
AHEAD_BYTES = 1 << 20
"""What is sent beyond what the exit has acknowledged."""
NICENESS = 10
"""What a flood takes from others shall be the exit's processor, not that of the honest reader's own
process on the same machine."""
PAUSE_S = 0.5
"""The time from one session to the next."""
STEP = 200
"""Frames made at a time."""


def http2(kind: int, stream: int, body: bytes = b"", flags: int = 0) -> bytes:
    """Return one frame of HTTP/2."""
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def request(stream: int, authority: str) -> bytes:
    """Return a CONNECT request that refers to no earlier headers."""
    fields = Encoder().encode([(":method", "CONNECT"), (":authority", authority)])
    return http2(1, stream, fields, 4)


def _same(frame: bytes) -> Iterator[bytes]:
    return itertools.repeat(frame * STEP)


def _requests(one: Callable[[int], bytes]) -> Iterator[bytes]:
    for first in itertools.count(3, 2 * STEP):
        yield b"".join(one(first + 2 * n) for n in range(STEP))


class Session:
    """One session over one link, whose bytes the flood writes."""

    def __init__(self, hello: Hello) -> None:
        self._hello = hello
        self._offset = self._acknowledged = 0
        self.ready = asyncio.Event()
        self.moved = asyncio.Event()
        self.over = False

    def link_ready(self, link: SecureLink) -> None:
        """Say HELLO."""
        link.send([self._hello])
        self.ready.set()

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Acknowledge what comes, and note what the exit has taken."""
        for frame in frames:
            match frame:
                case Data(offset, payload):
                    end = offset + len(payload)
                    link.send([Ack(end, 0.0, end)])
                case Ack():
                    self._acknowledged = frame.in_order
                    self.moved.set()
                case Ping(token):
                    link.send([Pong(token)])
                case Close():
                    self._end()
                case _:
                    pass

    def link_windows(self, link: SecureLink) -> None:
        """Ignore windows."""

    def link_draining(self, link: SecureLink) -> None:
        """Ignore it."""

    def link_control(self, link: SecureLink, message: Control) -> None:
        """Ignore it."""

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """Note the end."""
        self._end()

    def _end(self) -> None:
        self.over = True
        self.ready.set()
        self.moved.set()

    async def write(self, link: SecureLink, data: bytes) -> None:
        """Send bytes of the session when the exit has taken enough of the earlier ones."""
        for start in range(0, len(data), CHUNK_BYTES):
            while not self.over and self._offset - self._acknowledged > AHEAD_BYTES:
                self.moved.clear()
                await self.moved.wait()
            piece = data[start : start + CHUNK_BYTES]
            link.send([Data(self._offset, piece)])
            self._offset += len(piece)
            await asyncio.sleep(0)


class Flooder:
    """All sessions of one ticket, one after the other."""

    def __init__(self, url: str, key: Ed25519PrivateKey, pin: bytes, site_port: int) -> None:
        self._url = url
        self._key = key
        self._pins = (pin,)
        self._site = f"{HOST}:{site_port}"
        self._context = client_context()
        self._kind = ""
        self._ticket = ""

    def _make_ticket(self, kind: TicketKind) -> str:
        ticket = Ticket(kind, "exit-1", int(time.time()) + 500, secrets.token_bytes(16))
        return sign(ticket, self._key)

    def _flood(self, kind: str) -> Iterator[bytes]:
        """Return bytes of HTTP/2 without end."""
        site, refused = request(1, self._site), request(1, "no-port" + "-" * 60)
        match kind:
            case "one-byte DATA":
                return itertools.chain((site,), _same(http2(0, 1, b"r")))
            case "empty DATA":
                return itertools.chain((site,), _same(http2(0, 1)))
            case "malformed CONNECT":
                return _requests(lambda stream: request(stream, "no-port" + "-" * 60))
            case "frames on a broken stream":
                return itertools.chain((refused,), _same(http2(0, 1, b"r")))
            case "SETTINGS":
                return _same(http2(4, 0, b"\0\4\0\1\0\0"))
            case "PING":
                return _same(http2(6, 0, bytes(8)))
            case "requests that are reset":
                return _requests(lambda n: request(n, self._site) + http2(3, n, bytes(4)))
            case _:
                raise ValueError(kind)

    async def attack(self, http: aiohttp.ClientSession, kind: str, seconds: float) -> None:
        """Flood for `seconds`; floods of one kind share a ticket."""
        if kind != self._kind:
            self._kind, self._ticket = kind, self._make_ticket(TicketKind.CLIENT)
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._session(http, kind)
                    await asyncio.sleep(PAUSE_S)
            except (TimeoutError, aiohttp.ClientError):
                pass

    async def _session(self, http: aiohttp.ClientSession, kind: str) -> None:
        session = Session(Hello(secrets.token_bytes(16), True, 0, self._ticket))
        async with http.ws_connect(
            self._url,
            protocols=(SUBPROTOCOL, self._make_ticket(TicketKind.LINK)),
            max_msg_size=MESSAGE_LIMIT_BYTES,
        ) as socket:
            transport = WebSocketTransport(socket)
            link = SecureLink(1, transport, TlsPipe(self._context, self._pins), session)
            link.start()
            running = asyncio.ensure_future(transport.run())
            try:
                await session.ready.wait()
                await self._pour(session, link, kind)
            finally:
                link.close(LinkCode.NORMAL)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def _pour(self, session: Session, link: SecureLink, kind: str) -> None:
        await session.write(link, PREFACE + http2(4, 0))
        frames: dict[str, list[Frame]] = {
            "frames of the link: PING": [Ping(n) for n in range(1000)],
            "frames of the link: old DATA": [Data(0, b"P") for _ in range(1000)],
            "tiny messages": [Padding(0)],
        }
        if kind not in frames:
            for data in self._flood(kind):
                if session.over:
                    return
                await session.write(link, data)
        while not session.over:
            link.send(frames[kind])
            await asyncio.sleep(0)
            while link_backlog(link) > AHEAD_BYTES:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def link_backlog(link: SecureLink) -> int:
    """Return how many bytes wait in a link's WebSocket."""
    return int(link._transport._queued_bytes)  # type: ignore[attr-defined]


async def main() -> None:
    """Do what standard input says."""
    parser = argparse.ArgumentParser(prog="python -m bench.attacks.flooder")
    parser.add_argument("url")
    parser.add_argument("key", type=Path)
    parser.add_argument("pin", type=bytes.fromhex)
    parser.add_argument("site_port", type=int)
    options = parser.parse_args()
    key = serialization.load_pem_private_key(options.key.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    os.nice(NICENESS)
    flooder = Flooder(options.url, key, options.pin, options.site_port)
    async with aiohttp.ClientSession() as http:
        print("linked", flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            _, seconds, kind = line.strip().split(" ", 2)
            await flooder.attack(http, kind, float(seconds))
            print("0", flush=True)


if __name__ == "__main__":
    uvloop.run(main())
