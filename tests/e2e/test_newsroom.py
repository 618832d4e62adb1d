"""What a publisher and everybody see of a real volunteer that helps a real reader."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from passerelle.core.embed import LANGUAGES
from tests.rig import axe
from tests.rig.firefox import Firefox
from tests.rig.firefox import flip as flip_in_firefox
from tests.rig.newsroom import NewsroomWay, enter
from tests.rig.publisher import Publisher
from tests.rig.site import Site
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

CHECKED: Final = ("en", "fa")
"""A language of each direction, since axe-core sees no other difference."""
NARROW: Final = (320, 640)
WIDE: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def network(
    tmp_path_factory: pytest.TempPathFactory, chrome: Chromium, site: Site
) -> AsyncIterator[NewsroomWay]:
    async with NewsroomWay(tmp_path_factory.mktemp("newsroom"), chrome, site) as running:
        yield running


async def test_a_publisher_sees_its_volunteer_and_whom_it_helped(
    network: NewsroomWay, chrome: Chromium, tmp_path: Path
) -> None:
    """A volunteer on the publisher's page is on its page at once, and a reader once it has gone.

    The page needs no script, and its cookie is in no other request of the browser.
    """
    token = await network.command(network.publisher.url)
    context = await chrome.browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await enter(page, network.base, token)
    assert token not in page.url
    assert await page.get_by_text("Nobody has the switch on right now.").is_visible()
    volunteer = await network.volunteer()
    await page.reload()
    assert await page.get_by_text("Nobody has the switch on").count() == 0
    assert (await page.locator("dd").all_inner_texts())[0] == "8"
    await network.read(tmp_path, 300_000)
    await volunteer.context.close()
    async with asyncio.timeout(10):
        # The exit reports on the link when it has ended.
        while (await page.locator("dd").all_inner_texts())[1] == "0":
            await page.reload()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Hours (CSV)").click()
    table = (await (await download.value).path()).read_text(encoding="ascii")
    row = list(csv.DictReader(io.StringIO(table)))[-1]
    assert (row["most_volunteers"], row["times_helped"], row["megabytes"]) == ("8", "8", "8")
    (cookie,) = await context.cookies()
    assert cookie["path"] == "/newsroom"
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    await page.get_by_role("button", name="Leave").click()
    await page.get_by_label("Token").wait_for()
    assert await context.cookies() == []
    await enter(page, network.base, token)
    assert await network.command("--withdraw", network.publisher.url) == "is void"
    await page.reload()
    assert await page.get_by_role("alert").is_visible()
    assert not any(token in line for line in network.server.lines)
    await context.close()


async def test_a_volunteer_in_firefox_counts_for_its_own_page_alone(
    network: NewsroomWay, chrome: Chromium, firefox: Firefox
) -> None:
    """Firefox names the page's origin as Chromium does, and another publisher has nobody."""
    async with Publisher(network.invite) as other:
        tokens = [await network.command(url) for url in (other.url, network.publisher.url)]
        volunteer = await firefox.open(other.url)
        await flip_in_firefox(volunteer)
        shown = []
        for token in tokens:
            page = await chrome.open("about:blank")
            await enter(page, network.base, token)
            shown.append((await page.locator("dd").all_inner_texts())[0])
            await page.context.close()
        await volunteer.close()
    assert shown == ["8", "0"]


async def test_both_pages_fit_in_any_language_and_have_no_barrier(
    network: NewsroomWay, chrome: Chromium
) -> None:
    """In each language nothing is wider than a small phone, and axe-core finds nothing."""
    token = await network.command("https://news.example")
    context = await chrome.browser.new_context(
        viewport={"width": NARROW[0], "height": NARROW[1]}, locale="en"
    )
    page = await context.new_page()
    failed: list[str] = []
    page.on("console", lambda message: failed.append(message.text))
    for path in ("newsroom", "", "newsroom"):
        for code in LANGUAGES:
            await page.goto(f"{network.base}/{path}?lang={code}")
            assert not await page.evaluate(WIDE), (path, code)
            if code in CHECKED:
                assert await axe.violations(page) == [], (path, code)
        if path == "":
            await enter(page, network.base, token)
    assert failed == []
    await context.close()
