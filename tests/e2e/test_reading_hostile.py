"""A reading page among enemies: the site's own pages, its answers, and the volunteers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, async_playwright

from passerelle.browser import chromium_arguments, find_chromium
from passerelle.demo.reading import OPEN
from tests.rig.elsewhere import ADDRESS, NAME, RULES, Elsewhere
from tests.rig.reading import PAGES, Reading, chromium, shown
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome() -> AsyncIterator[Chromium]:
    async with chromium() as running:
        yield running


async def calm(page: Page, reading: Reading) -> None:
    """Wait until the reader reads on, as if nothing had happened."""
    await page.goto(f"{reading.url}/story/harvest")
    await shown(page).locator("h1", has_text="A late harvest").wait_for()


async def test_a_hostile_page_sends_nothing_elsewhere(chrome: Chromium, tmp_path: Path) -> None:
    """Every way out of a page that a browser has: no connection, no datagram, no name looked up.

    The reader's Chromium has a profile, because it takes hints only where there is one, and writes
    down what its network does, names included.
    """
    log = tmp_path / "network.json"
    async with Elsewhere() as elsewhere, Reading(chrome) as reading, async_playwright() as tool:
        text = (PAGES / "everything.html").read_text()
        text = text.replace("ELSE", f"{NAME}:{elsewhere.port}")
        text = text.replace("UDP", f"{ADDRESS}:{elsewhere.port}")

        async def everything(_request: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html")

        reading.newspaper.pages["everything"] = everything
        await reading.volunteer()
        context = await tool.chromium.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=find_chromium(),
            args=[
                *(each for each in chromium_arguments(headless=True) if "background" not in each),
                *OPEN,
                RULES,
                f"--log-net-log={log}",
            ],
            ignore_default_args=["--disable-background-networking"],
        )
        page = await context.new_page()
        await page.goto(f"{reading.url}/page/everything")
        await page.click("button.start")
        heading = shown(page).locator("h1", has_text="done:")
        await heading.wait_for()
        assert (await heading.inner_text()).strip() == "done:"
        await page.locator("dialog").wait_for()
        assert await page.locator("dialog").count() == 1
        await page.get_by_role("button", name="Go back").click()
        await page.locator(".chip .head").click()
        assert 0 < await page.locator(".chip li").count() <= 64
        assert await page.locator(".chip li", has_text="forged").count() == 0
        assert page.url == f"{reading.url}/page/everything#here"
        await calm(page, reading)
        assert not any("secret" in path for path in reading.mirror_paths)
        await context.close()
        assert elsewhere.arrived == []
    names = set(re.findall(rf"[\w-][\w.-]*\.{re.escape(NAME)}", log.read_text()))
    assert names == set()
