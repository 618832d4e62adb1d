"""A hostile exit floods a volunteer's page, or sends it giant messages."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page

from bench.command import say
from bench.report import Row, at_most
from passerelle import limits
from tests.rig.hostile import EXIT_ID, HostileBroker, HostileExit, offer
from tests.rig.publisher import Publisher
from tests.rig.volunteer import Chromium, flip

MB = 1e6
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
GIANT_BYTES = 150_000_000
QUICK_GIANT_BYTES = 50_000_000
LOOK_S = 0.05
QUIET_S = 2.0
"""How long the page is watched with nobody attacking it."""
LONGEST_S = 20.0
"""A connection that is open after this time counts as never closed."""
PAUSE_MS = 1_000.0
FLOOD_MB = 100.0
CLOSED_S = 15.0
"""The relay waits 10 s for the exit, and 1.2 s for people to move."""
WATCH = """() => {
  globalThis.longest_ms = 0;
  let last_ms = performance.now();
  setInterval(() => {
    const now_ms = performance.now();
    longest_ms = Math.max(longest_ms, now_ms - last_ms);
    last_ms = now_ms;
  }, 10);
}"""


def measure(quick: bool) -> Iterator[Row]:
    """Yield the rows of both attacks; before them, the page's longest pause without one."""
    yield from asyncio.run(_measure(quick))


async def _measure(quick: bool) -> list[Row]:
    flood = HostileExit(limits.LINK_MESSAGE_BYTES)
    giant = HostileExit(QUICK_GIANT_BYTES if quick else GIANT_BYTES, count=3)
    return [
        *await _attack("a flood of 16 KB messages", flood, at_most_mb=FLOOD_MB),
        *await _attack(f"messages of {giant.message_bytes / MB:.0f} MB", giant, at_most_mb=None),
    ]


async def _attack(name: str, exit_: HostileExit, at_most_mb: float | None) -> list[Row]:
    async with exit_, HostileBroker(exit_.address) as broker, _page(broker) as (chromium, page):
        await page.evaluate(WATCH)
        await asyncio.sleep(QUIET_S)
        quiet_ms = await page.evaluate("longest_ms")
        await page.evaluate("longest_ms = 0")
        pids = await _pids(chromium)
        before_mb = _memory_mb(pids)
        await broker.say(offer(EXIT_ID))
        begin_s = asyncio.get_running_loop().time()
        peak_mb, took_s = before_mb, 0.0
        while took_s < LONGEST_S and exit_.held_s.empty():
            await asyncio.sleep(LOOK_S)
            peak_mb = max(peak_mb, _memory_mb(pids))
            took_s = asyncio.get_running_loop().time() - begin_s
        attacked_ms = await page.evaluate("longest_ms")
        say(f"{name}: {exit_.sent_bytes / MB:.0f} MB sent, {exit_.links} links")
    target = None if at_most_mb is None else at_most(at_most_mb)
    return [
        Row(f"{name}: longest pause before", quiet_ms, "ms", None, 0),
        Row(f"{name}: longest pause of the page", attacked_ms, "ms", at_most(PAUSE_MS), 0),
        Row(f"{name}: memory gained by the browser", peak_mb - before_mb, "MB", target, 0),
        Row(f"{name}: until the connection is gone", took_s, "s", at_most(CLOSED_S)),
    ]


@asynccontextmanager
async def _page(broker: HostileBroker) -> AsyncIterator[tuple[Chromium, Page]]:
    async with Publisher(broker.invite) as publisher, Chromium() as chromium:
        page = await chromium.open(publisher.url)
        await flip(page)
        yield chromium, page


async def _pids(chromium: Chromium) -> list[int]:
    session = await chromium.browser.new_browser_cdp_session()
    told = await session.send("SystemInfo.getProcessInfo")
    await session.detach()
    return [int(process["id"]) for process in told["processInfo"]]


def _memory_mb(pids: list[int]) -> float:
    """Return the memory that the browser's processes hold, by the kernel's count."""
    total_bytes = 0
    for pid in pids:
        try:
            resident = Path(f"/proc/{pid}/statm").read_text().split()[1]
        except OSError:
            continue  # The process has ended.
        total_bytes += int(resident) * PAGE_BYTES
    return total_bytes / MB
