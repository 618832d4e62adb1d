"""Make the documents' picture of a reading page: of a real one that reads through volunteers.

.venv/bin/python -m tests.rig.readingpicture docs/pictures/reader.png
"""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

from tests.rig.reading import Reading, chromium, shown

SHEET = """<!doctype html><style>
body { margin: 0; padding: 16px; width: max-content; display: flex; gap: 16px; background: #ddd; }
img { width: 300px; border-radius: 12px; }
</style>"""


async def draw(path: Path) -> None:
    """Write notice, front page and opened sign, side by side, as a PNG to `path`."""
    async with chromium() as chrome, Reading(chrome) as reading:
        for _ in range(2):
            await reading.volunteer()
        pictures = []
        page = await reading.reader(start=False)
        pictures.append(await page.screenshot())
        await page.click("button.start")
        await shown(page).get_by_text("A late harvest").wait_for()
        await page.locator(".summary", has_text="2 volunteers").wait_for()
        loaded = "() => [...document.images].every((image) => image.naturalWidth > 0)"
        frame = page.frame("site")
        assert frame is not None
        await frame.wait_for_function(loaded)
        pictures.append(await page.screenshot())
        await shown(page).get_by_text("A late harvest").click()
        await shown(page).locator("h1", has_text="A late harvest").wait_for()
        await frame.wait_for_function(loaded)
        await page.click(".head")
        pictures.append(await page.screenshot())
        sheet = await chrome.open("about:blank")
        images = "".join(
            f'<img src="data:image/png;base64,{base64.b64encode(each).decode()}">'
            for each in pictures
        )
        await sheet.set_content(SHEET + images)
        await sheet.locator("body").screenshot(path=path)


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))
