"""A network in one program, with a publisher that may see its figures.

.venv/bin/python -m tests.rig.newsroom docs/pictures draws the documents' pictures of both pages, of
a real network with real volunteers.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from playwright.async_api import Page

from tests.rig.curl import Proxy, fetch
from tests.rig.pictures import take_picture
from tests.rig.ports import free_port
from tests.rig.program import PASSERELLE, Program, client, invite_of, serve
from tests.rig.publisher import Publisher
from tests.rig.site import Site
from tests.rig.volunteer import Chromium, flip

HOST: Final = "127.0.0.1"
WIDTH: Final = 760


class NewsroomWay:
    """Servers, a publisher's page and its token, during an `async with`."""

    def __init__(self, folder: Path, chromium: Chromium, site: Site) -> None:
        """`folder` gets the keys; readers may reach `site`."""
        self._folder = folder
        self._chromium = chromium
        self._site = site
        self._port = free_port()
        self._stack = AsyncExitStack()
        self.invite = ""
        self.publisher: Publisher

    @property
    def base(self) -> str:
        """The URL of the broker."""
        return f"http://{HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            policy = ("--allow", "127.0.0.0/8", "--exit-port", str(self._site.port))
            self.server = serve(self._folder / "network", HOST, self._port, *policy)
            await stack.enter_async_context(self.server)
            self.invite = await invite_of(self.server)
            self.publisher = await stack.enter_async_context(Publisher(self.invite))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def command(self, *words: str) -> str:
        """Run `passerelle newsroom` beside the running server; return the token it prints."""
        state = str(self._folder / "network")
        async with Program(*PASSERELLE, "newsroom", "--state", state, *words) as program:
            return (await program.expect(r"newsroom-\w+|is void")).group()

    async def volunteer(self) -> Page:
        """Return the publisher's page with its switch turned on."""
        page = await self._chromium.open(self.publisher.url)
        await flip(page)
        return page

    async def read(self, folder: Path, size: int, *options: str) -> None:
        """Fetch `size` bytes from the site by a client of its own, which ends then."""
        port = free_port()
        async with client(self.invite, port, *options) as program:
            await program.expect("Connected through a volunteer")
            url = f"http://{HOST}:{self._site.port}/bytes/{size}"
            got = await fetch(Proxy.SOCKS, port, folder / "page", url)
            assert (got.code, got.status) == (0, 200), got.text


async def enter(page: Page, base: str, token: str) -> None:
    """Open the newsroom's page and give the token as a person does."""
    await page.goto(f"{base}/newsroom")
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Show the figures").click()
    await page.get_by_text("Volunteers now").wait_for()


async def draw(folder: Path) -> None:
    """Write `newsroom.png` and `status.png` to `folder`."""
    with tempfile.TemporaryDirectory() as made:
        state = Path(made)
        async with (
            Chromium() as chrome,
            Site() as site,
            NewsroomWay(state, chrome, site) as way,
        ):
            token = await way.command(re.sub(r"/$", "", way.publisher.url))
            for _ in range(9):
                await way.volunteer()
            for _ in range(4):
                await way.read(state, 6_000_000)
            context = await chrome.browser.new_context(viewport={"width": WIDTH, "height": 900})
            page = await context.new_page()
            await enter(page, way.base, token)
            await take_picture(page, folder / "newsroom.png", full_page=True)
            await page.goto(way.base)
            await take_picture(page, folder / "status.png", full_page=True)


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))
