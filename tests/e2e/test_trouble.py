"""What the switch says when a part, the page's policy, an exit or the broker is the trouble."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as FilePath

import pytest
from aiohttp import web
from playwright.async_api import Page

from passerelle.io.server.web import WebServer, application
from passerelle.serve import BUILT_WIDGET
from tests.rig.firefox import Firefox, FirefoxPage
from tests.rig.firefox import until as firefox_until
from tests.rig.stage import Stage, tag
from tests.rig.volunteer import Chromium, state, until
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

NOTICED_S = 22.0
"""A switch that helps nobody asks its broker each 15 s, and waits for 5 s at most. It is not so
seldom in its first seconds."""
"""A broker that answers nothing is noticed within 4.5 s; the machine may be slow."""


class Parts:
    """Serves the built widget at `url`. The first request for each part in `faults` fails."""

    def __init__(self, **faults: str) -> None:
        """Each fault is `503`, `html` (another file's text with status 200) or `drop`."""
        self._faults = faults
        self.asked: list[str] = []
        """The names of the parts that were asked for."""
        app = application()
        app.router.add_get("/w/{name}", self._serve)
        self._server = WebServer(app, "127.0.0.1", 0)

    async def __aenter__(self) -> Parts:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.__aexit__(None, None, None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/w/passerelle.js"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        part, *_ = name.split(".")
        self.asked.append(part)
        headers = {"Access-Control-Allow-Origin": "*"}
        fault = self._faults.pop(part, None)
        if fault == "503":
            return web.Response(status=503, headers=headers)
        if fault == "html":
            text = "<!doctype html><title>Sign in</title>"
            return web.Response(text=text, content_type="text/html", headers=headers)
        if fault == "drop":
            assert request.transport is not None
            request.transport.close()
            raise web.HTTPServiceUnavailable
        if name == "passerelle.js":
            name = next(BUILT_WIDGET.glob("passerelle.*.js")).name
        body = (BUILT_WIDGET / name).read_bytes()
        kind = "application/json" if name.endswith(".json") else "text/javascript"
        return web.Response(body=body, content_type=kind, headers=headers)


class Visit:
    """One page, in either browser."""

    def __init__(self, page: Page | FirefoxPage) -> None:
        self.page = page
        self._console: list[str] = []
        if isinstance(page, Page):
            page.on("console", lambda message: self._console.append(message.text))

    @property
    def console(self) -> list[str]:
        """What our own code said on the console."""
        lines = self._console if isinstance(self.page, Page) else list(self.page.console)
        return [line for line in lines if "passerelle-switch:" in line]

    async def press(self) -> None:
        await self.page.click("role=switch")

    async def agree(self) -> None:
        await self.page.click('role=button[name="Turn on"]')

    async def until(self, condition: str, timeout_s: float = 30) -> None:
        wait = until if isinstance(self.page, Page) else firefox_until
        await wait(self.page, condition, timeout_s)  # type: ignore[arg-type]


@asynccontextmanager
async def visit(name: str, chrome: Chromium, firefox: Firefox, url: str) -> AsyncIterator[Visit]:
    """Open `url` in the browser `name`."""
    if name == "firefox":
        page = await firefox.open("about:blank")
        try:
            await page.goto(url)
            yield Visit(page)
        finally:
            await page.close()
        return
    context = await chrome.browser.new_context(locale="en-US")
    blank = await context.new_page()
    visit_ = Visit(blank)
    await blank.goto(url)
    try:
        yield visit_
    finally:
        await context.close()


BROWSERS = pytest.mark.parametrize("browser", ["chromium", "firefox"])


# --- parts -------------------------------------------------------------------------------------


@BROWSERS
@pytest.mark.parametrize("fault", ["503", "html", "drop"])
@pytest.mark.parametrize("part", ["engine", "relay"])
async def test_the_second_try_works_after_a_part_failed(
    part: str, fault: str, browser: str, chrome: Chromium, firefox: Firefox, way: Way
) -> None:
    """The visitor is told that a part is missing; pressing again asks for it again."""
    async with Parts(**{part: fault}) as parts, Stage(parts.url) as stage:
        url = stage.put("once", tag(way.invite))
        async with visit(browser, chrome, firefox, url) as here:
            await here.press()
            await here.agree()
            # A browser may try a dropped connection again by itself.
            await here.until("['problem', 'waiting'].includes(s.phase)")
            if (await here.page.evaluate(_PHASE)) == "waiting":
                assert fault == "drop" or parts.asked.count(part) > 1
                return
            await here.until("s.reason === 'script'")
            (line,) = here.console
            assert f"/{part}." in line
            await here.press()
            await here.until("s.phase === 'waiting'")


@BROWSERS
@pytest.mark.parametrize("fault", ["503", "html", "drop"])
async def test_the_question_comes_at_the_second_try(
    fault: str, browser: str, chrome: Chromium, firefox: Firefox, way: Way
) -> None:
    """Without the part that has the consent text nobody is asked; pressing again asks for it."""
    async with Parts(more=fault) as parts, Stage(parts.url) as stage:
        url = stage.put("question", tag(way.invite))
        async with visit(browser, chrome, firefox, url) as here:
            await here.press()
            # A browser may try again by itself.
            await here.page.wait_for_function(f"() => {_PHASE} === 'problem' || !!{_AGREE}")
            if await here.page.evaluate(_PHASE) == "problem":
                await here.until("s.reason === 'script'")
                assert "could not be loaded" in await here.page.inner_text(".status")
                await here.press()
            await here.agree()
            await here.until("s.phase === 'waiting'")


_AGREE = "document.querySelector('passerelle-switch').shadowRoot.querySelector('.agree')"
_PHASE = "document.querySelector('passerelle-switch').snapshot.phase"


@BROWSERS
async def test_the_globe_comes_at_the_second_try(
    browser: str, chrome: Chromium, firefox: Firefox, way: Way
) -> None:
    """What failed once is fetched again when it is needed again, also deeper in the switch."""
    async with Parts(map="503") as parts, Stage(parts.url) as stage:
        url = stage.put("globe", tag(way.invite))
        async with visit(browser, chrome, firefox, url) as here:
            await here.press()
            await here.agree()
            await here.until("s.phase === 'waiting'")
            await here.press()
            await here.until("s.phase === 'off'")
            await here.press()
            await here.until("s.phase === 'waiting'")
            await here.page.wait_for_function(
                "() => !!document.querySelector('passerelle-switch').shadowRoot"
                ".querySelector('canvas')"
            )


# --- the page's policy ---------------------------------------------------------------------------


@BROWSERS
@pytest.mark.parametrize("missing", ["more", "relay", "worker", "network", "broker", "exit"])
async def test_what_the_policy_forbids_is_told_as_that(
    missing: str, browser: str, chrome: Chromium, firefox: Firefox, way: Way
) -> None:
    """The visitor reads that the page's policy is the reason, the publisher what it lacks.

    A page learns what the policy says of an exit when the first person comes.
    """
    exit_ = f"ws://127.0.0.1:{way.ports[1]}"
    async with Parts() as parts, Stage(parts.url) as stage:
        origin = parts.url.removesuffix("/w/passerelle.js")
        broker = way.base.replace("http", "ws")
        connect = {"relay": origin, "network": way.base, "broker": broker, "exit": exit_}
        scripts = parts.url if missing == "more" else origin
        policy = (
            f"script-src {scripts}; worker-src {'blob:' if missing != 'worker' else origin};"
            f" connect-src {' '.join(host for name, host in connect.items() if name != missing)}"
        )
        url = stage.put("policy", tag(way.invite), headers={"Content-Security-Policy": policy})
        async with visit(browser, chrome, firefox, url) as here:
            await here.press()
            if missing != "more":
                await here.agree()
            if missing == "exit":
                async with way.client():
                    await here.until("s.phase === 'problem'")
            await here.until("s.phase === 'problem' && s.reason === 'policy'")
            text = await here.page.inner_text(".status")
            assert "security policy" in text
            wanted = {**connect, "relay": "/relay.", "more": "/more.", "worker": "blob:"}[missing]
            lines = [line for line in here.console if wanted in line]
            assert any("this page's Content-Security-Policy forbids" in line for line in lines), (
                lines
            )


@BROWSERS
async def test_a_sandbox_is_not_told_as_an_old_browser(
    browser: str, chrome: Chromium, firefox: Firefox, way: Way
) -> None:
    """Without `allow-same-origin` the switch works in Firefox; in Chromium the publisher learns
    why it does not.
    """
    async with Parts() as parts, Stage(parts.url) as stage:
        headers = {"Content-Security-Policy": "sandbox allow-scripts"}
        url = stage.put("sandbox", tag(way.invite), headers=headers)
        async with visit(browser, chrome, firefox, url) as here:
            await here.press()
            await here.agree()
            works = browser == "firefox"
            await here.until(f"s.phase === '{'waiting' if works else 'problem'}'")
            if not works:
                assert "security policy" in await here.page.inner_text(".status")
                assert any("allow-same-origin" in line for line in here.console), here.console


# --- exits and brokers ---------------------------------------------------------------------------


async def test_an_exit_that_is_down_is_told(chrome: Chromium, tmp_path: FilePath) -> None:
    """After two people came in vain the switch says so, and nobody else is sent."""
    async with Way(tmp_path, chrome, "--allow", "127.0.0.0/8") as own, own.volunteer() as page:
        await own.exit.stop()
        async with own.client(), own.client():
            await until(page, "s.phase === 'retrying' && s.reason === 'exit_unreachable'")
        await page.get_by_text("The operator’s server").wait_for()
        assert (await state(page))["retry_s"] > 10


async def test_a_broker_that_hangs_is_noticed(chrome: Chromium, tmp_path: FilePath) -> None:
    """The switch is not "ready" on a dead connection, and is again when the broker answers."""
    async with Way(tmp_path, chrome, "--allow", "127.0.0.0/8") as own, own.volunteer() as page:
        os.kill(own.broker.pid, signal.SIGSTOP)
        try:
            await until(page, "s.phase === 'connecting'", timeout_s=NOTICED_S)
        finally:
            os.kill(own.broker.pid, signal.SIGCONT)
        await until(page, "s.phase === 'waiting'")
