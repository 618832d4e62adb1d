"""A reading page among enemies: the site's own pages, its answers, and the volunteers."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from playwright.async_api import BrowserContext, Locator, Page, Playwright, async_playwright
from playwright.async_api import TimeoutError as Late

from passerelle.browser import chromium_arguments, find_chromium
from passerelle.demo.reading import OPEN
from passerelle.serve import EXIT_ID, link_url
from tests.rig.elsewhere import ADDRESS, NAME, RULES, Elsewhere
from tests.rig.hostilevolunteers import LOUD, QUIET
from tests.rig.reading import PAGES, Reading, big, shown
from tests.rig.volunteer import Chromium
from tests.volunteer import Relay, Volunteer

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def calm(page: Page, reading: Reading) -> None:
    """Wait until the reader reads on, as if nothing had happened."""
    await page.goto(f"{reading.url}/story/harvest")
    await shown(page).locator("h1", has_text="A late harvest").wait_for()


async def profile(tool: Playwright, folder: Path, *arguments: str) -> BrowserContext:
    """Return a reader's Chromium with a profile, without which it connects to nothing early."""
    return await tool.chromium.launch_persistent_context(
        str(folder / "profile"),
        executable_path=find_chromium(),
        args=[
            *(each for each in chromium_arguments(headless=True) if "background" not in each),
            *OPEN,
            RULES,
            *arguments,
        ],
        ignore_default_args=["--disable-background-networking"],
        viewport={"width": 800, "height": 1200},
    )


HINTED: Final = {"hint", "moved"}
"""Chromium connects to what a script's hint names, and to where a script leads a frame, before the
policy refuses it. By `http:`, as here, no byte is sent; by `https:` a TLS hello with the name is
(docs/THREAT-MODEL.md)."""


async def test_a_hostile_page_sends_nothing_elsewhere(
    open_chrome: Chromium, tmp_path: Path
) -> None:
    """Every way out of a page that a browser has: not a byte, no datagram, no other name looked up.

    The reader's Chromium has a profile, because it takes hints only where there is one, and writes
    down what its network does, names included.
    """
    log = tmp_path / "network.json"
    async with (
        Elsewhere() as elsewhere,
        Reading(open_chrome) as reading,
        async_playwright() as tool,
    ):
        text = (PAGES / "everything.html").read_text()
        text = text.replace("ELSE", f"{NAME}:{elsewhere.port}")
        text = text.replace("UDP", f"{ADDRESS}:{elsewhere.port}")

        async def everything(_request: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html")

        reading.newspaper.pages["everything"] = everything
        await reading.volunteer()
        context = await profile(tool, tmp_path, f"--log-net-log={log}")
        page = await context.new_page()
        await page.goto(f"{reading.url}/page/everything")
        await page.click("button.start")
        heading = shown(page).locator("h1", has_text="done:")
        await heading.wait_for()
        assert (await heading.inner_text()).strip() == "done:"
        await page.locator("dialog").wait_for()
        assert await page.locator("dialog").count() == 1
        # A page may ask again and again; the reader's answer holds for one question.
        while await page.locator("dialog").count():
            await page.get_by_role("button", name="Go back").click()
            await asyncio.sleep(0.5)
        await page.locator(".chip .head").click()
        assert 0 < await page.locator(".chip li").count() <= 64
        assert await page.locator(".chip li", has_text="forged").count() == 0
        assert page.url == f"{reading.url}/page/everything#here"
        await calm(page, reading)
        assert not any("secret" in path for path in reading.mirror_paths)
        await context.close()
        assert not any(elsewhere.arrived)
    names = set(re.findall(rf"([\w-][\w.-]*)\.{re.escape(NAME)}", log.read_text()))
    assert names <= HINTED


SPEAKS = "<script>document.title = typeof RTCPeerConnection + typeof caches</script>"
"""A script of the site's that says whether the inner one ran before it."""
BOMB = gzip.compress(bytes(200_000_000), 1)
"""A little less than a megabyte."""


def page_of(body: str | bytes, kind: str = "text/html", **headers: str) -> Handler:
    """Return what answers with a document."""

    async def answer(_request: web.Request) -> web.Response:
        data = body if isinstance(body, bytes) else body.encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=data, headers={"Content-Type": kind, **named})

    return answer


async def many_fields(_request: web.Request) -> web.Response:
    fields = [(f"X-{number}", "x") for number in range(1000)]
    return web.Response(text="x", headers=CIMultiDict(fields))


async def many_cookies(_request: web.Request) -> web.Response:
    fields = [("Set-Cookie", f"c{number}={'x' * 400}; Path=/page/cookies") for number in range(120)]
    return web.Response(
        text=SPEAKS + "<h1>cookies</h1>", content_type="text/html", headers=CIMultiDict(fields)
    )


