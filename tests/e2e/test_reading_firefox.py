"""The reading page in a real Firefox and a real Chromium, each carried by each of the two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Page

from passerelle.demo.reading import SHOWN
from tests.rig.firefox import Firefox, FirefoxPage
from tests.rig.firefox import flip as flip_in_firefox
from tests.rig.reading import BIG_BYTES, Reading, open_firefox
from tests.rig.volunteer import Chromium

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

PREFERENCES = {
    # It stops a worker 7 s after its last event; by itself it does after 30 to 60 s.
    "dom.serviceWorkers.idle_timeout": 4_000,
    "dom.serviceWorkers.idle_extended_timeout": 3_000,
}
PAUSE_S = 8.0
"""A pause of the site, longer than a worker lives without an event."""
FETCH_BIG = """() => {
  window.done = frames[0].fetch('/big').then((found) => found.blob()).then((blob) => blob.size);
}"""
"""JavaScript that fetches the large file, and leaves its size in `done`."""
KINDS = ("chromium", "firefox")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with open_firefox(PREFERENCES) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def networks(open_chrome: Chromium, firefox: Firefox) -> AsyncIterator[dict[str, Reading]]:
    """Yield two networks: the volunteer of one is a Chromium, that of the other a Firefox."""
    async with AsyncExitStack() as stack:
        made = {kind: await stack.enter_async_context(Reading(open_chrome)) for kind in KINDS}
        await made["chromium"].volunteer()
        await flip_in_firefox(await firefox.open(made["firefox"].publisher))
        yield made


async def shows(page: Page | FirefoxPage, words: str) -> None:
    """Wait until the site's page with these words and its pictures are shown."""
    await page.wait_for_function(
        f"() => {SHOWN}?.body?.innerText.includes('{words}') && {SHOWN}.images.length > 0"
        f" && [...{SHOWN}.images].every((image) => image.naturalWidth === 640)"
    )


async def headline(page: Page | FirefoxPage, words: str) -> None:
    """Wait until a headline with these words is shown."""
    await page.wait_for_function(
        f"() => {SHOWN}?.querySelector('h1')?.innerText.includes('{words}')"
    )


async def press(page: Page | FirefoxPage, words: str) -> None:
    """Press the site's link with these words."""
    await page.evaluate(
        f"() => [...{SHOWN}.links].find((link) => link.innerText.includes('{words}')).click()"
    )


@pytest.mark.parametrize("volunteer", KINDS)
@pytest.mark.parametrize("reader", KINDS)
async def test_each_browser_reads_through_each(
    reader: str, volunteer: str, networks: dict[str, Reading], firefox: Firefox
) -> None:
    """A front page and a story with their pictures arrive, and the site sees no other visitor."""
    reading = networks[volunteer]
    page: Page | FirefoxPage
    if reader == "chromium":
        page = await reading.reader()
    else:
        page = await firefox.open(reading.url)
        await page.click("button.start")
    await shows(page, "A late harvest")
    await press(page, "A late harvest")
    await shows(page, "An old woman at the gate")
    assert await page.evaluate("() => location.pathname") == "/story/harvest"
    await page.close()


async def test_firefox_reads_as_chromium_does(
    networks: dict[str, Reading], firefox: Firefox
) -> None:
    """Back, a reload, a search, a form, cookies, a large file: in Firefox, through Firefox."""
    reading = networks["firefox"]
    page = await firefox.open(f"{reading.url}/moved")
    await page.click("button.start")
    await shows(page, "The library reads aloud")
    assert await page.evaluate("() => location.pathname") == "/story/library"
    await press(page, "The Herald")
    await shows(page, "The bridge opens again")
    await page.go_back()
    await shows(page, "An old woman at the gate")
    await page.reload()
    await shows(page, "An old woman at the gate")
    await page.evaluate("() => { frames[0].document.querySelector('[name=q]').value = 'river'; }")
    await page.evaluate("() => frames[0].document.querySelector('form').requestSubmit()")
    await headline(page, "1 found for")
    assert await page.evaluate("() => location.href") == f"{reading.url}/search?q=river"
    await page.goto(f"{reading.url}/page/scripts")
    await headline(page, "fetched")
    found = json.loads(await page.evaluate(f"() => {SHOWN}.querySelector('h1').innerText"))
    assert found["cookie"] == "mine=1"
    assert found["fetched"] is True
    assert {found[name] for name in ("rtc", "socket", "worker")} == {"undefined"}
    await page.goto(f"{reading.url}/page/escape")
    await headline(page, "done:")
    assert await page.evaluate(f"() => {SHOWN}.querySelector('h1').innerText.trim()") == "done:"
    assert not [path for path in reading.mirror_paths if "mine" in path or "secret" in path]
    await page.close()


async def test_a_large_file_is_whole_although_the_site_pauses(
    networks: dict[str, Reading], firefox: Firefox
) -> None:
    """Firefox would stop the worker meanwhile, and take what had come for all of it.

    Later, between two requests, it does stop the worker, and the next page comes all the same.
    """
    reading = networks["chromium"]
    page = await firefox.open(reading.url)
    await page.click("button.start")
    await shows(page, "A late harvest")
    await page.evaluate(FETCH_BIG)
    await reading.newspaper.half.wait()
    await asyncio.sleep(PAUSE_S)
    reading.newspaper.go_on.set()
    assert await page.evaluate("() => window.done") == BIG_BYTES
    assert reading.newspaper.asked["/big"] == 1
    await asyncio.sleep(PAUSE_S)
    await press(page, "A late harvest")
    await shows(page, "An old woman at the gate")
    await page.close()


async def test_tabs_in_firefox_share_log_ins_and_downloads(
    networks: dict[str, Reading], firefox: Firefox
) -> None:
    """Cookies survive a reload, another tab has them, and its end does not end a download."""
    reading = networks["firefox"]
    reading.newspaper.half.clear()
    reading.newspaper.go_on.clear()
    page = await firefox.open(f"{reading.url}/page/scripts")
    await page.click("button.start")
    await headline(page, "fetched")
    await page.evaluate("() => { frames[0].document.cookie = 'theme=dark; path=/'; }")
    await page.reload()
    await headline(page, "fetched")
    assert await page.evaluate("() => frames[0].document.cookie") == "mine=1; theme=dark"
    other = await page.another(reading.url)
    await other.click("button.start")
    await shows(other, "A late harvest")
    assert await other.evaluate("() => frames[0].document.cookie") == "theme=dark"
    await other.bring_to_front()
    await page.evaluate(FETCH_BIG)
    await reading.newspaper.half.wait()
    await other.close()
    reading.newspaper.go_on.set()
    assert await page.evaluate("() => window.done") == BIG_BYTES
    await page.close()
