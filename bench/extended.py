"""What the browser's extension weighs and costs, beside the switch on a page."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from bench import idle
from bench.command import say
from bench.download import mbit_s
from bench.machine import extension_processes
from bench.report import Row, at_least, at_most, median
from tests.rig.extension import ExtendedChromium, identity, shown
from tests.rig.site import Site
from tests.rig.way import Way
from tools import extension

MEANING = """
package is the larger one of both browsers; opening is the time from the navigation to the popup's
first content on the screen, by the browser's own record, median of a few; idle is with the popup
closed; rates are medians of downloads in turns through a page and through the extension, each in
the same kind of Chromium, that reports nothing of what passes (Playwright makes pages report each
message), and draws nothing. The globe of a page that is looked at is drawn by the processor here.
"""
KB = 1024
OPENINGS = 7
SETTLE_S = 35.0
"""The browser ends an idle service worker after 30 seconds."""
FILE_BYTES = 96_000_000
QUICK_FILE_BYTES = 32_000_000
TURNS = 3
NO_GLOBE = "document.querySelector('passerelle-switch').setAttribute('map', 'none')"
SHOWN = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


async def measure(folder: Path, quick: bool) -> list[Row]:
    """Return all rows of the extension."""
    async with Site() as site:
        policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
        async with Way(folder / "extension", None, *policy) as way:
            largest = max(
                path.stat().st_size for path in extension.build(folder / "dist", way.invite)
            )
            extension.unpacked(folder / "unpacked", way.invite)
            unpacked = folder / "unpacked" / "chromium"
            rows = [Row("extension: package", largest / KB, "KB", at_most(150))]
            rows += await _idle(folder, unpacked, idle.QUICK_IDLE_S if quick else idle.IDLE_S)
            size = QUICK_FILE_BYTES if quick else FILE_BYTES
            return rows + await _rates(unpacked, way, site, size)


async def _idle(folder: Path, unpacked: Path, idle_s: float) -> list[Row]:
    log = folder / "extension.json"
    flags = (f"--log-net-log={log}", "--net-log-capture-mode=Default")
    spans: dict[str, tuple[float, float, float]] = {}
    rows: list[Row] = []
    async with ExtendedChromium(folder / "idle", unpacked, *flags) as browser:
        opened_ms = [await _opening_ms(browser) for _ in range(OPENINGS)]
        say(f"openings in ms: {[round(each) for each in opened_ms]}")
        rows.append(Row("extension: popup open", median(opened_ms), "ms", at_most(100), 0))
        for phase in ("off", "waiting"):
            if phase == "waiting":
                await _turn_on(browser)
            await asyncio.sleep(SETTLE_S)
            start_s = time.monotonic()
            used = await idle.share(lambda: extension_processes(os.getpid()), idle_s)
            spans[phase] = (used, start_s, time.monotonic())
    for phase, (used, start_s, end_s) in spans.items():
        rows += idle.rows("extension", phase, used, idle.asked(log, start_s, end_s))
    return rows


async def _opening_ms(browser: ExtendedChromium) -> float:
    popup = await browser.page("popup")
    await popup.wait_for_function(f"() => {SHOWN}")
    shown_ms = float(await popup.evaluate(SHOWN))
    await popup.close()
    return shown_ms


async def _turn_on(browser: ExtendedChromium) -> None:
    popup = await browser.page("popup")
    await popup.get_by_role("switch").click()
    await popup.get_by_role("button", name="Turn on").click()
    await shown(popup, "waiting")
    await popup.close()


async def _rates(unpacked: Path, way: Way, site: Site, size: int) -> list[Row]:
    flags = (f"--load-extension={unpacked}",)
    popup = f"chrome-extension://{identity(unpacked)}/popup.html"
    homes = {
        "a page": _helping(way.publisher.url),
        "a page, its globe drawn": _helping(way.publisher.url, globe=True),
        "extension": _helping(popup, *flags, private=False),
    }
    rates: dict[str, list[float]] = {name: [] for name in homes}
    for _ in range(TURNS):
        for name, helping in homes.items():
            async with helping():
                rates[name].append(await _rate(way, site, size))
    say(f"Mbit/s: {rates}")
    page, drawn, other = (median(rates[name]) for name in homes)
    return [
        Row("a page: relayed", page, "Mbit/s"),
        Row("a page, its globe drawn: relayed", drawn, "Mbit/s"),
        Row("extension: relayed", other, "Mbit/s"),
        Row("extension: relayed, of a page's, at least", 100 * other / page, "%", at_least(90)),
        Row("extension: relayed, of a page's, at most", 100 * other / page, "%", at_most(110)),
    ]


def _helping(
    url: str, *flags: str, private: bool = True, globe: bool = False
) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Return what runs a browser whose switch at `url` is on."""

    @asynccontextmanager
    async def helping() -> AsyncIterator[None]:
        async with idle.quiet_chromium(*flags, private=private) as browser:
            page = await browser.open()
            await page.goto(url)
            if not globe:
                await page.evaluate(NO_GLOBE)
            await idle.turn_on(page)
            if not private:
                await page.close()
            yield

    return helping


async def _rate(way: Way, site: Site, size: int) -> float:
    async with way.client() as (client, port):
        await client.expect("Connected through a volunteer")
        await mbit_s(port, site, size // 8)
        return await mbit_s(port, site, size)
