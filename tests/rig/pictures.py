"""Pictures of pages, for people to look at."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Error, Page

_TRIES = 10
_NOTHING_DRAWN = "Unable to capture screenshot"


async def take_picture(page: Page, path: Path, *, full_page: bool = False) -> None:
    """Write a picture of a page, or of all that can be scrolled to.

    A Chromium whose cores are busy has nothing drawn yet of a page that has just been opened. It is
    asked again then, for some seconds.
    """
    for left in reversed(range(_TRIES)):
        try:
            await page.screenshot(path=path, full_page=full_page)
            return
        except Error as error:
            if _NOTHING_DRAWN not in str(error) or not left:
                raise
        await asyncio.sleep(0.5)
