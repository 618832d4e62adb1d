"""Measure the reading page: what it weighs, and how long a reader waits for the site."""

from __future__ import annotations

import asyncio
import gzip
import statistics
import time
from collections.abc import Iterable

from playwright.async_api import Page

from bench import readerblocked, readerbulk, readerfar, survival
from bench.command import main, say
from bench.report import Row, at_most
from passerelle import readingpage
from tests.rig.reading import BIG_BYTES, Reading, chromium, shown

MEANING = """
A blocked newspaper, its network and a mirror on one computer, with a real Chromium as reader and
as volunteer. The times begin with the navigation (first visit: with the press of the notice's
button) and end when the front page and its three pictures are shown. A later visit has the service
worker and asks nothing. Next story is a click on a link, beside the same click on the newspaper
itself. The large file is fetched by a script of the page; in the last row its volunteer's page is
closed in the middle, another one being there. In the rows called 100 ms the reader is in a network
namespace of its own behind that round trip, with three volunteers' Chromiums; mirror and broker are
reached without TLS, which would add a round trip each, and there is a STUN server. A first visit
has an empty profile, and its notice, from the navigation on, has a row of its own. A later visit
keeps the page's files and no links. The comparison over HTTP/2 is a visit to the same newspaper by
an nginx in front of it. The large file's volunteer is cut off without a word. In the rows called
blocked a router drops what they name, two doors are there, an nginx and a PHP, and a page's time
begins with the press of its button, a program's with its open port.
Survival: a browser that has the newspaper's own worker, and whose notice was agreed to for good,
opens the blocked address; the time ends when the story and its picture are shown. An ordinary visit
ends with the document's last byte. The last rows fetch one endless file through one volunteer for
ten seconds (quick: six), by video and over a DataChannel; loss is in both directions, 20 Mbit/s is
with a queue of 250 KB and 0.5 % loss.
"""
VISITS = 10
QUICK_VISITS = 4
KB = 1024
LOADED = "() => document.images.length > 0 && [...document.images].every((i) => i.naturalWidth > 0)"
FETCH = """async () => {
  const begun = performance.now();
  let last = begun, longest = 0, bytes = 0;
  const reader = (await fetch('/big')).body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    const now = performance.now();
    if (bytes > 0) longest = Math.max(longest, now - last);
    last = now;
    if (done) return { bytes, longest, seconds: (last - begun) / 1000 };
    bytes += value.length;
  }
}"""


def measure(quick: bool) -> Iterable[Row]:
    """Yield all rows."""
    yield Row("weight before the site's first byte", _weight() / KB, "KB gzip", at_most(30))
    yield from asyncio.run(_measure(QUICK_VISITS if quick else VISITS))
    yield from asyncio.run(survival.measure(QUICK_VISITS if quick else VISITS))
    yield from readerfar.measure(quick)
    yield from readerfar.measure(quick, firefox=True)
    yield from readerblocked.measure(quick)
    yield from readerbulk.measure(quick)


def _weight() -> float:
    """Return the bytes of what a reader in English fetches first, each file packed by itself.

    The inner script comes later: the site's first document asks for it.
    """
    files = readingpage.built()
    first = ("shell.js", "worker.js", "shell.css", "words-en.json")
    return sum(len(gzip.compress(files[name], 9)) for name in first)


async def _measure(visits: int) -> list[Row]:
    rows: list[Row] = []
    async with chromium() as chrome, Reading(chrome) as reading:
        await reading.volunteer()
        cold: list[float] = []
        later: list[float] = []
        for _ in range(visits):
            page = await reading.reader(start=False)
            begun = time.monotonic()
            await page.click("button.start")
            await _front(page)
            cold.append(time.monotonic() - begun)
            begun = time.monotonic()
            await page.reload()
            await _front(page)
            later.append(time.monotonic() - begun)
            await page.context.close()
        say(f"first visits: {cold}")
        rows.append(
            Row("first story, first visit, p50", statistics.median(cold), "s", at_most(0.5), 2)
        )
        rows.append(Row("first story, later visits, p50", statistics.median(later), "s", None, 2))
        through = await _clicks(await reading.reader(), visits, framed=True)
        plain = await chrome.open(reading.site + "/")
        direct = await _clicks(plain, visits, framed=False)
        rows.append(Row("next story, p50", 1000 * statistics.median(through), "ms"))
        rows.append(Row("next story, the newspaper itself", 1000 * statistics.median(direct), "ms"))
    async with chromium() as chrome, Reading(chrome) as reading:
        reading.newspaper.go_on.set()
        first = await reading.volunteer()
        page = await reading.reader()
        await _front(page)
        frame = page.frame("site")
        assert frame is not None
        whole = await frame.evaluate(FETCH)
        rows.append(Row("3 MB file", whole["bytes"] * 8 / whole["seconds"] / 1e6, "Mbit/s"))
        reading.newspaper.go_on.clear()
        reading.newspaper.half.clear()
        fetching = asyncio.ensure_future(frame.evaluate(FETCH))
        await reading.newspaper.half.wait()
        await reading.volunteer()
        await first.context.close()
        closed = time.monotonic()
        reading.newspaper.go_on.set()
        found = await fetching
        if found["bytes"] != BIG_BYTES:
            say(f"the file had {found['bytes']} bytes")
        rows.append(Row("3 MB file, complete", found["bytes"] / BIG_BYTES, "of it", None, 3))
        rows.append(
            Row("… rest after its volunteer's end", time.monotonic() - closed, "s", at_most(2), 2)
        )
    return rows


async def _front(page: Page) -> None:
    await shown(page).get_by_text("A late harvest").wait_for()
    frame = page.frame("site")
    assert frame is not None
    await frame.wait_for_function(LOADED)


async def _clicks(page: Page, count: int, *, framed: bool) -> list[float]:
    """Return the seconds from a click on a story until it is there, with its picture."""
    times = []
    for _ in range(count):
        place = shown(page) if framed else page
        await place.get_by_text("A late harvest").wait_for()
        begun = time.monotonic()
        await place.get_by_text("A late harvest").click()
        await place.locator("h1", has_text="A late harvest").wait_for()
        frame = page.frame("site") if framed else page.main_frame
        assert frame is not None
        await frame.wait_for_function(LOADED)
        times.append(time.monotonic() - begun)
        await page.go_back()
    await page.context.close()
    return times


if __name__ == "__main__":
    main("reader", measure, MEANING)
