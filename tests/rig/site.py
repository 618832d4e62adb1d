"""The blocked site: pages, files, uploads and a WebSocket echo, in plain HTTP or with TLS.

`python -m tests.rig.site HOST PORT` runs it as a program.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import random
import ssl
import sys
from types import TracebackType
from typing import Self

from aiohttp import WSMsgType, web

from passerelle.io.server.web import WebServer

TITLE = "The garden of forking paths"
LINE = "Tulips that bloom behind the wall are counted by nobody, number "
PAGE = (
    f"<!doctype html><html lang=en><meta charset=utf-8><title>{TITLE}</title>"
    + "".join(f"<p>{LINE}{number}.</p>" for number in range(200))
    + "</html>\n"
)
TOGETHER = 50
"""How many requests of `/together/…` must have come before any of them is answered."""
CHUNK_BYTES = 64 * 1024
TRICKLE_S = 0.02
"""The pause between two chunks of a slow download: at 3 MB/s, some bytes are always on the way."""


@functools.lru_cache(maxsize=4)
def blob(size: int) -> bytes:
    """Return `size` bytes that no compressor shrinks, always the same ones."""
    return random.Random(size).randbytes(size)


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Site:
    """A web site during an `async with`.

    | path            | answer                                                               |
    |-----------------|----------------------------------------------------------------------|
    | `/`             | `PAGE`                                                               |
    | `/bytes/N`      | `blob(N)`; with `?slow=K` it is slow from byte K on, and does not    |
    |                 | end before the `gate` is open                                        |
    | `/upload`       | the SHA-256 of the request's body                                    |
    | `/together/N`   | `blob(N)`, as soon as `TOGETHER` requests have come                  |
    | `/echo`         | a WebSocket that sends back every message                            |
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> None:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/bytes/{size}", self._bytes)
        app.router.add_put("/upload", self._upload)
        app.router.add_get("/together/{size}", self._together)
        app.router.add_get("/echo", self._echo)
        self._server = WebServer(app, host, port, tls=tls)
        self._barrier = asyncio.Barrier(TOGETHER)
        self.gate = asyncio.Event()
        """Holds back the rest of slow downloads until it is set."""

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._server.port

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _bytes(self, request: web.Request) -> web.StreamResponse:
        data = memoryview(blob(int(request.match_info["size"])))
        slow = int(request.query.get("slow", len(data)))
        response = web.StreamResponse()
        response.content_length = len(data)
        await response.prepare(request)
        for start in range(0, len(data), CHUNK_BYTES):
            if start >= slow:
                await self._trickle(is_last=start + CHUNK_BYTES >= len(data))
            await response.write(data[start : start + CHUNK_BYTES])
        return response

    async def _trickle(self, *, is_last: bool) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if is_last else TRICKLE_S):
                await self.gate.wait()

    async def _upload(self, request: web.Request) -> web.Response:
        found = hashlib.sha256()
        async for chunk in request.content.iter_any():
            found.update(chunk)
        return web.Response(text=found.hexdigest())

    async def _together(self, request: web.Request) -> web.Response:
        await self._barrier.wait()
        return web.Response(body=blob(int(request.match_info["size"])))

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket


async def _run(host: str, port: int) -> None:
    async with Site(host, port):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
