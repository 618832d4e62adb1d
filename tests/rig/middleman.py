"""Servers in the middle of a rendezvous: a content delivery network, and an AMP cache.

Each terminates TLS with its own certificate, records every byte inside it, and records the
ClientHello of each connection. As a program, for other processes and namespaces:

    python -m tests.rig.middleman front LISTEN PORT FOLDER NAME=URL …
    python -m tests.rig.middleman cache LISTEN PORT FOLDER DOMAIN

`front` serves each NAME (a request's Host) from its URL; `cache` fetches the page that a URL below
`PREFIX.DOMAIN` names. FOLDER holds the certificate, and gets the record as `NAME.log`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import h11

from passerelle.wire import amp
from tests.rig.certificate import Certificate

READ_BYTES = 65_536
_LOST = (ConnectionError, ssl.SSLError, h11.RemoteProtocolError, asyncio.IncompleteReadError)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
Origin = Callable[[str, str], str | None]
"""A function that maps a request's Host and path to the URL to fetch, or to None for a 404."""


def fronting(sites: dict[str, str]) -> Origin:
    """Serve each name from a base URL, as a content delivery network does that routes by Host."""

    def origin(host: str, path: str) -> str | None:
        base = sites.get(host)
        return None if base is None else base + path

    return origin


def cache(domain: str) -> Origin:
    """Fetch pages as an AMP cache at `domain` does."""

    def origin(host: str, path: str) -> str | None:
        scheme, rest = "http", path.removeprefix("/c/")
        if rest.startswith("s/"):
            scheme, rest = "https", rest.removeprefix("s/")
        site = rest.partition("/")[0]
        prefix = amp.cache_prefix(site.partition(":")[0])
        if not path.startswith("/c/") or host != f"{prefix}.{domain}":
            return None
        return f"{scheme}://{rest}"

    return origin


class Middleman:
    """A TLS server during an `async with`: HTTP/1.1, and one fetch from the origin per request."""

    def __init__(
        self,
        certificate: Certificate,
        origin: Origin,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self._context = certificate.context()
        self._context.set_alpn_protocols(["http/1.1"])
        self._origin = origin
        self._host = host
        self._wanted_port = port
        self._log = log
        self.seen = bytearray()
        """Every byte of requests and replies, decrypted."""
        self.hellos: list[bytes] = []
        """The ClientHello of each connection, unchanged."""
        self.requests = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.silent = False
        """Whether to accept connections and send nothing, like a firewall that drops packets."""

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=False, trust_env=False)
        self._server = await asyncio.start_server(
            self._keeping(self._connected), self._host, self._wanted_port
        )
        self._inner = await asyncio.start_server(
            self._keeping(self._serve), "127.0.0.1", 0, ssl=self._context, ssl_handshake_timeout=10
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in (self._server, self._inner):
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    def _keeping(self, handle: Handler) -> Handler:
        """Wrap `handle`: `__aexit__` cancels it, and its connection is closed in any case."""

        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await handle(reader, writer)
            except (*_LOST, asyncio.CancelledError):
                pass  # asyncio would report a cancelled handler as an error
            finally:
                self._tasks.discard(task)
                await _close(writer)

        return run

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Record the ClientHello, then pass all bytes to the TLS server inside."""
        head = await reader.readexactly(5)
        hello = head + await reader.readexactly(int.from_bytes(head[3:5]))
        self.hellos.append(hello)
        if self.silent:
            await reader.read()
            return
        port = self._inner.sockets[0].getsockname()[1]
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            inner_writer.write(hello)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, inner_writer))
                group.create_task(_pump(inner_reader, writer))
        finally:
            await _close(inner_writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await self._answer(reader, writer):
            pass

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether another may follow."""
        talk = h11.Connection(h11.SERVER)
        request, body = None, bytearray()
        while not isinstance(event := talk.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                data = await reader.read(READ_BYTES)
                if not data:
                    return False
                self._note(data)
                talk.receive_data(data)
        assert request is not None
        self.requests += 1
        status, reply = await self._fetch(request, bytes(body))
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(reply)}\r\n\r\n".encode()
        self._note(head + reply)
        writer.write(head + reply)
        await writer.drain()
        return True

    async def _fetch(self, request: h11.Request, body: bytes) -> tuple[int, bytes]:
        host = dict(request.headers).get(b"host", b"").decode()
        url = self._origin(host, request.target.decode())
        if url is None:
            return 404, b"no such site here"
        try:
            async with self._http.request(
                request.method.decode(), url, data=body or None, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except aiohttp.ClientError:
            return 502, b"the origin cannot be reached"

    def _note(self, data: bytes) -> None:
        self.seen += data
        if self._log is not None:
            with self._log.open("ab") as file:
                file.write(data)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*_LOST):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(*_LOST):
        await writer.wait_closed()


async def _run(kind: str, host: str, port: str, folder: str, *words: str) -> None:
    certificate = Certificate(Path(folder) / "site.pem", Path(folder) / "site.key")
    if kind == "cache":
        origin = cache(words[0])
    else:
        origin = fronting(dict(word.split("=", 1) for word in words))
    log = Path(folder) / f"{kind}.log"
    async with Middleman(certificate, origin, host=host, port=int(port), log=log):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