async def long_field(_request: web.Request) -> web.Response:
    return web.Response(text="x", headers={"X-Long": "x" * 1_000_000})


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    await response.prepare(request)
    await response.write(f"<!doctype html>{SPEAKS}<h1>endless</h1>".encode())
    with suppress(ConnectionError):
        while True:
            await response.write(b"<!-- more -->" * 4000)
            await asyncio.sleep(0.05)
    return response


async def broken_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html", "Content-Length": "9000"})
    await response.prepare(request)
    await response.write(f"<!doctype html>{SPEAKS}<h1>cut</h1>".encode())
    assert request.transport is not None
    request.transport.close()
    return response


ANSWERS: Final[dict[str, tuple[Handler, str]]] = {
    "plain": (page_of(SPEAKS), "undefinedundefined"),
    "comment": (page_of(f"<!doctype html><!-- <head> -->{SPEAKS}<head>"), "undefinedundefined"),
    "attribute": (page_of(f"<html a='<head>'>{SPEAKS}"), "undefinedundefined"),
    "quote": (page_of(f'<html a=b">{SPEAKS}<p ">'), "undefinedundefined"),
    "utf16": (
        page_of(SPEAKS.encode("utf-16-le"), "text/html; charset=utf-16"),
        "undefinedundefined",
    ),
    "mark": (page_of(f"\ufeff{SPEAKS}".encode("utf-16-be")), "undefinedundefined"),
    "japanese": (
        page_of(f"<!-- \x1b$B --> {SPEAKS}", "text/html; charset=iso-2022-jp"),
        "",
    ),
    "two types": (page_of(SPEAKS, "text/plain, text/html"), ""),
    "no type": (page_of(SPEAKS, ""), ""),
    "mixed": (
        page_of(
            f"--x\r\nContent-Type: text/html\r\n\r\n{SPEAKS}\r\n--x--",
            "multipart/x-mixed-replace; boundary=x",
        ),
        "",
    ),
    "svg": (
        page_of(
            "<svg xmlns='http://www.w3.org/2000/svg'><title>quiet</title><script>"
            "document.querySelector('title').textContent = 'spoke'</script></svg>",
            "image/svg+xml",
        ),
        "quiet",
    ),
    "xml": (
        page_of(
            "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>quiet</title><script>"
            "document.title = 'spoke'</script></head></html>",
            "application/xhtml+xml",
        ),
        "quiet",
    ),
    "headers": (
        page_of(
            SPEAKS,
            Service_Worker_Allowed="/",
            Clear_Site_Data='"*"',
            Refresh=f"0; url=http://{NAME}/",
            Link=f"<http://{NAME}/x>; rel=preload; as=image, <http://{NAME}>; rel=preconnect",
            Content_Security_Policy="default-src 'none'; sandbox",
            Cross_Origin_Opener_Policy="same-origin",
            Cross_Origin_Embedder_Policy="require-corp",
            Cross_Origin_Resource_Policy="same-origin",
            X_Frame_Options="DENY",
            Reporting_Endpoints=f'a="http://{NAME}/r"',
            Permissions_Policy="fullscreen=()",
            Connection_Allowlist="()",
        ),
        "undefinedundefined",
    ),
    "cookies": (many_cookies, "undefinedundefined"),
    "endless": (endless, "undefinedundefined"),
}
"""Documents, and the title that each may have in the end."""


async def test_hostile_answers_leave_page_and_worker_whole(open_chrome: Chromium) -> None:
    """The inner script comes first or none of the site's runs, and the reader reads on."""
    async with Reading(open_chrome) as reading:
        reading.newspaper.pages |= {name: handler for name, (handler, _) in ANSWERS.items()}
        reading.newspaper.pages |= {
            "bomb": page_of(BOMB, Content_Encoding="gzip"),
            "bombs": page_of(gzip.compress(BOMB), Content_Encoding="gzip, gzip"),
            "cut": broken_off,
            "many": many_fields,
            "long": long_field,
        }
        await reading.volunteer()
        page = await reading.reader()
        await shown(page).get_by_text("A late harvest").wait_for()
        frame = page.frame("site")
        assert frame is not None
        titles: dict[str, str] = {}
        for name in ANSWERS:
            await frame.goto(f"{reading.url}/page/{name}", wait_until="commit")
            with suppress(Late):
                wait_ms = 8000 if ANSWERS[name][1] else 300
                await frame.wait_for_function("() => document.title", timeout=wait_ms)
            titles[name] = await frame.title()
        assert titles == {name: title for name, (_, title) in ANSWERS.items()}
        for name in ("bombs", "many", "long"):
            await page.goto(f"{reading.url}/page/{name}")
            await page.locator(".trouble", has_text="does not answer").wait_for()
        for name in ("bomb", "cut"):
            await page.goto(f"{reading.url}/page/{name}")
            await shown(page).locator("body").wait_for(state="attached")
        await calm(page, reading)
        await page.context.close()


