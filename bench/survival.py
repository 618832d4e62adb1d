"""Measure a site's own address after it was blocked, and before, with the worker installed."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from playwright.async_api import BrowserContext, Page

from bench.command import say
from bench.report import Row, at_most
from tests.rig.reading import shown
from tests.rig.survive import Surviving, surviving
from tests.rig.volunteer import Chromium, flip

QUICK_WAYS = ("refused", "reset", "forged")
STORY = "/story/harvest"
READY = "() => navigator.serviceWorker.ready.then(() => true)"
LOADED = "() => document.images.length > 0 && [...document.images].every((i) => i.naturalWidth > 0)"
STEPS = 3
"""Ordinary visits between two changes of the browser profile, so that both see the same load."""


async def measure(visits: int) -> list[Row]:
    """Return the rows; each way of blocking is met `visits` times."""
    with tempfile.TemporaryDirectory() as folder:
        async with surviving(Path(folder)) as paper, Chromium(*paper.flags) as chrome:
            await flip(await chrome.open(paper.volunteers))
            paper.install()
            rows = await _blocked(paper, chrome, visits)
            return rows + await _ordinary(paper, chrome, visits)


async def _blocked(paper: Surviving, chrome: Chromium, visits: int) -> list[Row]:
    page = await _visitor(paper, chrome)
    await paper.censor.be("refused")
    await page.goto(paper.site + STORY)
    await page.get_by_label("Do not ask again").check()
    await page.click("button.start")
    await _story(page)
    rows = []
    for way in QUICK_WAYS:
        await paper.censor.be(way)
        times = [await _timed(paper, page) for _ in range(visits)]
        say(f"{way}: {times}")
        rows.append(Row(f"survival, {way}, p50", statistics.median(times), "s", at_most(1), 2))
    first: list[float] = []
    after: list[float] = []
    for _ in range(max(2, visits // 3)):
        # What the last page still waited for must not come now.
        await page.goto("about:blank")
        await paper.censor.be("open")
        await page.goto(paper.site + STORY)
        await paper.censor.be("silent")
        first.append(await _timed(paper, page))
        after.append(await _timed(paper, page))
    say(f"silent: {first}, then {after}")
    rows.append(
        Row("survival, silent the first time, p50", statistics.median(first), "s", at_most(4), 2)
    )
    rows.append(Row("… the next time, p50", statistics.median(after), "s", at_most(1.5), 2))
    await page.context.close()
    await paper.censor.be("open")
    return rows


async def _ordinary(paper: Surviving, chrome: Chromium, visits: int) -> list[Row]:
    page = await _visitor(paper, chrome)
    paper.install(attribute="")
    plain = await _open(paper, chrome)
    paper.install()
    without: list[float] = []
    running: list[float] = []
    asleep: list[float] = []
    for _ in range(visits):
        without += [await _visit(paper, plain) for _ in range(STEPS)]
        running += [await _visit(paper, page) for _ in range(STEPS)]
        for _ in range(STEPS):
            await _stop_workers(page.context, page)
            asleep.append(await _visit(paper, page))
    await page.context.close()
    await plain.context.close()
    base = statistics.median(without)
    say(f"ordinary visit: {base:.1f} ms")
    return [
        Row("ordinary visit, p50", base, "ms"),
        *(
            Row(f"… the worker {name} adds", statistics.median(times) - base, "ms", at_most(10))
            for name, times in (("running", running), ("stopped", asleep))
        ),
    ]


async def _open(paper: Surviving, chrome: Chromium) -> Page:
    context = await chrome.browser.new_context(locale="en-US")
    page = await context.new_page()
    await page.goto(paper.site + STORY)
    return page


async def _visitor(paper: Surviving, chrome: Chromium) -> Page:
    page = await _open(paper, chrome)
    await page.evaluate(READY)
    await page.goto(paper.site + STORY)
    return page


async def _timed(paper: Surviving, page: Page) -> float:
    """Return the seconds from the blocked address to the story with its picture."""
    begun = time.monotonic()
    await page.goto(paper.site + STORY, wait_until="commit")
    await _story(page)
    return time.monotonic() - begun


async def _story(page: Page) -> None:
    await shown(page).locator("h1", has_text="A late harvest").wait_for()
    frame = page.frame("site")
    assert frame is not None
    await frame.wait_for_function(LOADED)


async def _visit(paper: Surviving, page: Page) -> float:
    """Return the milliseconds until the document of an ordinary visit is there."""
    await page.goto(paper.site + STORY)
    return float(
        await page.evaluate("() => performance.getEntriesByType('navigation')[0].responseEnd")
    )


async def _stop_workers(context: BrowserContext, page: Page) -> None:
    session = await context.new_cdp_session(page)
    await session.send("ServiceWorker.enable")
    await session.send("ServiceWorker.stopAllWorkers")
    await session.detach()
