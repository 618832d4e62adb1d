"""Make the documents' pictures of a WordPress that goes on when it is blocked.

.venv/bin/python -m tests.rig.survivepictures docs/pictures

The site's name leads to a censor, who refuses every connection after the first visit.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page

from passerelle import readingpage, survival
from passerelle.demo import herald
from passerelle.demo import reading as demo
from passerelle.demo.run import HOST
from passerelle.readingpage import ReadingPage
from passerelle.serve import BUILT_WIDGET, widget_script
from tests.rig.ports import free_port
from tests.rig.reading import Reading, shown
from tests.rig.survive import Censor
from tests.rig.volunteer import Chromium
from tests.rig.wordpress import ADMIN, PASSWORD, WordPress, database, wordpress

NAME: Final = "heron.localhost"
READY: Final = "() => navigator.serviceWorker.ready.then(() => true)"
LOADED: Final = "() => [...document.images].every((image) => image.complete)"
LOG_IN: Final = """(words) => fetch('/wp-login.php', { method: 'POST',
  body: new URLSearchParams(words) }).then((answer) => answer.url)"""


async def draw(folder: Path) -> None:
    """Write `survive-wordpress.png`, `survive-visited.png` and `survive-mirror.png` to `folder`."""
    front = free_port()
    names = f"--host-resolver-rules=MAP {NAME} {HOST}:{front}"
    with tempfile.TemporaryDirectory(prefix="passerelle-") as made:
        (Path(made) / "heron").mkdir()
        async with (
            database(Path(made)) as mariadb,
            wordpress(mariadb, Path(made) / "heron", host=NAME) as paper,
            Chromium(*demo.OPEN, names) as chrome,
            Reading(chrome, paper.port, (NAME,)) as reading,
        ):
            censor = Censor(front, site=(HOST, paper.port))
            await censor.be("open")
            await paper.publish(herald.picture("bridge", 1600, 900))
            script = widget_script(BUILT_WIDGET)
            await paper.reset(
                position="floating",
                network=str(reading.servers.invite.plain),
                src=script.source(reading.servers.invite.url),
                integrity=script.integrity,
            )
            await reading.volunteer()
            admin = await _turn_on(chrome.browser, paper, reading)
            await admin.locator("#passerelle-survive").scroll_into_view_if_needed()
            await admin.screenshot(path=folder / "survive-wordpress.png")

            visitor = await _phone(chrome.browser)
            await visitor.goto(paper.url + "/")
            await visitor.evaluate(READY)
            await censor.be("refused")
            await visitor.goto(paper.url + "/")
            await _read(visitor, folder / "survive-visited.png")

            mirror = await reading.reader(start=False)
            await _read(mirror, folder / "survive-mirror.png")

            await censor.close()


async def _turn_on(browser: Browser, paper: WordPress, reading: Reading) -> Page:
    """Put the worker's file in as a publisher does, and return the page of settings."""
    page = await (await browser.new_context(viewport={"width": 900, "height": 420})).new_page()
    await page.goto(f"{paper.url}/wp-login.php")
    await page.evaluate(LOG_IN, {"log": ADMIN, "pwd": PASSWORD, "testcookie": "1"})
    await page.goto(f"{paper.url}/wp-admin/options-general.php?page=passerelle")
    made = survival.survival(
        readingpage.built(),
        ReadingPage(
            site=(paper.url,),
            invite=str(reading.servers.invite.plain),
            brokers=(reading.servers.invite.url,),
            document=reading.servers.document,
        ),
    )
    await page.locator("#passerelle-survive-file").set_input_files(
        {"name": survival.FILE, "mimeType": "text/javascript", "buffer": made[survival.FILE]}
    )
    await page.get_by_role("button", name="Go on when blocked").click()
    await page.locator("#passerelle-survive-state", has_text="On.").wait_for()
    return page


async def _phone(browser: Browser) -> Page:
    context = await browser.new_context(viewport={"width": 360, "height": 640}, locale="en-US")
    return await context.new_page()


async def _read(page: Page, path: Path) -> None:
    """Agree to the notice, and write a picture of the front page."""
    await page.click("button.start")
    await shown(page).locator("h1, h2").first.wait_for()
    frame = page.frame("site")
    assert frame is not None
    await frame.wait_for_function(LOADED)
    await page.screenshot(path=path)


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))