OUTSIDE: Final = (
    *("plain", "tab", "svg text", "xlink text", "closed", "shut", "detached"),
    *("dispatched", "opens", "form", "action", "script", "shadow"),
)
"""What leads elsewhere on the page `leaving`, as selectors behind their number signs."""
OWN: Final = ("ownsvg text", "ownclosed", "ownshut", "owndetached", "ownopens")
"""What opens a page of the site in a new tab, alike."""


@pytest.mark.timeout(120)
async def test_no_click_leaves_without_the_readers_yes(
    open_chrome: Chromium, tmp_path: Path
) -> None:
    """Whatever is clicked, nothing connects elsewhere before the question is answered with yes.

    The site's own links open tabs on the mirror, however they are made.
    """
    async with (
        Elsewhere() as elsewhere,
        Reading(open_chrome) as reading,
        async_playwright() as tool,
    ):
        text = (PAGES / "leaving.html").read_text()
        text = text.replace("ELSE", f"{NAME}:{elsewhere.port}").replace("SITE", reading.site)

        async def own(request: web.Request) -> web.Response:
            text = f"<h1>own {request.query_string}</h1>"
            return web.Response(text=text, content_type="text/html")

        reading.newspaper.pages |= {"leaving": page_of(text), "own": own}
        await reading.volunteer()
        context = await profile(tool, tmp_path)
        context.set_default_timeout(9000)
        page = await context.new_page()
        await page.goto(f"{reading.url}/page/leaving")
        await page.click("button.start")
        site = shown(page)
        dialog = page.locator("dialog")

        async def asked(place: Locator, **how: Any) -> None:
            await place.click(**how)
            await dialog.wait_for()
            assert len(context.pages) == 2
            await page.get_by_role("button", name="Go back").click()

        await site.locator("h1").wait_for()
        # The shell's guard comes a moment after the first page.
        while not await page.evaluate("'passerelleLater' in window"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for name in OUTSIDE:
            await asked(site.locator(f"#{name}"))
        await asked(site.locator("img"))
        await asked(site.frame_locator("#frame").locator("#infra"))
        await asked(site.locator("#tab"), button="middle")
        await asked(site.locator("#tab"), modifiers=["Control"])
        assert elsewhere.arrived == []
        for name in OWN:
            async with context.expect_page() as opening:
                await site.locator(f"#{name}").click()
            assert (await opening.value).url.startswith(f"{reading.url}/page/own?")
            await (await opening.value).close()
        await page.goto(f"{reading.url}/page/leaving")
        await site.locator("#plain").click()
        async with context.expect_page():
            await dialog.get_by_role("button").last.click()
        await elsewhere.reached.wait()
        await context.close()


@asynccontextmanager
async def enemies(reading: Reading, kinds: Sequence[Callable[[], Relay]]) -> AsyncIterator[None]:
    """Run a volunteer of each kind, and say nothing of those that are left by their readers."""
    broker = reading.servers.invite.url
    async with AsyncExitStack() as stack:
        for kind in kinds:
            exits = {EXIT_ID: link_url(broker)}
            await stack.enter_async_context(Volunteer(broker, exits, relay=kind, free=8))
        yield


HASH = """async () => {
  const bytes = await (await fetch('/big')).arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}"""


async def test_nothing_that_a_volunteer_alters_is_shown(open_chrome: Chromium) -> None:
    """With enemies alone the page says what is wrong; with one honest volunteer it is read."""
    async with Reading(open_chrome) as reading, enemies(reading, LOUD):
        page = await reading.reader()
        await page.locator(".trouble").wait_for()
        frame = page.frame("site")
        assert frame is not None
        assert "harvest" not in await frame.content()
        await reading.volunteer()
        story = shown(page).get_by_text("A late harvest")
        await page.get_by_role("button", name="Try again").click()
        await story.wait_for()
        pictures = "() => [...document.images].every((image) => image.naturalWidth === 640)"
        await frame.wait_for_function(pictures)
        reading.newspaper.go_on.set()
        assert await frame.evaluate(HASH) == hashlib.sha256(big()).hexdigest()
        await page.context.close()


async def test_a_volunteer_that_gives_nothing_costs_a_moment(open_chrome: Chromium) -> None:
    """Its requests go over another one, and it is not asked again and again."""
    async with Reading(open_chrome) as reading, enemies(reading, QUIET):
        page = await reading.reader()
        await page.locator(".chip", has_text="Through").wait_for()
        await reading.volunteer()
        await shown(page).get_by_text("A late harvest").wait_for()
        await page.context.close()
