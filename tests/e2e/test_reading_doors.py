"""A reader whom no volunteer reaches, in a real Chromium, with a real door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from passerelle import readingpage
from passerelle.demo.reading import static_host
from passerelle.io.server.web import WebServer
from passerelle.readingpage import ReadingPage
from tests.network import HOST
from tests.rig.behinddoor import behind_a_door
from tests.rig.reading import chromium, shown
from tests.rig.volunteer import Chromium

WITHOUT_WEBRTC = "delete window.RTCPeerConnection"


@asynccontextmanager
async def reader(kind: str, folder: Path, chrome: Chromium, script: str) -> AsyncIterator[Page]:
    """Open the reading page of a network whose own names lead nowhere, behind a door.

    `script` runs before the page's own.
    """
    async with behind_a_door(kind, folder) as here:
        network = await here.named()
        page = ReadingPage(
            site=(here.site,),
            invite=str(here.servers.invite.plain),
            brokers=readingpage.asked_servers(network),
            document=await here.document(),
        )
        files = readingpage.mirror(readingpage.built(), page)
        async with WebServer(static_host(files), HOST, 0) as mirror:
            context = await chrome.browser.new_context(locale="en-US")
            await context.add_init_script(script)
            opened = await context.new_page()
            await opened.goto(f"http://localhost:{mirror.port}/story/library")
            yield opened
            await context.close()


@pytest.mark.parametrize(
    ("kind", "script"),
    [("PHP", ""), ("nginx", WITHOUT_WEBRTC)],
    ids=["no volunteer is there", "the browser has no WebRTC"],
)
async def test_a_story_comes_through_a_door(kind: str, script: str, tmp_path: Path) -> None:
    """It comes by HTTPS alone, with its pictures, and the sign names the server."""
    async with chromium() as chrome, reader(kind, tmp_path, chrome, script) as page:
        await page.click("button.start")
        await expect(shown(page).locator("h1")).to_be_visible(timeout=15_000)
        await expect(page.locator(".chip .head")).to_contain_text("Through the server 127.0.0.1:")
        await expect(page.locator(".trouble")).to_have_count(0)
        await shown(page).locator("a", has_text="Herald").first.click()
        await expect(shown(page).locator(".stories")).to_be_visible()
