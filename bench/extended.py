"""What the browser's extension weighs and costs, beside the switch on a page."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bench.command import say
from bench.download import mbit_s
from bench.errors import Unmeasured
from bench.machine import cpu_s, extension_processes
from bench.report import Row, at_least, at_most, median
from tests.rig.extension import ExtendedChromium, shown
from tests.rig.site import Site
from tests.rig.volunteer import Chromium
from tests.rig.way import Way
from tools import extension

MEANING = """
package is the larger one of both browsers; opening is the time from the navigation to the popup's
first content on the screen, by the browser's own record, median of a few; idle is with the popup
closed, requests those that the browser recorded of the extension's pages, and processor time that
of the processes that run nothing else; rates are medians of downloads in turns through the
extension and through a page of the same kind of Chromium.
"""
KB = 1024
OPENINGS = 7
IDLE_S = 60.0
QUICK_IDLE_S = 30.0
SETTLE_S = 35.0
"""The browser ends an idle service worker after 30 seconds."""
FILE_BYTES = 96_000_000
QUICK_FILE_BYTES = 32_000_000
TURNS = 3
SHOWN = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


async def measure(folder: Path, quick: bool) -> list[Row]:
    """Return all rows of the extension."""
    async with Site() as site:
        policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
        async with Chromium() as chromium, Way(folder / "extension", chromium, *policy) as way:
            largest = max(
                path.stat().st_size for path in extension.build(folder / "dist", way.invite)
            )
            extension.unpacked(folder / "unpacked", way.invite)
            unpacked = folder / "unpacked" / "chromium"
            rows = [Row("extension: package", largest / KB, "KB", at_most(150))]
            rows += await _idle(folder, unpacked, QUICK_IDLE_S if quick else IDLE_S)
            size = QUICK_FILE_BYTES if quick else FILE_BYTES
            return rows + await _rates(folder, unpacked, way, site, size)


async def _idle(folder: Path, unpacked: Path, idle_s: float) -> list[Row]:
    log = folder / "extension.json"
    flags = (f"--log-net-log={log}", "--net-log-capture-mode=Default")
    spans: dict[str, tuple[float, float]] = {}
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
            share = await _share(idle_s)
            spans[phase] = (start_s, time.monotonic())
            rows.append(Row(f"extension: processor while {phase}", share, "%", at_most(0.1), 2))
    for phase, (start_s, end_s) in spans.items():
        asked = _asked(log, start_s, end_s)
        rows.append(Row(f"extension: requests while {phase}", len(asked), "", at_most(0), 0))
        if asked:
            say(f"{phase}: {asked}")
    return rows


async def _opening_ms(browser: ExtendedChromium) -> float:
    popup = await browser.page("popup")
    await popup.wait_for_function(SHOWN)
    shown_ms = float(await popup.evaluate(SHOWN))
    await popup.close()
    return shown_ms


async def _turn_on(browser: ExtendedChromium) -> None:
    popup = await browser.page("popup")
    await popup.get_by_role("switch").click()
    await popup.get_by_role("button", name="Turn on").click()
    await shown(popup, "waiting")
    await popup.close()


async def _share(seconds: float) -> float:
    """Return the processor time of the extension's own processes, in % of one core."""
    before = {pid: cpu_s(pid) for pid in extension_processes(os.getpid())}
    await asyncio.sleep(seconds)
    after = {pid: cpu_s(pid) for pid in extension_processes(os.getpid())}
    used_s = sum(used - before.get(pid, 0.0) for pid, used in after.items())
    return 100 * used_s / seconds


def _asked(log: Path, start_s: float, end_s: float) -> list[str]:
    """Return the URLs that pages asked for between two times of the monotonic clock.

    The browser's own requests have no origin as their initiator, and are left out.
    """
    try:
        told: dict[str, Any] = json.loads(log.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Unmeasured("Chromium's record of its requests is incomplete") from error
    # The times of events are milliseconds of the monotonic clock.
    if not any(int(event["time"]) / 1e3 >= start_s for event in told["events"]):
        raise Unmeasured("Chromium's record of its requests ends before the measurement")
    return [
        event["params"]["url"]
        for event in told["events"]
        if event.get("params", {}).get("initiator", "not an origin") != "not an origin"
        and "url" in event["params"]
        and start_s <= int(event["time"]) / 1e3 <= end_s
    ]


async def _rates(folder: Path, unpacked: Path, way: Way, site: Site, size: int) -> list[Row]:
    rates: dict[str, list[float]] = {"page": [], "extension": []}
    for turn in range(TURNS):
        async with way.volunteer():
            rates["page"].append(await _rate(way, site, size))
        async with _helping(folder / f"profile{turn}", unpacked):
            rates["extension"].append(await _rate(way, site, size))
    say(f"Mbit/s: {rates}")
    page, other = median(rates["page"]), median(rates["extension"])
    return [
        Row("a page: relayed", page, "Mbit/s"),
        Row("extension: relayed", other, "Mbit/s"),
        Row("extension: relayed, of a page's", 100 * other / page, "%", at_least(90)),
    ]


@asynccontextmanager
async def _helping(profile: Path, unpacked: Path) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(ExtendedChromium(profile, unpacked))
        await _turn_on(browser)
        yield


async def _rate(way: Way, site: Site, size: int) -> float:
    async with way.client() as (client, port):
        await client.expect("Connected through a volunteer")
        await mbit_s(port, site, size // 8)
        return await mbit_s(port, site, size)
