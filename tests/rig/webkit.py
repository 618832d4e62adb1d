"""Drive a real WebKit, Debian's `webkit2gtk-driver`, on an X server without a screen.

It speaks WebDriver (https://www.w3.org/TR/webdriver2/). This build of WebKit has no WebRTC, so it
stands for browsers without it, and for how Safari lays a page out.
"""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp import web

from passerelle.io.server.web import WebServer, application
from tests.rig.ports import free_port
from tests.rig.program import Program

HOST: Final = "127.0.0.1"
START_S: Final = 30.0
POLL_S: Final = 0.1
PAINTED: Final = (
    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
)


class WebKit:
    """One window, during an `async with`."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._http: aiohttp.ClientSession
        self._base = f"http://{HOST}:{free_port()}"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            screen = Program("Xvfb", "-displayfd", "1", "-screen", "0", "800x900x24")
            await stack.enter_async_context(screen)
            display = await screen.expect(r"(?m)^(\d+)$")
            environment = f"DISPLAY=:{display[1]}"
            port = self._base.rpartition(":")[2]
            driver = Program("env", environment, "WebKitWebDriver", f"--port={port}")
            await stack.enter_async_context(driver)
            self._http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
            await self._ready()
            session = await self._ask("POST", "/session", capabilities={})
            self._base += f"/session/{session['sessionId']}"
            stack.push_async_callback(self._ask, "DELETE", "")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def goto(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        await self._ask("POST", "/url", url=url)

    async def enter_frame(self) -> None:
        """Let what follows be about the page in the first frame."""
        frame = await self._ask("POST", "/element", using="css selector", value="iframe")
        await self._ask("POST", "/frame", id=frame)

    async def evaluate(self, expression: str, *arguments: object) -> Any:
        """Return the value of a function that is called with `arguments`."""
        script = f"return ({expression})(...arguments)"
        return await self._ask("POST", "/execute/sync", script=script, args=arguments)

    async def wait_for_function(self, expression: str) -> None:
        """Wait until a function's result is true."""
        end_s = time.monotonic() + START_S
        while not await self.evaluate(f"() => Boolean(({expression})())"):
            assert time.monotonic() < end_s, f"{expression} did not come true"
            await asyncio.sleep(POLL_S)

    async def screenshot(self, path: Path) -> None:
        """Write a picture of the window to `path`, once all is painted."""
        await self.evaluate(PAINTED)
        path.write_bytes(base64.b64decode(await self._ask("GET", "/screenshot")))

    async def _ready(self) -> None:
        end_s = time.monotonic() + START_S
        while True:
            try:
                await self._ask("GET", "/status")
            except aiohttp.ClientConnectorError:
                assert time.monotonic() < end_s, "WebKitWebDriver did not start"
                await asyncio.sleep(POLL_S)
            else:
                return

    async def _ask(self, method: str, path: str, **body: object) -> Any:
        content = body if method == "POST" else None
        async with self._http.request(method, self._base + path, json=content) as response:
            value = (await response.json())["value"]
        assert response.status == 200, value
        return value


class Phone(WebServer):
    """Serves a page with one frame as wide as a phone, because WebKit's window is wider."""

    def __init__(self, pages: dict[str, str]) -> None:
        """`pages` are further pages as HTML, by their paths."""
        app = application()
        for path, text in pages.items():
            app.router.add_get(path, _serve(text))
        app.router.add_get("/frame", self._frame)
        super().__init__(app, HOST, 0)

    def framed(self, url: str) -> str:
        """Return the address of the page that shows `url`."""
        return f"http://localhost:{self.port}/frame?{url}"

    async def _frame(self, request: web.Request) -> web.Response:
        frame = f'<iframe src="{request.query_string}" width="360" height="640"></iframe>'
        return web.Response(text=f"<!doctype html>{frame}", content_type="text/html")


def _serve(text: str) -> Any:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    return handle
