"""The publisher's side in real browsers: the settings page, the tag it writes, and examples."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from passerelle.io.server.web import WebServer
from tests.e2e.test_axe import PICTURES
from tests.rig import axe
from tests.rig.firefox import Firefox
from tests.rig.firefox import flip as flip_in_firefox
from tests.rig.pictures import take_picture
from tests.rig.program import PASSERELLE
from tests.rig.volunteer import Chromium, flip, until
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

TAG = "document.querySelector('#tag').value"
POLICY = "document.querySelector('#policy').value"
EXAMPLE = "document.querySelector('passerelle-switch').shadowRoot?.querySelector('.example')"
STORE = "https://store.example/passerelle"
PATIENCE_S = 1.5
"""How long to watch a page that should connect to nobody."""


@pytest_asyncio.fixture(loop_scope="session")
async def page(chrome: Chromium, way: Way) -> AsyncIterator[Page]:
    """Yield the settings page in Chromium with clipboard access; errors on it fail the test."""
    context = await chrome.browser.new_context()
    await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=way.base)
    opened = await context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    await opened.goto(f"{way.base}/embed")
    yield opened
    assert not complaints
    await context.close()


class Paper:
    """A publisher's page with a tag unchanged, under a strict policy with the lines for it."""

    def __init__(self, tag: str, policy: str = "") -> None:
        self._tag = tag
        self._policy = policy
        app = web.Application()
        app.router.add_get("/{path:.*}", self._page)
        self.server = WebServer(app, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/"

    async def _page(self, _request: web.Request) -> web.Response:
        text = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Paper</title>'
            f'<link rel="icon" href="data:,">{self._tag}</html>'
        )
        policy = f"default-src 'none'; img-src data:; {self._policy}".replace("\n", " ")
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)


async def printed(way: Way, *words: str) -> str:
    """Return the standard output of `passerelle embed`."""
    command = (*PASSERELLE, "embed", "--invite", way.invite, *words)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode().strip()


async def test_the_page_writes_what_the_command_prints(page: Page, way: Way) -> None:
    """The page and the command write the same, without choices and with one of each kind."""
    assert await page.evaluate(TAG) == await printed(way)
    await page.get_by_role("radio", name="Floating").check(force=True)
    await page.get_by_label("Corner").select_option("top-left")
    await page.get_by_text("Limits", exact=True).click()
    await page.get_by_label("Theme").select_option("dark")
    await page.get_by_label("Language").select_option("fa")
    await page.get_by_label("People at once").fill("3")
    await page.get_by_label("Mbit/s").fill("2.5")
    await page.get_by_label("MB a day").fill("500")
    await page.get_by_label("Hours").fill("22:00-06:30")
    words = [
        "--layout",
        "floating",
        "--corner",
        "top-left",
        "--theme",
        "dark",
        "--lang",
        "fa",
        "--people",
        "3",
    ]
    words += ["--mbit", "2.5", "--megabytes", "500", "--hours", "22:00-06:30"]
    assert await page.evaluate(TAG) == await printed(way, *words)


async def test_going_on_after_the_page(page: Page, way: Way) -> None:
    """Links to extensions are written as by the command, unless going on is not offered."""
    await page.get_by_text("After the page", exact=True).click()
    await page.get_by_label("Extension for Chromium").fill(f"{STORE}?one&two")
    await page.get_by_label("Extension for Firefox").fill("http://addons.example/")
    assert await page.evaluate(TAG) == await printed(way, "--chromium", f"{STORE}?one&two")
    await page.get_by_label("Going on").select_option("none")
    assert await page.evaluate(TAG) == await printed(way, "--no-keep")


async def test_the_operators_extension_reaches_the_visitor(
    chrome: Chromium, tmp_path: Path
) -> None:
    """The operator names it once; the tag of `/embed` has it, and the visitor is offered it."""
    named = ("--chromium-extension", STORE)
    async with Way(tmp_path, chrome, ways=named) as way:
        publisher = await chrome.open(f"{way.base}/embed")
        paper = Paper(await publisher.evaluate(TAG), await publisher.evaluate(POLICY))
        assert await publisher.evaluate(TAG) == await printed(way)
        async with paper.server:
            visitor = await chrome.open(paper.url)
            await flip(visitor)
            link = visitor.get_by_role("link", name="With the extension")
            await expect(link).to_have_attribute("href", STORE)
            await visitor.context.close()
        await publisher.context.close()


async def test_what_is_no_good_is_left_out(page: Page, way: Way) -> None:
    """A limit that makes no sense is not written, and without an invite there is no tag."""
    await page.get_by_text("Limits", exact=True).click()
    await page.get_by_text("Network", exact=True).click()
    await page.get_by_label("People at once").fill("0")
    await page.get_by_label("Hours").fill("22-6")
    assert await page.evaluate(TAG) == await printed(way)
    await page.get_by_label("Invite").fill('https://broker.example/#"><script>')
    assert "<" not in await page.evaluate(TAG)


async def test_colours_become_a_style_and_are_judged(page: Page) -> None:
    """Chosen colours become a style; the preview shows them, and poor contrast is reported."""
    await page.get_by_text("Colours", exact=True).click()
    await page.locator("#accent").fill("#cccccc")
    await page.locator("#on-accent").fill("#ffffff")
    style = await page.evaluate("document.querySelector('#css').value")
    assert style.splitlines() == [
        "passerelle-switch {",
        "  --passerelle-accent: #cccccc;",
        "  --passerelle-on-accent: #ffffff;",
        "}",
    ]
    await expect(page.locator("#contrast")).to_contain_text("contrast of 1.6")
    worn = "getComputedStyle(document.querySelector('#preview')).getPropertyValue"
    assert await page.evaluate(f"{worn}('--passerelle-accent')") == "#cccccc"
    await page.locator("#on-accent").fill("#000000")
    await expect(page.locator("#contrast")).to_be_hidden()


