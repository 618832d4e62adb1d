"""The reading page in a real Chromium: a blocked site, read with nothing installed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.rig.reading import BIG_BYTES, OUTSIDE, Reading, shown
from tests.rig.volunteer import Chromium, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def reading(open_chrome: Chromium) -> AsyncIterator[Reading]:
    async with Reading(open_chrome) as made:
        await made.volunteer()
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def page(reading: Reading) -> AsyncIterator[Page]:
    """A reader at the front page."""
    page = await reading.reader()
    await shown(page).get_by_text("A late harvest").wait_for()
    yield page
    await page.context.close()


async def headline(page: Page, words: str) -> None:
    """Wait until a headline with these words is shown."""
    await shown(page).locator("h1", has_text=words).wait_for()


async def pictures(page: Page) -> None:
    """Wait until the pictures of a page are there, whole."""
    frame = page.frame("site")
    assert frame is not None
    await frame.wait_for_function(
        "() => [...document.images].every((image) => image.naturalWidth === 640)"
    )


async def test_nothing_is_sent_before_the_button(reading: Reading) -> None:
    """The notice stands before the first request to the broker, and before the first link."""
    page = await reading.reader(start=False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    made = await page.evaluate("() => performance.getEntriesByType('resource').map((e) => e.name)")
    assert [url for url in [*made, *asked] if not url.startswith(reading.url)] == []
    assert await page.locator("iframe").count() == 0
    await page.context.close()


async def test_a_site_is_read(page: Page, reading: Reading) -> None:
    """Pictures, links, back, forward, a reload, a search: as on the site itself."""
    await pictures(page)
    assert await page.title() == "The Herald"
    await shown(page).get_by_text("A late harvest").click()
    await headline(page, "A late harvest")
    assert page.url == f"{reading.url}/story/harvest"
    await page.go_back()
    await shown(page).get_by_text("The bridge opens again").wait_for()
    assert page.url == f"{reading.url}/"
    await page.go_forward()
    await headline(page, "A late harvest")
    await page.reload()
    await headline(page, "A late harvest")
    await shown(page).get_by_label("Search").fill("river")
    await shown(page).get_by_role("button", name="Search").click()
    await headline(page, "1 found for")
    assert page.url.endswith("/search?q=river")


async def test_a_deep_link_a_redirect_and_a_page_that_is_not_there(reading: Reading) -> None:
    page = await reading.reader("/story/library?from=mail")
    await headline(page, "The library reads aloud")
    await page.goto(f"{reading.url}/moved")
    await headline(page, "The library reads aloud")
    assert page.url == f"{reading.url}/story/library"
    await page.goto(f"{reading.url}/story/none")
    await shown(page).get_by_text("There is no such story.").wait_for()
    await page.context.close()


async def test_cookies_are_the_sites_and_never_the_mirrors(page: Page, reading: Reading) -> None:
    """Scripts see theirs and not the others; the site gets both, and the mirror none."""
    await page.goto(f"{reading.url}/page/scripts")
    await headline(page, "fetched")
    found = json.loads(await shown(page).locator("h1").inner_text())
    assert found["cookie"] == "mine=1"
    assert found["fetched"] is True
    assert {found[name] for name in ("rtc", "socket", "worker")} == {"undefined"}
    del reading.newspaper.cookies[:]
    await shown(page).locator("h1").evaluate("() => { location.href = '/page/scripts?again'; }")
    await page.wait_for_url("**/page/scripts?again")
    await headline(page, "fetched")
    assert "mine=1" in reading.newspaper.cookies[0]
    assert "secret=kept" in reading.newspaper.cookies[0]
    assert await page.context.cookies() == []
    assert not any("mine" in path or "secret" in path for path in reading.mirror_paths)


async def test_the_mirror_learns_no_path_of_the_site(reading: Reading) -> None:
    """After the first visit only the page's own files are asked for, if anything."""
    page = await reading.reader()
    await shown(page).get_by_text("A late harvest").click()
    await headline(page, "A late harvest")
    del reading.mirror_paths[:]
    await shown(page).get_by_text("The Herald").first.click()
    await shown(page).get_by_text("The bridge opens again").wait_for()
    await page.reload()
    await shown(page).get_by_text("The bridge opens again").wait_for()
    assert [path for path in reading.mirror_paths if "story" in path or path == "/"] == []
    await page.context.close()


