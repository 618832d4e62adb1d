"""What a reading page says when something is wrong, in a real Chromium: a sentence each."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler
from playwright.async_api import BrowserContext, Page

from passerelle.keyring import Keyring
from tests.rig.reading import Reading, shown
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

YEAR_MS = 365 * 86_400_000
NO_STORAGE = """for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) {
  const get = () => { throw new DOMException('refused', 'SecurityError'); };
  Object.defineProperty(window, name, { get });
}"""
OLD_DESCRIPTION = """const own = fetch;
window.fetch = (url, ...rest) =>
  String(url).endsWith('network.json') ? Promise.resolve(new Response('{}')) : own(url, ...rest)"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reading(open_chrome: Chromium) -> AsyncIterator[Reading]:
    async with Reading(open_chrome) as made:
        await made.volunteer()
        yield made


@asynccontextmanager
async def reader(open_chrome: Chromium) -> AsyncIterator[tuple[BrowserContext, Page]]:
    context = await open_chrome.browser.new_context(locale="en-US")
    try:
        yield context, await context.new_page()
    finally:
        await context.close()


async def begin(page: Page, reading: Reading, path: str = "/") -> None:
    await page.goto(reading.url + path)
    await page.click("button.start")


async def test_a_description_that_is_forged_is_not_believed(
    open_chrome: Chromium, reading: Reading
) -> None:
    """One by another key, wherever it comes from, connects nobody."""
    _, forged = Keyring.generate().descriptor(
        "Forged",
        broker_url=reading.servers.invite.url,
        exit_url="ws://127.0.0.1:1/v1/link",
        exit_id="exit-1",
        now_s=4e9,
    )
    async with reader(open_chrome) as (context, page):
        for path in ("**/network.json", "**/v1/network"):
            await context.route(
                path,
                lambda route: route.fulfill(
                    body=forged, headers={"Access-Control-Allow-Origin": "*"}
                ),
            )
        await begin(page, reading)
        await page.locator(".trouble", has_text="not signed by the right key").wait_for()


async def test_an_old_mirror_asks_the_broker(open_chrome: Chromium, reading: Reading) -> None:
    """A description that cannot be used is fetched anew, and the site is read."""
    async with reader(open_chrome) as (context, page):
        await context.add_init_script(OLD_DESCRIPTION)
        await begin(page, reading)
        await shown(page).get_by_text("A late harvest").wait_for()


@pytest.mark.parametrize("years", [-6, 0.11, 9])
async def test_a_clock_that_is_years_off_is_named(
    open_chrome: Chromium, reading: Reading, years: float
) -> None:
    async with reader(open_chrome) as (context, page):
        await context.add_init_script(
            f"const now = Date.now; Date.now = () => now() + {years * YEAR_MS}"
        )
        await begin(page, reading)
        await page.locator(".trouble", has_text="This device’s clock").wait_for()


async def test_a_broker_that_is_away_is_told(open_chrome: Chromium, reading: Reading) -> None:
    async with reader(open_chrome) as (context, page):
        await context.route("**/v1/rendezvous", lambda route: route.abort())
        await begin(page, reading)
        await page.locator(".trouble", has_text="cannot be reached").wait_for()


async def test_a_browser_without_webrtc_is_told(open_chrome: Chromium, reading: Reading) -> None:
    async with reader(open_chrome) as (context, page):
        await context.add_init_script("delete window.RTCPeerConnection")
        await page.goto(reading.url)
        await page.get_by_text("WebRTC is missing or turned off").wait_for()


async def test_a_browser_that_keeps_nothing_reads(open_chrome: Chromium, reading: Reading) -> None:
    async with reader(open_chrome) as (context, page):
        await context.add_init_script(NO_STORAGE)
        await begin(page, reading)
        await shown(page).get_by_text("A late harvest").wait_for()


