"""The small window `/keep`, in which a volunteer goes on after leaving a publisher's page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page

from passerelle.core.embed import LANGUAGES
from tests.rig import axe
from tests.rig.curl import Proxy, fetch
from tests.rig.pictures import take_picture
from tests.rig.site import Site
from tests.rig.stage import Stage
from tests.rig.volunteer import Chromium, flip, state, until
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

SIZE: Final = (300, 420)
STORE: Final = "https://store.example/passerelle"
SETTLED: Final = "() => new Promise((done) => setTimeout(done, 1100))"
"""JavaScript that waits until a window takes clicks."""
PRESS_AT_ONCE: Final = """() => {
  dispatchEvent(new Event('focus'));
  document.querySelector('passerelle-switch').shadowRoot.querySelector('[role=switch]').click();
}"""
"""JavaScript that presses the switch in the moment in which its window comes to the front."""
FORGE: Final = """() => {
  postMessage('passerelle-kept', '*');
  const frame = document.createElement('iframe');
  frame.srcdoc = "<script>parent.postMessage('passerelle-kept', '*')</script>";
  document.body.append(frame);
  return new Promise((done) => setTimeout(done, 500));
}"""
CHOOSE: Final = """(choices) => {
  localStorage.setItem('passerelle-choices', JSON.stringify(choices));
}"""
"""JavaScript that stores what the visitor chose among the limits."""
OPEN: Final = "(url) => void (globalThis.opened = open(url, '_blank', 'width=300,height=420'))"
WIDE: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def turn_on(window: Page) -> None:
    """Turn the switch of a window on, once it takes clicks."""
    await window.evaluate(SETTLED)
    await flip(window)


async def opened(page: Page, link: str) -> Page:
    """Click a link of a page, and return the window that it opens."""
    async with page.context.expect_page() as popup:
        await page.get_by_role("link", name=link).click()
    window = await popup.value
    await until(window, "s?.phase === 'off'")
    return window


async def test_the_window_goes_on_and_the_page_stops(
    way: Way, chrome: Chromium, site: Site, tmp_path: Path
) -> None:
    """The window is offered while the switch is on, asks again, and then helps alone."""
    page = await chrome.open(way.publisher.url)
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    switch = page.locator("passerelle-switch")
    await switch.evaluate(f"(node) => node.setAttribute('firefox', '{STORE}/firefox')")
    assert await page.get_by_role("link").count() == 0
    await flip(page)
    links = page.get_by_role("link")
    await links.first.wait_for()
    assert await links.all_inner_texts() == ["In a small window"]
    await page.evaluate(FORGE)
    assert (await state(page))["phase"] in ("waiting", "helping")
    asked.clear()
    window = await opened(page, "In a small window")
    # A later message of the page itself proves nothing either.
    await page.evaluate(FORGE)
    assert (await state(page))["phase"] in ("waiting", "helping")
    size = window.viewport_size
    assert size is not None
    assert (size["width"], size["height"]) == SIZE
    await window.evaluate(PRESS_AT_ONCE)
    assert (await state(window))["phase"] == "off"
    own = [url for url in asked if "/keep" in url or "/w/" in url]
    assert asked == own, "before the press only its own files"
    await turn_on(window)
    await until(page, "s.phase === 'off'")
    assert await page.get_by_text("It goes on in the small window.").is_visible()
    assert (await state(window))["phase"] in ("waiting", "helping")
    await page.close()
    async with way.client() as (_, port):
        url = f"http://127.0.0.1:{site.port}/"
        got = await fetch(Proxy.SOCKS, port, tmp_path / "page", url)
        assert (got.code, got.status) == (0, 200), got.text
        assert (await state(window))["phase"] == "helping"
    await window.context.close()


async def test_the_window_keeps_to_the_limits_of_the_page(way: Way, chrome: Chromium) -> None:
    """Whoever gives little on the page gives no more in the window, and friends' help stays theirs.

    A site that opens the window cannot have it give more than it does by itself.
    """
    page = await chrome.open(way.publisher.url)
    await page.evaluate(CHOOSE, {"people": "2", "megabytes": "300", "hours": "00:00-00:00"})
    await page.locator("passerelle-switch").evaluate("(node) => node.setAttribute('mbit', '1.5')")
    await flip(page)
    window = await opened(page, "In a small window")
    limits = ("people", "mbit", "megabytes", "hours", "background")
    given = [await window.locator("passerelle-switch").get_attribute(name) for name in limits]
    assert given == ["2", "1.5", "300", "00:00-00:00", None]
    await window.close()
    await page.evaluate(CHOOSE, {"family": "A" * 22})
    await page.reload()
    await flip(page)
    await page.locator("passerelle-switch .keep").wait_for(state="attached")
    assert not await page.get_by_role("link", name="In a small window").is_visible()
    more = "people=64&metered=run&battery=run&network=x&family=x&mbit=none&__proto__=1"
    window = await chrome.open(f"{way.base}/keep#http://site.example&{more}")
    names = "(node) => node.getAttributeNames().sort()"
    assert await window.locator("passerelle-switch").evaluate(names) == ["keep", "map", "network"]
    await page.context.close()
    await window.context.close()


async def test_the_extension_is_offered_where_it_can_be_installed(
    way: Way, chrome: Chromium
) -> None:
    """Chromium is offered the link for Chromium, unless it leads to no secure page."""
    for given, shown in ((STORE, 1), ("http://store.example/", 0), ("javascript:0", 0)):
        page = await chrome.open(way.publisher.url)
        switch = page.locator("passerelle-switch")
        await switch.evaluate(
            "(node, given) => { node.setAttribute('chromium', given);"
            " node.setAttribute('firefox', given); }",
            given,
        )
        await flip(page)
        await page.get_by_role("link", name="In a small window").wait_for()
        link = page.get_by_role("link", name="With the extension")
        assert await link.count() == shown
        if shown:
            assert await link.get_attribute("href") == given
            assert await link.get_attribute("rel") == "noopener"
        await page.context.close()


async def test_no_other_site_makes_the_window_help(way: Way, chrome: Chromium) -> None:
    """A window that another site opens stays off without a press in it, whatever was remembered.

    It does not take another window's place either when that one is closed, and no frame of another
    site shows it.
    """
    base = way.base + "/keep"
    first = await chrome.open(base)
    await first.evaluate(SETTLED)
    await first.get_by_role("switch").click()
    await first.get_by_role("checkbox", name="Remember").check()
    await first.get_by_role("button", name="Turn on").click()
    await until(first, "['waiting', 'helping'].includes(s.phase)")
    async with Stage(f"{way.base}/w/passerelle.js") as stage:
        stranger = await first.context.new_page()
        frame = f'<iframe src="{base}"></iframe>'
        await stranger.goto(stage.put("stranger", frame))
        assert all("/keep" not in one.url for one in stranger.frames[1:])
        async with first.context.expect_page() as popup:
            await stranger.evaluate(OPEN, base)
        second = await popup.value
        await second.get_by_text("on in another window already").wait_for()
        assert await second.get_by_role("switch").count() == 0
        await first.close()
        async with first.context.expect_page() as popup:
            await stranger.evaluate(OPEN, base)
        third = await popup.value
        await until(third, "s?.phase === 'off'")
        for message in ("passerelle-kept", "start"):
            await stranger.evaluate(f"() => opened.postMessage('{message}', '*')")
        await third.evaluate(SETTLED)
        assert (await state(third))["phase"] == "off"
        assert await second.get_by_role("switch").count() == 0
        # The visitor's own press is enough where the yes was remembered.
        await third.get_by_role("switch").click()
        await until(third, "['waiting', 'helping'].includes(s.phase)")
    await third.context.close()


async def test_every_language_fits(way: Way, chrome: Chromium, tmp_path: Path) -> None:
    """In each language axe-core finds nothing and nothing is wider than the window.

    The pictures are for people to look at; `PASSERELLE_LOOKS` keeps them.
    """
    kept = os.environ.get("PASSERELLE_LOOKS")
    folder = Path(kept) if kept else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    context = await chrome.browser.new_context(
        viewport={"width": SIZE[0], "height": SIZE[1]}, reduced_motion="reduce"
    )
    page = await context.new_page()
    for code in LANGUAGES:
        await page.goto(f"{way.base}/keep?lang={code}")
        await page.wait_for_function(
            "(code) => document.querySelector('passerelle-switch').shadowRoot"
            "?.querySelector('.card')?.lang === code",
            arg=code,
        )
        assert await axe.violations(page) == [], code
        assert not await page.evaluate(WIDE), code
        right = code in ("ar", "fa", "ug")
        assert (await page.evaluate("document.documentElement.dir") == "rtl") == right
        await take_picture(page, folder / f"keep-{code}.png")
    await context.close()