async def test_what_is_not_the_sites_is_left_out(page: Page, reading: Reading) -> None:
    """Nothing is asked of other hosts; the chip names them, and a link asks the reader first."""
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    failed: list[str] = []
    page.context.on("requestfailed", lambda request: failed.append(request.url))
    await page.goto(f"{reading.url}/page/elsewhere")
    await headline(page, "here")
    await page.locator(".chip .head").click()
    await page.locator(".chip li", has_text=OUTSIDE).wait_for()
    away = [url for url in asked if OUTSIDE in url]
    assert set(away) <= set(failed)
    await shown(page).locator("#out").click()
    dialog = page.locator("dialog")
    await dialog.get_by_text(f"{OUTSIDE} is not part of").wait_for()
    await dialog.get_by_role("button", name="Go back").click()
    assert await dialog.count() == 0
    await shown(page).get_by_role("button", name="Send").click()
    await headline(page, "Thanks, Ana")


async def test_a_hostile_page_gets_nowhere(page: Page, reading: Reading) -> None:
    """Scripts of the site reach no other host, no worker, and do not take the reader away."""
    asked: list[str] = []
    page.context.on("requestfinished", lambda request: asked.append(request.url))
    await page.goto(f"{reading.url}/page/escape")
    await headline(page, "done:")
    assert (await shown(page).locator("h1").inner_text()).strip() == "done:"
    await asyncio.sleep(0.3)
    assert page.url.startswith(reading.url)
    assert [url for url in asked if OUTSIDE in url] == []


async def test_a_large_file_survives_its_volunteer(open_chrome: Chromium) -> None:
    """What has come is kept, and the rest is asked for over another volunteer."""
    async with Reading(open_chrome) as reading:
        first = await reading.volunteer()
        page = await reading.reader()
        await shown(page).get_by_text("A late harvest").wait_for()
        frame = page.frame("site")
        assert frame is not None
        await frame.evaluate(
            "() => { window.done = fetch('/big').then((answer) => answer.arrayBuffer())"
            ".then((bytes) => bytes.byteLength); }"
        )
        await reading.newspaper.half.wait()
        await reading.volunteer()
        await first.context.close()
        reading.newspaper.go_on.set()
        assert await frame.evaluate("() => window.done") == BIG_BYTES
        assert reading.newspaper.asked["/big"] == 2
        await page.context.close()


async def test_readers_share_what_the_site_calls_public(open_chrome: Chromium) -> None:
    """The second reader of a page costs the site none of its pictures."""
    async with Reading(open_chrome) as reading:
        await reading.volunteer()
        for _ in range(2):
            page = await reading.reader()
            await shown(page).get_by_text("A late harvest").wait_for()
            await pictures(page)
            await page.context.close()
        assert reading.newspaper.asked["/picture/harvest.png"] == 1


async def test_without_a_volunteer_the_page_says_so_and_goes_on_by_itself(
    open_chrome: Chromium,
) -> None:
    async with Reading(open_chrome) as reading:
        page = await reading.reader()
        await page.locator(".trouble", has_text="No volunteer is there").wait_for()
        volunteer = await reading.volunteer()
        await shown(page).get_by_text("A late harvest").wait_for()
        assert await page.locator(".trouble").count() == 0
        await until(volunteer, "s.phase === 'helping'")
        await page.context.close()


async def test_a_single_file_shows_one_page_at_a_time(
    reading: Reading, open_chrome: Chromium, tmp_path: Path
) -> None:
    """It works from a disk: pictures are inside, scripts are not, and links lead on."""
    file = tmp_path / "reader.html"
    file.write_bytes(reading.single)
    page = await open_chrome.open(file.as_uri())
    await page.click("button.start")
    article = page.frame_locator("iframe")
    await article.get_by_text("A late harvest").wait_for()
    loaded = "[...document.images].filter((image) => image.naturalWidth === 640).length"
    await page.frames[1].wait_for_function(f"() => {loaded} === 3")
    await article.get_by_text("A late harvest").click()
    await article.locator("h1", has_text="A late harvest").wait_for()
    assert page.url.endswith("#/story/harvest")
    await page.go_back()
    await article.get_by_text("The bridge opens again").wait_for()
    await page.context.close()
