"""A real WordPress that can be blocked, its network, a volunteer, and a mirror of it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Page, ViewportSize

from passerelle import readingpage, survival
from passerelle.demo import reading as demo
from passerelle.demo.run import HOST
from passerelle.readingpage import ReadingPage
from passerelle.serve import BUILT_WIDGET, widget_script
from tests.rig.ports import free_port
from tests.rig.reading import Reading
from tests.rig.survive import Censor
from tests.rig.volunteer import Chromium
from tests.rig.wordpress import ADMIN, PASSWORD, WordPress, database, wordpress

NAME: Final = "heron.localhost"
_LOG_IN: Final = """(words) => fetch('/wp-login.php', { method: 'POST',
  body: new URLSearchParams(words) }).then((answer) => answer.url)"""


@dataclass
class SurvivingPaper:
    """Everything during `surviving_paper`. The censor lets all pass at first."""

    paper: WordPress
    chrome: Chromium
    reading: Reading
    censor: Censor
    single: Path
    """The single file, on this computer's disk."""

    def worker(self, site_key: bytes = b"") -> bytes:
        """Return the file of the worker for a site that signs with `site_key`."""
        page = ReadingPage(
            site=(self.paper.url,),
            invite=str(self.reading.servers.invite.plain),
            brokers=(self.reading.servers.invite.url,),
            document=self.reading.servers.document,
        )
        return survival.survival(readingpage.built(), page, site_key)[survival.FILE]

    async def settings(self, viewport: ViewportSize | None = None) -> Page:
        """Log in as the publisher, and return the page of the plugin's settings."""
        page = await (await self.chrome.browser.new_context(viewport=viewport)).new_page()
        await page.goto(f"{self.paper.url}/wp-login.php")
        words = {"log": ADMIN, "pwd": PASSWORD, "testcookie": "1"}
        assert "/wp-admin" in await page.evaluate(_LOG_IN, words)
        await page.goto(f"{self.paper.url}/wp-admin/options-general.php?page=passerelle")
        return page

    async def put_in(self, settings: Page, content: bytes) -> None:
        """Put a worker's file into the plugin, as the publisher does."""
        await settings.locator("#passerelle-survive-file").set_input_files(
            {"name": survival.FILE, "mimeType": "text/javascript", "buffer": content}
        )
        await settings.get_by_role("button", name="Go on when blocked").click()

    async def phone(self) -> Page:
        """Return an empty page of a browser that was nowhere before, as large as a phone's."""
        viewport: ViewportSize = {"width": 360, "height": 640}
        context = await self.chrome.browser.new_context(viewport=viewport, locale="en-US")
        return await context.new_page()


@asynccontextmanager
async def surviving_paper() -> AsyncIterator[SurvivingPaper]:
    """Run everything. The site's name leads to the censor, in whose place nobody else is asked."""
    front = free_port()
    names = f"--host-resolver-rules=MAP {NAME} {HOST}:{front}"
    # A socket's path may have at most 107 characters; pytest's own folders may be deeper. What PHP
    # says of the plugin's files is found by their names, so no folder above has that name.
    with tempfile.TemporaryDirectory(prefix="wordpress-") as name:
        folder = Path(name)
        (folder / "heron").mkdir()
        async with (
            database(folder) as mariadb,
            wordpress(mariadb, folder / "heron", host=NAME) as paper,
            Chromium(*demo.OPEN, names) as chrome,
            Reading(chrome, paper.port, (NAME,)) as reading,
        ):
            censor = Censor(front, site=(HOST, paper.port))
            await censor.be("open")
            script = widget_script(BUILT_WIDGET)
            await paper.reset(
                position="floating",
                network=str(reading.servers.invite.plain),
                src=script.source(reading.servers.invite.url),
                integrity=script.integrity,
            )
            await reading.volunteer()
            single = folder / readingpage.SINGLE_FILE
            single.write_bytes(reading.single)
            try:
                yield SurvivingPaper(paper, chrome, reading, censor, single)
            finally:
                await censor.close()
