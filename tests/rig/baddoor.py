"""A door that passes on what the operator tries, and cheats readers."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import web

from passerelle.exit.gateway.post import CONTENT_TYPE
from passerelle.io.server.web import WebServer
from passerelle.wire import doors
from passerelle.wire.ways import NETWORK_PATH, RENDEZVOUS_PATH
from tests.network import HOST

CHEATS: Final = ("lies", "repeats", "answers HTML", "holds for ever", "redirects", "drips")
DRIP_S: Final = 1.0
"""Time between two bytes of an answer that drips."""
_ANY: Final = {"Access-Control-Allow-Origin": "*"}


class BadDoor:
    """One that cheats in a way of CHEATS; `bad_door` runs it."""

    def __init__(self, cheat: str) -> None:
        self.cheat = cheat
        self.asks_well = False
        """Whether it passes requests for volunteers on, and cheats with the site's pages only."""
        self.upstream = ""
        """The network's base URL."""
        self.key = ""
        """Its key in the network."""
        self.url = ""
        """The door's."""
        self.asked: Counter[str] = Counter()
        """The paths that readers sent sealed messages to."""
        self._first: dict[str, bytes] = {}
        """The first answer that came for each path, and what is not one to begin with."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == NETWORK_PATH:
            async with self._http.get(self.upstream + NETWORK_PATH) as answer:
                return web.Response(body=await answer.read(), headers=_ANY)
        if request.method != "POST":
            raise web.HTTPNotFound
        sealed = await request.read()
        self.asked[request.path] += sealed != doors.TRIAL
        if sealed == doors.TRIAL or (self.asks_well and request.path == RENDEZVOUS_PATH):
            own = {doors.HEADER: self.key}
            at = self.upstream + request.path
            async with self._http.post(at, data=sealed, headers=own) as answer:
                return web.Response(body=await answer.read(), headers=_ANY)
        if self.cheat == "holds for ever":
            await asyncio.Event().wait()
        if self.cheat == "redirects":
            headers = {"Location": f"{self.url}/elsewhere", **_ANY}
            return web.Response(status=307, headers=headers)
        if self.cheat == "answers HTML":
            return web.Response(text="<h1>It works!", content_type="text/html", headers=_ANY)
        if self.cheat == "drips":
            return await self._drip(request, sealed)
        if self.cheat == "repeats":
            body = await self._repeated(request.path, sealed)
        else:
            body = secrets.token_bytes(1072)
        return web.Response(body=body, content_type=CONTENT_TYPE, headers=_ANY)

    async def _drip(self, request: web.Request, sealed: bytes) -> web.StreamResponse:
        """Pass a request on, and the answer byte by byte."""
        at = "/v1/gateway" if "gateway" in request.path else request.path
        own = {doors.HEADER: self.key}
        async with self._http.post(self.upstream + at, data=sealed, headers=own) as answer:
            response = web.StreamResponse(headers=_ANY)
            response.content_type = answer.content_type
            await response.prepare(request)
            for byte in await answer.read():
                await response.write(bytes([byte]))
                await asyncio.sleep(DRIP_S)
            return response

    async def _repeated(self, path: str, sealed: bytes) -> bytes:
        """Return the answer that the network gave to the first request for this path."""
        if path not in self._first:
            at = "/v1/gateway" if "gateway" in path else path
            # It asks for itself before, so that no reader gets an answer that is its own.
            async with self._http.post(self.upstream + at, data=sealed) as answer:
                self._first[path] = await answer.read()
                return b""
        return self._first[path]

    async def run(self) -> AsyncIterator[None]:
        """Serve until closed."""
        app = web.Application(client_max_size=4 * 2**20)
        app.router.add_route("*", "/{path:.*}", self.answer)
        async with aiohttp.ClientSession() as self._http, WebServer(app, HOST, 0) as server:
            self.url = f"http://{HOST}:{server.port}"
            yield


@asynccontextmanager
async def bad_door(cheat: str, *, asks_well: bool = False) -> AsyncIterator[BadDoor]:
    """Run one; the network is told to it by `upstream`."""
    made = BadDoor(cheat)
    made.asks_well = asks_well
    async with asynccontextmanager(made.run)():
        yield made
