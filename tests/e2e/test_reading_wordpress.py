"""A real WordPress, with Debian's package, MariaDB and PHP, in the reading page."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Frame, Page

from passerelle.demo import herald
from tests.rig.reading import Reading, shown
from tests.rig.volunteer import Chromium
from tests.rig.wordpress import WordPress, database, wordpress

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

NAME = "heron.localhost"
LOADED = "() => [...document.images].every((image) => image.complete)"
LOOK = """() => ({
    text: document.body.innerText,
    height: document.documentElement.scrollHeight,
    styles: [...document.styleSheets].map((sheet) => sheet.cssRules.length),
    pictures: [...document.images].map((image) =>
        [new URL(image.currentSrc).pathname, image.naturalWidth, image.width]),
    links: document.links.length,
    colours: [...document.querySelectorAll('h1, h2, a, button, p')].map((one) =>
        getComputedStyle(one).color + getComputedStyle(one).fontSize),
})"""
"""What can be seen of a page, but for the addresses of its links."""


@dataclass(frozen=True, slots=True)
class Scene:
    paper: WordPress
    reading: Reading
    page: Page
    """A reader's."""
    direct: Page
    """A visitor's, for whom nothing is blocked."""

    async def open(self, path: str) -> Frame:
        """Open a page of the site for the reader."""
        await self.page.goto(self.reading.url + path)
        await shown(self.page).locator("h1, h2").first.wait_for()
        frame = self.page.frame("site")
        assert frame is not None
        return frame

    async def arrives(self, path: str) -> None:
        """Wait until the reader is at the page at `path`."""
        await self.page.wait_for_url(self.reading.url + path)
        await shown(self.page).locator("h1, h2").first.wait_for()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(open_chrome: Chromium) -> AsyncIterator[Scene]:
    # A socket's path may have at most 107 characters; pytest's own folders may be deeper.
    with tempfile.TemporaryDirectory(prefix="passerelle-") as name:
        folder = Path(name)
        (folder / "heron").mkdir()
        async with (
            database(folder) as running,
            wordpress(running, folder / "heron", host=NAME) as paper,
            Reading(open_chrome, paper.port, (NAME,)) as reading,
        ):
            await paper.publish(herald.picture("bridge", 1600, 900))
            await reading.volunteer()
            page = await reading.reader()
            await shown(page).locator("h2").first.wait_for()
            context = await open_chrome.browser.new_context(
                viewport={"width": 360, "height": 740}, locale="en-US"
            )
            yield Scene(paper, reading, page, await context.new_page())
            await context.close()
            # The mirror saw the address of the first visit, and cookies never.
            foreign = [each for each in reading.mirror_paths if not each.startswith("/passerelle")]
            assert set(foreign) <= {"/", "/favicon.ico"}


@pytest.mark.parametrize(
    "path",
    ["/", "/2026/03/story-3/", "/?s=heron", "/category/valley/page/2/", "/no-such-story/"],
)
async def test_a_page_looks_as_on_the_site(scene: Scene, path: str) -> None:
    """Texts, heights, styles, and which size of each picture was chosen."""
    frame = await scene.open(path)
    await frame.wait_for_load_state()
    await frame.wait_for_function(LOADED)
    # The sign takes a line of a small screen.
    height = await frame.evaluate("() => innerHeight")
    await scene.direct.set_viewport_size({"width": 360, "height": height})
    await scene.direct.goto(scene.paper.url + path)
    await scene.direct.wait_for_function(LOADED)
    look = await frame.evaluate(LOOK)
    assert look == await scene.direct.evaluate(LOOK)
    assert sum(look["styles"]) > 50
    assert all(width > 0 for _, width, _ in look["pictures"])
    assert await scene.page.title() == await scene.direct.title()


async def test_a_reader_goes_through_the_site(scene: Scene) -> None:
    """By the menu, an archive, links that name the site, page numbers and the search form."""
    await scene.open("/")
    site = shown(scene.page)
    await site.get_by_role("button", name="Open menu").click()
    await site.get_by_role("link", name="Valley").first.click()
    await scene.arrives("/category/valley/")
    await site.get_by_role("link", name="Story 5 of the river").last.click()
    await scene.arrives("/2026/05/story-5/")
    await site.get_by_role("link", name="The first story").click()
    await scene.arrives("/2026/01/story-1/")
    await scene.page.go_back()
    await scene.arrives("/2026/05/story-5/")
    await scene.open("/")
    await site.get_by_role("link", name="Older Posts").click()
    await scene.arrives("/page/2/")
    await scene.open("/no-such-story/")
    await site.get_by_role("searchbox").fill("day 4")
    await site.get_by_role("button", name="Search").click()
    await scene.arrives("/?s=day+4")
    await site.get_by_role("link", name="Story 4 of the river").last.wait_for()


async def test_a_comment_is_sent_once(scene: Scene) -> None:
    """The answer leads back to the story, and the cookie that it sets is the page's own."""
    await scene.open("/2026/02/story-2/")
    site = shown(scene.page)
    await site.get_by_label("Comment *").fill("Well observed")
    await site.get_by_label("Name *").fill("Ana")
    await site.get_by_label("Email *").fill("ana@paper.example")
    await site.get_by_label("Save my name").check()
    await site.get_by_role("button", name="Post Comment").click()
    await site.get_by_text("Well observed").wait_for()
    await scene.page.wait_for_url("**/2026/02/story-2/#comment-*")
    assert await scene.paper.run("return get_comments( array( 'count' => true ) );") == 1
    await scene.page.evaluate(
        "() => document.querySelector('iframe').contentWindow.location.reload()"
    )
    await site.get_by_label("Name *").wait_for()
    assert await site.get_by_label("Name *").input_value() == "Ana"
    assert await scene.page.context.cookies() == []
    # The face beside a comment is another company's.
    await scene.page.locator(".chip .head").click()
    await scene.page.locator(".chip li", has_text="gravatar.com").wait_for()
