"""What a volunteer costs who helps nobody just then: on a page, in the window, without a screen."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bench.command import say
from bench.errors import Unmeasured
from bench.machine import cpu_s, family, renderers
from bench.report import Row, at_most
from bench.visitor import Memory, visit
from passerelle.browser import chromium_arguments, find_chromium, missing_browser_message
from tests.rig.chromium import QuietChromium, QuietPage
from tests.rig.volunteer import flip
from tests.rig.way import Way

MEANING: Final = """
idle is with nobody helped: processor time of the processes that run nothing else, and requests
that the browser recorded of pages. A day is simulated by a clock that is put forward in the page,
its timers with it; the Worker's time goes on as it is, and what it keeps for a day is tested
beside its code.
"""
KB = 1024
IDLE_S: Final = 60.0
QUICK_IDLE_S: Final = 30.0
SETTLE_S: Final = 35.0
"""A browser goes on for a while with what a page's loading began."""
MOST_SHARE: Final = 0.1
"""What an idle volunteer may take, in % of one core."""
HEAP_KB: Final = 50.0
"""What the heap may grow, as in `bench.widget`."""
HOUR_MS: Final = 3_600_000
WARM_HOURS, HOURS = 12, 24
"""Compiled code settles in the first hours."""
TAKES_CLICKS: Final = "new Promise((done) => setTimeout(() => done(true), 1100))"
IS_ON: Final = (
    "['waiting', 'helping'].includes(document.querySelector('passerelle-switch').snapshot.phase)"
)
Pids = Callable[[], Iterable[int]]


async def share(pids: Pids, seconds: float) -> float:
    """Return the processor time of processes, in % of one core."""
    before = {pid: cpu_s(pid) for pid in pids()}
    await asyncio.sleep(seconds)
    after = {pid: cpu_s(pid) for pid in pids()}
    used_s = sum(used - before.get(pid, 0.0) for pid, used in after.items())
    return 100 * used_s / seconds


def asked(log: Path, start_s: float, end_s: float) -> list[str]:
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


def rows(name: str, phase: str, used: float, urls: list[str]) -> list[Row]:
    """Return the rows of one home in one phase."""
    if urls:
        say(f"{name}, {phase}: {urls}")
    return [
        Row(f"{name}: processor while {phase}", used, "%", at_most(MOST_SHARE), 2),
        Row(f"{name}: requests while {phase}", len(urls), "", at_most(0), 0),
    ]


@asynccontextmanager
async def quiet_chromium(*flags: str, private: bool = True) -> AsyncIterator[QuietChromium]:
    """Run a headless Chromium that reports nothing of what its pages send."""
    path = find_chromium()
    if path is None:
        raise Unmeasured(missing_browser_message())
    arguments = (*chromium_arguments(headless=True), *flags)
    async with QuietChromium(str(path), *arguments, private=private) as browser:
        yield browser


async def turn_on(page: QuietPage) -> None:
    """Turn the switch of a page on, once the page takes clicks."""
    await page.evaluate(TAKES_CLICKS)
    await page.click("role=switch")
    await page.click('role=button[name="Turn on"]')
    await page.wait_for_function(IS_ON, timeout_s=30)


async def measure(folder: Path, way: Way, idle_s: float) -> list[Row]:
    """Return the rows of a page and of the small window, which idle at the same time."""
    page, window = await asyncio.gather(
        _home(folder / "page.json", "a page", way.publisher.url, idle_s),
        _home(folder / "window.json", "the window", f"{way.base}/keep", idle_s),
    )
    return [*page, *window, *await _day(folder, way)]


async def _home(log: Path, name: str, url: str, idle_s: float) -> list[Row]:
    flags = (f"--log-net-log={log}", "--net-log-capture-mode=Default")
    spans: list[tuple[str, float, float, float]] = []
    async with quiet_chromium(*flags) as browser:
        page = await browser.open()
        await page.goto(url)
        for phase in ("off", "waiting"):
            if phase == "waiting":
                await turn_on(page)
            await asyncio.sleep(SETTLE_S)
            start_s = time.monotonic()
            used = await share(lambda: renderers(browser.pid), idle_s)
            spans.append((phase, used, start_s, time.monotonic()))
    return [
        row
        for phase, used, start_s, end_s in spans
        for row in rows(name, phase, used, asked(log, start_s, end_s))
    ]


async def _day(folder: Path, way: Way) -> list[Row]:
    """Return what a page holds more after a day in which nobody came."""
    async with visit(way.publisher.url, folder / "day.json") as visitor:
        page = visitor.page
        await page.clock.install()
        await page.goto(way.publisher.url)
        await flip(page)
        held: list[Memory] = []
        for hours in (WARM_HOURS, HOURS):
            for _ in range(hours):
                await page.clock.run_for(HOUR_MS)
            held.append(await visitor.memory())
    before, after = held
    say(f"before and after the day: {before}, {after}")
    grown = (after.heap_bytes - before.heap_bytes) / KB
    listeners = after.listeners - before.listeners
    return [
        Row("a page: heap gained over a day", max(0.0, grown), "KB", at_most(HEAP_KB)),
        Row("a page: listeners gained over a day", max(0, listeners), "", at_most(0), 0),
    ]


async def program(pid: int, idle_s: float) -> list[Row]:
    """Return the row of a program without a screen that waits, with its engine's process."""
    await asyncio.sleep(SETTLE_S)
    used = await share(lambda: family(pid), idle_s)
    return [Row("headless: processor while waiting", used, "%", at_most(MOST_SHARE), 2)]
