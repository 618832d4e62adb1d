"""A blocked newspaper, its network, and a mirror of its reading page, for real browsers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from playwright.async_api import FrameLocator, Page

from passerelle import readingpage
from passerelle.demo import herald, sites
from passerelle.demo.reading import OPEN, network, static_host
from passerelle.demo.run import HOST
from passerelle.io.server.web import WebServer
from passerelle.readingpage import ReadingPage
from passerelle.serve import Servers
from tests.rig.firefox import Firefox, Preferences
from tests.rig.volunteer import Chromium, flip

PATIENCE_S: Final = 30.0
"""How long something may take to be there."""
BIG_BYTES: Final = 3_000_000
"""Size of the newspaper's large file."""
PAGES: Final = Path(__file__).parent / "reading_pages"
OUTSIDE: Final = "elsewhere.example"
"""A host that is not the newspaper's."""


class Newspaper:
    """The site, with pages for tests beside the demo's; it counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.cookies: list[str] = []
        """The Cookie lines that came."""
        self.ranges: list[str] = []
        """The Range lines that came."""
        self.half = asyncio.Event()
        """Set when the first half of the large file was sent, or the slow page was asked for."""
        self.go_on = asyncio.Event()
        """The rest of the large file, and the slow page, are sent once this is set."""
        self.pages: dict[str, Handler] = {}
        """What answers below `/page/` by name, where no file does."""
        self.app = herald.newspaper()
        self.app.middlewares.append(noting(self._note))
        routes = self.app.router
        routes.add_get("/page/{name}", self._page)
        routes.add_get("/big", self._big)
        routes.add_route("*", "/slow", self._slow)
        routes.add_get("/slowly", self._slowly)
        routes.add_get("/moved", self._moved)
        routes.add_get("/leaves", self._leaves)
        routes.add_post("/form", self._form)

    def _note(self, request: web.Request) -> None:
        self.asked[request.path] += 1
        if cookie := request.headers.get("Cookie"):
            self.cookies.append(cookie)
        if part := request.headers.get("Range"):
            self.ranges.append(part)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if made := self.pages.get(name):
            return await made(request)
        if not (PAGES / f"{name}.html").is_file():
            raise web.HTTPNotFound
        text = (PAGES / f"{name}.html").read_text()
        response = web.Response(text=text, content_type="text/html")
        response.headers["X-Frame-Options"] = "DENY"
        response.set_cookie("secret", "kept", httponly=True)
        return response

    async def _big(self, request: web.Request) -> web.StreamResponse:
        data = big()
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {
            "ETag": '"one"',
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        response.content_length = len(data) - start
        await response.prepare(request)
        middle = max(start, BIG_BYTES // 2)
        await response.write(data[start:middle])
        self.half.set()
        await self.go_on.wait()
        await response.write(data[middle:])
        return response

    async def _slow(self, _request: web.Request) -> web.Response:
        self.half.set()
        await self.go_on.wait()
        return web.Response(text="<h1>At last</h1>", content_type="text/html")

    async def _slowly(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(b"<!doctype html><h1>First half</h1>" + b" " * 20_000)
        self.half.set()
        await self.go_on.wait()
        await response.write(b"<h2>Second half</h2>")
        return response

    async def _moved(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound("/story/library")

    async def _leaves(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://{OUTSIDE}/")

    async def _form(self, request: web.Request) -> web.Response:
        form = await request.post()
        name = str(form["name"])
        return web.Response(text=f"<h1>Thanks, {name}</h1>", content_type="text/html")


def noting(note: Callable[[web.Request], None]) -> Middleware:
    """Return a middleware that calls `note` with each request."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        note(request)
        return await handler(request)

    return middleware


def big() -> bytes:
    """Return the BIG_BYTES of the large file."""
    return (bytes(range(251)) * (BIG_BYTES // 251 + 1))[:BIG_BYTES]


class Reading:
    """Everything that a reader needs, during an `async with`."""

    def __init__(
        self,
        chrome: Chromium,
        site: web.Application | int | None = None,
        names: tuple[str, ...] = (herald.NAME,),
    ) -> None:
        """`site` is another one than the newspaper, or its port; of `names` the first is main."""
        self.chrome = chrome
        self._served = site
        self._names = names
        self._stack = AsyncExitStack()
        self.newspaper = Newspaper()
        self.servers: Servers
        self.mirror_paths: list[str] = []
        """What the mirror was asked for, with the cookies that came."""
        self.url = ""
        """Where the reading page is."""
        self.site = ""
        """The site's own main address."""
        self.files: dict[str, bytes] = {}
        """The mirror's files by their paths. What is changed here is served so."""
        self.single = b""
        """The single file."""
        self.publisher = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            port = await self._serve(stack)
            self.servers = await stack.enter_async_context(network(port, self._names))
            origins = tuple(f"http://{name}:{port}" for name in self._names)
            self.site = origins[0]
            page = ReadingPage(
                site=origins,
                invite=str(self.servers.invite.plain),
                brokers=(self.servers.invite.url,),
                document=self.servers.document,
            )
            files = readingpage.built()
            self.single = readingpage.single_file(files, page)
            self.files = readingpage.mirror(files, page)
            host = static_host(self.files)
            host.middlewares.append(noting(self._note))
            mirror = await stack.enter_async_context(WebServer(host, HOST, 0))
            self.url = f"http://localhost:{mirror.port}"
            assert self.servers.tag is not None
            publisher = await stack.enter_async_context(
                WebServer(sites.publisher(self.servers.tag), HOST, 0)
            )
            self.publisher = f"http://{HOST}:{publisher.port}/"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _serve(self, stack: AsyncExitStack) -> int:
        """Serve the site, if nobody does yet, and return its port."""
        if isinstance(self._served, int):
            return self._served
        app = self._served or self.newspaper.app
        return (await stack.enter_async_context(WebServer(app, HOST, 0))).port

    def _note(self, request: web.Request) -> None:
        self.mirror_paths.append(f"{request.path} {request.headers.get('Cookie', '')}".strip())

    async def volunteer(self) -> Page:
        """Open the publisher's page and flip the switch; it is closed with the network."""
        page = await self.chrome.open(self.publisher)
        # One that has lost its network would go on looking for it beside all later tests.
        self._stack.push_async_callback(page.context.close)
        await flip(page)
        return page

    async def reader(self, path: str = "/", *, start: bool = True) -> Page:
        """Open the reading page in a profile of its own; with `start`, agree to the notice.

        It is closed with the network, too.
        """
        context = await self.chrome.browser.new_context(
            viewport={"width": 360, "height": 740}, locale="en-US"
        )
        self._stack.push_async_callback(context.close)
        context.set_default_timeout(PATIENCE_S * 1e3)
        page = await context.new_page()
        await page.goto(self.url + path)
        await page.locator("button.start").wait_for()
        if start:
            await page.click("button.start")
        return page


def shown(page: Page) -> FrameLocator:
    """Return the site as the reader sees it."""
    return page.frame_locator("iframe[name=site]")


def chromium() -> Chromium:
    """Return a Chromium whose pages name their addresses on this computer."""
    return Chromium(*OPEN)


def open_firefox(preferences: Preferences | None = None) -> Firefox:
    """Return a Firefox whose pages do so, with more `preferences`."""
    named = {"media.peerconnection.ice.obfuscate_host_addresses": False}
    return Firefox({**named, **(preferences or {})})
