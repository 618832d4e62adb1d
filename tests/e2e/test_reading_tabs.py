"""What a reader keeps when the browser stops the service worker, and with several tabs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, CDPSession, Frame, Page

from tests.rig.reading import Reading, big, shown
from tests.rig.site import digest
from tests.rig.volunteer import Chromium

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(90),
]

FETCH_BIG = """() => {
  const whole = async ({ body }) => {
    const parts = [];
    for await (const part of body) window.got = parts.push(part);
    return new Blob(parts).arrayBuffer();
  };
  window.done = fetch('/big').then(whole).then((bytes) => crypto.subtle.digest('SHA-256', bytes))
  .then((hash) => [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')))
  .then((bytes) => bytes.join(''), () => 'cut off'); }"""
"""JavaScript that fetches the large file, and leaves its hash in `done`; `got` counts its parts."""
SOME_OF_BIG = "() => window.got > 0"
COOKIES = "() => document.cookie.split('; ').sort().join('; ')"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def network(open_chrome: Chromium) -> AsyncIterator[Reading]:
    async with Reading(open_chrome) as made:
        await made.volunteer()
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def reading(network: Reading) -> Reading:
    """A network whose newspaper waits in the middle of what it sends."""
    network.newspaper.half.clear()
    network.newspaper.go_on.clear()
    network.newspaper.asked.clear()
    del network.newspaper.ranges[:]
    del network.mirror_paths[:]
    return network


@pytest_asyncio.fixture(loop_scope="session")
async def page(reading: Reading) -> AsyncIterator[Page]:
    """A reader at the front page."""
    page = await reading.reader()
    await shown(page).get_by_text("A late harvest").wait_for()
    yield page
    await page.context.close()


def frame(page: Page) -> Frame:
    found = page.frame("site")
    assert found is not None
    return found


async def another(context: BrowserContext, reading: Reading) -> Page:
    """Open the front page in another tab of the same reader."""
    page = await context.new_page()
    await page.goto(reading.url)
    await page.click("button.start")
    await shown(page).get_by_text("A late harvest").wait_for()
    return page


@asynccontextmanager
async def debugging(page: Page) -> AsyncIterator[CDPSession]:
    """Yield a session that reaches the page's service worker."""
    session = await page.context.new_cdp_session(page)
    await session.send("ServiceWorker.enable")
    yield session
    await session.detach()


async def stop(session: CDPSession) -> None:
    """Stop the workers; returns when one has stopped, and no answer reaches a page by it."""
    stopped = asyncio.Event()

    def note(told: dict[str, Any]) -> None:
        if any(version["runningStatus"] == "stopped" for version in told["versions"]):
            stopped.set()

    session.on("ServiceWorker.workerVersionUpdated", note)
    await session.send("ServiceWorker.stopAllWorkers")
    await stopped.wait()


async def test_a_worker_that_was_stopped_between_requests_is_not_missed(
    page: Page, reading: Reading
) -> None:
    async with debugging(page) as session:
        await stop(session)
    await shown(page).get_by_text("A late harvest").click()
    await shown(page).locator("h1", has_text="A late harvest").wait_for()
    assert reading.newspaper.asked["/story/harvest"] == 1
    assert not any("story" in path for path in reading.mirror_paths)


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
async def test_what_a_script_waits_for_comes_although_the_worker_was_stopped(
    page: Page, reading: Reading, method: str, times: int
) -> None:
    """The site had not answered yet. The browser asks anew, and what changes the site only once."""
    await frame(page).evaluate(
        """(method) => {
          const asked = fetch('/slow', { method, body: method === 'POST' ? 'a' : null });
          window.done = asked.then((answer) => answer.text(), String);
        }""",
        method,
    )
    await reading.newspaper.half.wait()
    async with debugging(page) as session:
        await stop(session)
        reading.newspaper.go_on.set()
    assert await frame(page).evaluate("() => window.done") == "<h1>At last</h1>"
    assert reading.newspaper.asked["/slow"] == times


@pytest.mark.parametrize(("path", "words"), [("/slow", "At last"), ("/slowly", "Second half")])
async def test_a_page_whose_worker_was_stopped_is_asked_for_again(
    page: Page, reading: Reading, path: str, words: str
) -> None:
    """It had not begun, or half of it was shown. The mirror is not asked instead."""
    await frame(page).evaluate("(path) => { location.href = path; }", path)
    await reading.newspaper.half.wait()
    if path == "/slowly":
        await shown(page).get_by_text("First half").wait_for()
    async with debugging(page) as session:
        await stop(session)
        reading.newspaper.go_on.set()
    await shown(page).get_by_text(words).wait_for()
    assert page.url == f"{reading.url}{path}"
    assert reading.newspaper.asked[path] == 2
    assert not any(path in asked for asked in reading.mirror_paths)


async def test_a_large_file_goes_on_over_another_tab(page: Page, reading: Reading) -> None:
    """The tab that carries it is closed in the middle: the other one asks for the rest.

    A packet that is lost meanwhile may take longer than a page waits for a link. Then the rest of
    the rest is asked for over another one.
    """
    other = await another(page.context, reading)
    await other.bring_to_front()
    await frame(page).evaluate(FETCH_BIG)
    await reading.newspaper.half.wait()
    await frame(page).wait_for_function(SOME_OF_BIG)
    assert reading.newspaper.asked["/big"] == 1
    await other.close()
    reading.newspaper.go_on.set()
    assert await frame(page).evaluate("() => window.done") == digest(big())
    starts = [int(part.removeprefix("bytes=").rstrip("-")) for part in reading.newspaper.ranges]
    assert starts
    assert [0, *starts] == sorted({0, *starts}), "something was asked for twice"
    assert reading.newspaper.asked["/big"] == 1 + len(starts)


async def test_a_page_is_shown_although_the_tab_that_carried_it_was_closed(
    page: Page, reading: Reading
) -> None:
    """The site has not marked its version, so the other tab asks for all of it."""
    other = await another(page.context, reading)
    await frame(page).evaluate("() => { location.href = '/slowly'; }")
    await reading.newspaper.half.wait()
    await other.close()
    reading.newspaper.go_on.set()
    await shown(page).get_by_text("Second half").wait_for()


async def test_log_ins_survive_a_reload_and_hold_in_other_tabs(
    page: Page, reading: Reading
) -> None:
    """They are gone when the reader says so, and never in the browser's own store."""
    await page.goto(f"{reading.url}/page/scripts")
    await shown(page).locator("h1", has_text="fetched").wait_for()
    await frame(page).evaluate("() => { document.cookie = 'theme=dark; path=/'; }")
    await page.reload()
    await shown(page).locator("h1", has_text="fetched").wait_for()
    assert await frame(page).evaluate(COOKIES) == "mine=1; theme=dark"
    assert "secret=kept" in reading.newspaper.cookies[-1]
    other = await another(page.context, reading)
    assert await frame(other).evaluate(COOKIES) == "theme=dark"
    await frame(other).evaluate("() => { document.cookie = 'theme=light; path=/'; }")
    await frame(page).wait_for_function("() => document.cookie.includes('theme=light')")
    assert await page.context.cookies() == []
    await other.locator(".chip .head").click()
    await other.locator("button.forget").click()
    await other.wait_for_url("about:blank")
    # The other tab would ask the mirror for what is clicked next.
    await page.wait_for_url("about:blank")
    assert [path for path in reading.mirror_paths if "mine" in path] == []


async def test_a_shell_that_is_closed_in_the_middle_leaves_nothing_behind(
    page: Page, reading: Reading
) -> None:
    """The next page is opened as usual, and the exit has given the request up."""
    await frame(page).evaluate(FETCH_BIG)
    await reading.newspaper.half.wait()
    context = page.context
    await page.close()
    other = await another(context, reading)
    reading.newspaper.go_on.set()
    assert reading.newspaper.asked["/big"] == 1
    await asyncio.wait_for(other.close(), 10)
