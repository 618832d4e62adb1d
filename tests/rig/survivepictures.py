"""Make the documents' pictures of a WordPress that goes on when it is blocked.

.venv/bin/python -m tests.rig.survivepictures docs/pictures

The site's name leads to a censor, who refuses every connection after the first visit.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from passerelle.demo import herald
from passerelle.demo.reading import SHOWN
from tests.rig.pictures import take_picture
from tests.rig.survivingpaper import surviving_paper

READY: Final = "() => navigator.serviceWorker.ready.then(() => true)"
LOADED: Final = f"""() => {{
  const {{ images = [] }} = {SHOWN} ?? {{}};
  return images.length > 0 && [...images].every((image) => image.naturalWidth > 0);
}}"""


async def draw(folder: Path) -> None:
    """Write `survive-wordpress.png`, `survive-visited.png`, and the others to `folder`.

    The others are `survive-mirror.png` and `survive-file.png`.
    """
    async with surviving_paper() as here:
        await here.paper.publish(herald.picture("bridge", 1600, 900))
        settings = await here.settings({"width": 900, "height": 420})
        await here.put_in(settings, here.worker())
        await settings.locator("#passerelle-survive-state", has_text="On.").wait_for()
        await settings.locator("#passerelle-survive").scroll_into_view_if_needed()
        await take_picture(settings, folder / "survive-wordpress.png")

        visitor = await here.phone()
        await visitor.goto(here.paper.url + "/")
        await visitor.evaluate(READY)
        await here.censor.be("refused")
        await visitor.goto(here.paper.url + "/")
        await _read(visitor, folder / "survive-visited.png")
        mirror = await here.phone()
        await mirror.goto(here.reading.url)
        await _read(mirror, folder / "survive-mirror.png")
        file = await here.phone()
        await file.goto(here.single.as_uri())
        await _read(file, folder / "survive-file.png")


async def _read(page: Page, path: Path) -> None:
    """Agree to the notice, and write a picture of the front page."""
    await page.click("button.start")
    await page.wait_for_function(LOADED)
    await take_picture(page, path)


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))