async def test_a_site_that_fails_is_told_apart_from_one_that_is_silent(
    open_chrome: Chromium, reading: Reading
) -> None:
    """Its own page about its fault is shown; where there is none, a sentence is."""

    async def fault(_request: web.Request) -> web.Response:
        return web.Response(status=500, text="<h1>Our fault</h1>", content_type="text/html")

    async def nothing(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def empty(_request: web.Request) -> web.Response:
        return web.Response(status=500)

    reading.newspaper.pages |= {"fault": fault, "nothing": nothing, "empty": empty}
    async with reader(open_chrome) as (_, page):
        await begin(page, reading, "/page/fault")
        await shown(page).locator("h1", has_text="Our fault").wait_for()
        await page.goto(f"{reading.url}/page/nothing")
        await page.locator(".trouble", has_text="does not answer").wait_for()
        await page.goto(f"{reading.url}/page/empty")
        await page.locator(".trouble", has_text="sent an empty page").wait_for()


async def test_a_site_that_is_back_soon_is_asked_again_by_itself(
    open_chrome: Chromium, reading: Reading
) -> None:
    """The sign says when, and the reader presses nothing."""
    is_back = False

    async def restarting(request: web.Request) -> web.Response:
        if is_back:
            return web.Response(text="<h1>Back</h1>", content_type="text/html")
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    reading.newspaper.pages |= {"restarting": restarting}
    async with reader(open_chrome) as (_, page):
        await begin(page, reading, "/page/restarting")
        await page.locator(".retry", has_text="Trying again in").wait_for()
        is_back = True
        await shown(page).locator("h1", has_text="Back").wait_for()
        await page.locator(".trouble").wait_for(state="detached")
        assert await page.locator(".retry").count() == 0


async def test_a_silent_site_costs_no_volunteer(open_chrome: Chromium, reading: Reading) -> None:
    """It is asked once, for longer than a silent volunteer is waited for, and then named."""
    count = 0

    async def silent(_request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        await asyncio.sleep(11)
        return web.Response(text="<h1>At last</h1>", content_type="text/html")

    reading.newspaper.pages |= {"silent": silent}
    async with reader(open_chrome) as (_, page):
        await begin(page, reading, "/page/silent")
        await shown(page).locator("h1", has_text="At last").wait_for()
        assert count == 1
        assert "1 volunteer" in await page.locator(".summary").inner_text()


async def test_a_site_that_redirects_without_end_is_told(
    open_chrome: Chromium, reading: Reading
) -> None:
    count = 0

    async def circle(_request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(status=302, headers={"Location": f"/page/circle?{count}"})

    reading.newspaper.pages |= {"circle": circle}
    async with reader(open_chrome) as (_, page):
        await begin(page, reading, "/page/circle")
        await page.locator(".trouble", has_text="redirects without end").wait_for()
        assert count <= 18


async def test_what_a_site_cuts_off_is_told(open_chrome: Chromium, reading: Reading) -> None:
    """What there is of a page is shown, and its pictures do not hide what is said of it."""

    def short(kind: str, begin: bytes) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "9000", "Content-Type": kind})
            await response.prepare(request)
            await response.write(begin)
            assert request.transport is not None
            request.transport.close()
            return response

        return answer

    text = b"<!doctype html><title>Half</title><h1>Half a story</h1><img src=/page/half>"
    reading.newspaper.pages |= {
        "cut": short("text/html", text),
        "half": short("image/png", b"\x89PNG"),
    }
    async with reader(open_chrome) as (_, page):
        await begin(page, reading, "/page/cut")
        await shown(page).locator("h1", has_text="Half a story").wait_for()
        await page.locator(".trouble", has_text="The end of this page is missing").wait_for()


async def test_a_page_without_end_is_bounded(open_chrome: Chromium, reading: Reading) -> None:
    """A hundred kilobytes become a hundred megabytes in the browser, of which it takes a part.

    The same holds of plain words, packed or as they are.
    """
    html = gzip.compress(b"<!doctype html><h1>Endless</h1><!--" + bytes(96 << 20), 6)
    words = (b"Endless words " * 100 + b"\n") * ((96 << 20) // 1401)

    def answer(body: bytes, **fields: str) -> Handler:
        headers = {name.replace("_", "-"): value for name, value in fields.items()}

        async def handler(_request: web.Request) -> web.Response:
            return web.Response(body=body, headers=headers)

        return handler

    reading.newspaper.pages |= {
        "bomb": answer(html, Content_Encoding="gzip", Content_Type="text/html"),
        "words": answer(words, Content_Type="text/plain"),
        "packed": answer(
            gzip.compress(words, 6), Content_Encoding="gzip", Content_Type="text/plain"
        ),
    }
    async with reader(open_chrome) as (_, page):
        await begin(page, reading, "/page/bomb")
        await page.locator(".trouble", has_text="This page is too large").wait_for()
        await shown(page).locator("h1", has_text="Endless").wait_for()
        for name in ("words", "packed"):
            await page.goto(f"{reading.url}/page/{name}")
            await page.locator(".trouble", has_text="This page is too large").wait_for()
            await shown(page).locator("pre", has_text="Endless").wait_for()


async def test_an_address_of_the_page_itself_leads_to_the_site(
    open_chrome: Chromium, reading: Reading
) -> None:
    async with reader(open_chrome) as (_, page):
        await begin(page, reading)
        await shown(page).get_by_text("A late harvest").wait_for()
        for name in ("x", "shell.html"):
            await page.goto(f"{reading.url}/passerelle.reader/{name}")
            await shown(page).get_by_text("A late harvest").wait_for()
        await page.goto(f"{reading.url}/passerelle.reader/at/evil.example/x")
        await page.locator(".trouble", has_text="not part of").wait_for()
        frame = page.frame("site")
        assert frame is not None
        assert await frame.evaluate("() => document.documentElement.innerText") == ""
        reading.files["reader.html"] = b"<!doctype html><h1>One file</h1>"
        await page.goto(f"{reading.url}/reader.html")
        await page.locator("h1", has_text="One file").wait_for()
        del reading.files["reader.html"]


async def test_a_clock_that_is_hours_off_is_named(open_chrome: Chromium, reading: Reading) -> None:
    """The broker refuses what was sealed at another time, and its own time says why."""
    async with reader(open_chrome) as (context, page):
        await context.add_init_script("const now = Date.now; Date.now = () => now() - 4 * 3600e3")
        await begin(page, reading)
        await page.locator(".trouble", has_text="clock seems to be wrong").wait_for()