async def test_the_keyboard_is_enough(page: Page) -> None:
    """The keyboard is enough to choose a layout and a language and to copy the tag."""
    panel = page.get_by_role("radio", name="Panel")
    for _ in range(10):
        await page.keyboard.press("Tab")
        if await panel.evaluate("(radio) => radio === document.activeElement"):
            break
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("ArrowDown")
    copy = page.get_by_role("button", name="Copy the tag")
    for _ in range(40):
        if await copy.evaluate("(button) => button === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_have_text("Copied.")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await page.evaluate(TAG)
    assert 'layout="inline" lang="en"' in copied


async def test_a_phone_shows_the_preview_first(chrome: Chromium, way: Way) -> None:
    """On a phone the preview is in the first screen, and the page is not a long list of fields."""
    context = await chrome.browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto(f"{way.base}/embed")
    await page.locator("#preview .example").wait_for()
    top = "document.querySelector('#stage').getBoundingClientRect().top"
    assert await page.evaluate(top) < 422
    await page.locator("#state").select_option("off")
    assert await page.evaluate("document.documentElement.scrollHeight") < 2800
    await context.close()


async def test_axe_finds_nothing_on_the_page(chrome: Chromium, way: Way) -> None:
    """`axe-core` finds nothing in light and dark, wide and narrow, in every preview state."""
    (PICTURES.parent / "embed").mkdir(parents=True, exist_ok=True)
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)):
        context = await chrome.browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        page = await context.new_page()
        await page.goto(f"{way.base}/embed")
        for state in ("helping", "off", "consent", "paused", "retrying", "problem"):
            await page.locator("#state").select_option(state)
            await page.wait_for_function(
                f"() => document.querySelector('#preview').snapshot.phase === '{state}'"
            )
            assert await axe.violations(page) == [], (scheme, width, state)
        over = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(over)
        await page.locator("#state").select_option("helping")
        picture = PICTURES.parent / "embed" / f"chromium-{scheme}-{width}.png"
        await take_picture(page, picture, full_page=True)
        await context.close()


async def test_the_page_works_in_firefox(firefox: Firefox, way: Way) -> None:
    page = await firefox.open(f"{way.base}/embed")
    assert await page.evaluate(TAG) == await printed(way)
    await page.click("label", text="Banner")
    assert await page.evaluate(TAG) == await printed(way, "--layout", "banner")
    await page.wait_for_function("() => document.querySelector('#preview').snapshot.people === 3")
    assert await axe.violations(page) == []
    await page.click("button", text="Copy the tag")
    await page.wait_for_function("() => document.querySelector('#said').textContent !== ''")
    (PICTURES.parent / "embed").mkdir(parents=True, exist_ok=True)
    await page.screenshot(PICTURES.parent / "embed" / "firefox.png", full_page=True)
    assert not list(page.console)
    await page.close()


async def test_tag_and_policy_are_enough_under_a_strict_policy(
    page: Page, firefox: Firefox, way: Way, chrome: Chromium
) -> None:
    """Under a policy that allows only the lines shown, the switch loads and turns on.

    Such a policy forbids the tag's style, which then belongs into the page's style sheet.
    """
    tag = re.sub(r' style="[^"]*"', "", await page.evaluate(TAG))
    paper = Paper(tag, await page.evaluate(POLICY))
    async with paper.server:
        visitor = await chrome.open(paper.url)
        await flip(visitor)
        await visitor.get_by_role("switch").click()
        await until(visitor, "s.phase === 'off'")
        await visitor.context.close()
        other = await firefox.open(paper.url)
        await flip_in_firefox(other)
        assert not list(other.console)
        await other.close()


async def test_another_script_under_the_same_name_is_refused(page: Page, chrome: Chromium) -> None:
    """A script that does not match the tag's hash is refused."""
    tag = re.sub(r'integrity="[^"]*"', f'integrity="sha384-{"A" * 64}"', await page.evaluate(TAG))
    paper = Paper(tag, await page.evaluate(POLICY))
    async with paper.server:
        visitor = await chrome.open(paper.url)
        assert not await visitor.evaluate("!!customElements.get('passerelle-switch')")
        await visitor.context.close()


@pytest.mark.parametrize("word", ["helping", "off", "consent", "nonsense", ""])
async def test_an_example_never_connects(way: Way, chrome: Chromium, word: str) -> None:
    """An example never connects: not when pressed or started, nor when another tab turns on."""
    tag = (await printed(way)).replace("></passerelle", f' mock="{html.escape(word)}"></passerelle')
    paper = Paper(tag, f"script-src {way.base}; connect-src *; worker-src blob:")
    async with paper.server:
        example = await chrome.open(paper.url)
        asked: list[str] = []
        example.on("request", lambda request: asked.append(request.url))
        example.on("websocket", lambda socket: asked.append(socket.url))
        await example.wait_for_function(f"() => !!{EXAMPLE}")
        marked = await example.evaluate(f"{EXAMPLE}.textContent")
        assert marked.strip()
        await example.evaluate("document.querySelector('passerelle-switch').start()")
        for _ in range(2):
            await example.get_by_role("switch").click()
        for button in await example.locator("passerelle-switch .choice button").all():
            await button.click()
        other = await example.context.new_page()
        await other.goto(paper.url)
        await other.evaluate("document.querySelector('passerelle-switch').removeAttribute('mock')")
        await flip(other)
        await other.close()
        await asyncio.sleep(PATIENCE_S)
        assert not [url for url in asked if "/w/" not in url]
        assert not [url for url in asked if "relay" in url or "engine" in url]
        assert not example.workers
        await example.context.close()
