"""A switch that helps nobody just then does nothing, wherever it is."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import pytest

from passerelle.browser import chromium_arguments, find_chromium
from tests.rig import wakeups
from tests.rig.chromium import QuietChromium, QuietPage
from tests.rig.extension import identity
from tests.rig.way import Way
from tools import extension

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

LEAST_MS: Final = 15_000
"""No timer of an idle switch is shorter."""
SETTLED_S: Final = 4.0
"""After so long the broker has been asked once whether it is there, and seldom from then on."""
WATCHED_S: Final = 2.0
IS_ON: Final = "document.querySelector('passerelle-switch').snapshot.phase === 'waiting'"
TAKES_CLICKS: Final = "new Promise((done) => setTimeout(() => done(true), 1100))"


async def turn_on(page: QuietPage) -> None:
    await page.click("role=switch")
    await page.click('role=button[name="Turn on"]')
    await page.wait_for_function(IS_ON, timeout_s=30)


@pytest.mark.parametrize("home", ["page", "window", "extension"])
async def test_nothing_wakes_a_switch_that_helps_nobody(
    way: Way, tmp_path: Path, home: str
) -> None:
    """No short timer is left, on the page, in its Worker or in the extension's; nothing is drawn
    or fetched, and what passes is a message to the broker each 15 seconds.
    """
    path = find_chromium()
    assert path is not None
    flags = chromium_arguments(headless=True)
    url = {"page": way.publisher.url, "window": f"{way.base}/keep"}.get(home, "")
    if home == "extension":
        extension.unpacked(tmp_path, way.invite)
        flags.append(f"--load-extension={tmp_path / 'chromium'}")
        url = f"chrome-extension://{identity(tmp_path / 'chromium')}/popup.html"
    async with (
        QuietChromium(str(path), *flags, private=home != "extension") as browser,
        browser.traced(wakeups.CATEGORY) as events,
    ):
        page = await browser.open()
        await page.goto(url)
        if home == "window":
            await page.evaluate(TAKES_CLICKS)
        await turn_on(page)
        if home == "extension":
            await page.close()
        await asyncio.sleep(SETTLED_S)
        start_s = time.monotonic()
        await asyncio.sleep(WATCHED_S)
        end_s = time.monotonic()
    seen = wakeups.read(events, start_s, end_s)
    waits_ms = [timer.timeout_ms for timer in seen.pending]
    # The look at the clock, on the page, and the question to the broker, in the Worker.
    assert waits_ms.count(LEAST_MS) == 2, waits_ms
    assert min(waits_ms) >= LEAST_MS, waits_ms
    assert all(timer.timeout_ms >= LEAST_MS for timer in seen.fired), seen.fired
    assert seen.frames == 0
    assert seen.requests == ()
