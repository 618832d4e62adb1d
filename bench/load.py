"""SessionLoad for an exit: readers and volunteers in one process, without a browser.

Each session is a real client's (`passerelle.io.tunnel`); its links are WebSockets straight to the
exit, with link tickets as a volunteer brings them. The program obeys one command a line and answers
with one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.client.handshake import ClientHandshake, ClientSession
from passerelle.errors import LinkCode, LinkLost, StreamFailed
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.io.tunnel.tls import client_context
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.io.tunnel.websocket import MESSAGE_LIMIT_BYTES, SUBPROTOCOL, WebSocketTransport
from passerelle.wire.control import Control
from passerelle.wire.tickets import Ticket, TicketKind, sign

HOST = "127.0.0.1"
AT_ONCE = 32
WELCOME_S = 30.0


class SessionOwner:
    """The owner of a session, which ignores its events."""

    def link_down(self, number: int, error: LinkLost) -> None:
        """Ignore the loss of a link."""

    def link_leaving(self, number: int) -> None:
        """Ignore that a link drains."""

    def link_control(self, number: int, message: Control) -> None:
        """Ignore a relay's message: there is no relay."""

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Ignore a request: an exit makes none."""

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Ignore a request: an exit makes none."""

    def tunnel_leaving(self) -> None:
        """Ignore that the exit drains."""

    def tunnel_ended(self, reason: LinkCode) -> None:
        """Ignore the end of the session; its streams have failed."""


class SessionLoad:
    """Many sessions at one exit."""

    def __init__(self, url: str, key: Ed25519PrivateKey, pin: bytes, site_port: int) -> None:
        self._url = url
        self._key = key
        self._pins = (pin,)
        self._site_port = site_port
        self._context = client_context()
        self._numbers = itertools.count(1)
        self._running: set[asyncio.Task[None]] = set()
        self.tunnels: list[Tunnel] = []

    async def link(self, http: aiohttp.ClientSession, sessions: int, links: int) -> None:
        """Start `sessions` sessions with `links` links each."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with places:
                tunnel = Tunnel(SessionOwner(), client=True, grace_s=600)
                session = ClientSession(secrets.token_bytes(16), tunnel)
                ticket = self._ticket(TicketKind.CLIENT)
                for _ in range(links):
                    await self._join(http, session, ticket)
                self.tunnels.append(tunnel)

        async with asyncio.TaskGroup() as group:
            for _ in range(sessions):
                group.create_task(one())

    async def download(self, seconds: float, counts: Sequence[int]) -> list[int]:
        """Read with `counts[n]` streams of session n; return the bytes each session got."""
        end_s = time.monotonic() + seconds
        got = [0] * len(counts)

        async def read(number: int) -> None:
            stream = self.tunnels[number].open(HOST, self._site_port)
            await stream.write(b"d")
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + seconds):
                    while time.monotonic() < end_s and (data := await stream.read()):
                        got[number] += len(data)
            except TimeoutError:
                pass
            finally:
                stream.abort()

        async with asyncio.TaskGroup() as group:
            for number, count in enumerate(counts):
                for _ in range(count):
                    group.create_task(read(number))
        return got

    async def hold(self, streams: int) -> int:
        """Open `streams` streams in each session; return how many are open."""

        async def one(tunnel: Tunnel) -> int:
            opened = 0
            for _ in range(streams):
                stream = tunnel.open(HOST, self._site_port)
                try:
                    await stream.opened()
                except StreamFailed:
                    continue
                opened += 1
            return opened

        return sum(await asyncio.gather(*(one(tunnel) for tunnel in self.tunnels)))

    async def churn(self, seconds: float, at_once: int) -> int:
        """Open streams and break each off once it is open; return how many were opened."""
        end_s = time.monotonic() + seconds
        count = 0

        async def one(tunnel: Tunnel) -> None:
            nonlocal count
            while time.monotonic() < end_s:
                stream = tunnel.open(HOST, self._site_port)
                await stream.opened()
                count += 1
                stream.abort()

        async with asyncio.TaskGroup() as group:
            for tunnel in self.tunnels:
                for _ in range(at_once):
                    group.create_task(one(tunnel))
        return count

    async def _join(self, http: aiohttp.ClientSession, session: ClientSession, ticket: str) -> None:
        socket = await http.ws_connect(
            self._url,
            protocols=(SUBPROTOCOL, self._ticket(TicketKind.LINK)),
            max_msg_size=MESSAGE_LIMIT_BYTES,
        )
        transport = WebSocketTransport(socket)
        handshake = ClientHandshake(session, ticket)
        joining = asyncio.ensure_future(
            handshake.run(next(self._numbers), transport, self._context, self._pins, WELCOME_S)
        )
        await asyncio.sleep(0)  # until the transport has its receiver
        running = asyncio.ensure_future(transport.run())
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        await joining

    def _ticket(self, kind: TicketKind) -> str:
        ticket = Ticket(kind, "exit-1", int(time.time()) + 500, secrets.token_bytes(16))
        return sign(ticket, self._key)


async def main() -> None:
    """Open the links, then obey commands."""
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    parser.add_argument("url")
    parser.add_argument("key", type=Path)
    parser.add_argument("pin", type=bytes.fromhex)
    parser.add_argument("site_port", type=int)
    parser.add_argument("sessions", type=int)
    parser.add_argument("links", type=int)
    options = parser.parse_args()
    key = serialization.load_pem_private_key(options.key.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    load = SessionLoad(options.url, key, options.pin, options.site_port)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        await load.link(http, options.sessions, options.links)
        print("linked", flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            name, *words = line.split()
            match name:
                case "download":
                    counts = [int(word) for word in words[1:]]
                    answer: object = await load.download(float(words[0]), counts)
                case "hold":
                    answer = await load.hold(int(words[0]))
                case "churn":
                    answer = await load.churn(float(words[0]), int(words[1]))
                case _:
                    raise ValueError(name)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
