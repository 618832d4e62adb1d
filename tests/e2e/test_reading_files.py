"""The files of a reading page in a real Chromium: altered ones are refused; a broker's page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.rig.reading import Reading
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

FOLDER = "passerelle.reader/"
MARK = "globalThis.isAltered = true;"
SEEN = """() => [globalThis, document.querySelector('iframe')?.contentWindow]
  .some((window) => window?.isAltered)"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reading(open_chrome: Chromium) -> AsyncIterator[Reading]:
    async with Reading(open_chrome) as made:
        await made.volunteer()
        yield made


@contextmanager
def altered(reading: Reading, *changes: tuple[str, str, str]) -> Iterator[None]:
    """Serve other files: of each change's stem and ending, with its text behind what was there."""
    kept = dict(reading.files)
    for stem, ending, text in changes:
        names = [
            path
            for path in kept
            if path.startswith(f"{FOLDER}{stem}.") and path.endswith(f".{ending}")
        ]
        assert len(names) == 1, names
        reading.files[names[0]] += text.encode()
    try:
        yield
    finally:
        reading.files.update(kept)


async def opened(reading: Reading, language: str = "en-US") -> Page:
    """A page in an empty profile, whatever it shows."""
    page = await (await reading.chrome.browser.new_context(locale=language)).new_page()
    await page.goto(reading.url)
    return page


async def test_an_altered_shell_does_not_run(reading: Reading) -> None:
    """The document has its hash, and the policy lets nothing else run."""
    with altered(reading, ("shell", "js", MARK)):
        page = await opened(reading)
        await page.get_by_text("was altered by somebody").wait_for()
        assert await page.locator("button").count() == 0
        assert not await page.evaluate(SEEN)
        await page.context.close()


async def test_an_altered_style_is_not_used(reading: Reading) -> None:
    with altered(reading, ("shell", "css", "body{--altered:1}")):
        page = await reading.reader(start=False)
        look = "() => getComputedStyle(document.body).getPropertyValue('--altered')"
        assert await page.evaluate(look) == ""
        await page.locator(".unable", has_text="was altered by somebody").wait_for()
        await page.context.close()
    page = await reading.reader(start=False)
    assert await page.evaluate("() => document.styleSheets.length") == 1
    assert await page.locator(".unable").count() == 0
    await page.context.close()


async def test_altered_words_are_not_shown(reading: Reading) -> None:
    """Other words than the publisher's could promise a reader what is not so. That is told in the
    reader's language, and in English where those sentences were altered, too."""
    words = ("words-en", "json", " "), ("words-de", "json", " ")
    for more, told in (
        ((), "Teil dieser Seite"),
        ((("instead", "js", MARK),), "Part of this page"),
    ):
        with altered(reading, *words, *more):
            page = await opened(reading, "de-DE")
            await page.get_by_text(told).wait_for()
            assert not await page.evaluate(SEEN)
            assert await page.locator("button").count() == 0
            await page.context.close()


async def test_a_shell_that_does_not_come_is_told(reading: Reading) -> None:
    page = await (await reading.chrome.browser.new_context(locale="en-US")).new_page()
    await page.route("**/shell.*.js", lambda route: route.abort())
    await page.goto(reading.url)
    await page.get_by_text("is missing").wait_for()
    await page.context.close()


@pytest.mark.parametrize(("stem", "ending"), [("inner", "js"), ("shell", "html")])
async def test_a_worker_does_not_begin_with_altered_files(
    reading: Reading, stem: str, ending: str
) -> None:
    """It keeps all files or none: the reader is told, and shown one article at a time instead."""
    with altered(reading, (stem, ending, MARK if ending == "js" else "<p>altered")):
        page = await reading.reader()
        await page.locator(".summary", has_text="Through 1 volunteer").wait_for()
        await page.frame_locator("iframe").get_by_text("A late harvest").wait_for()
        assert await page.locator("iframe[name=site]").count() == 0
        await page.locator(".trouble", has_text="was altered by somebody").wait_for()
        assert not await page.evaluate(SEEN)
        await page.context.close()


async def test_an_altered_second_tier_does_not_run(reading: Reading) -> None:
    """Where the first does not begin, either, the page says so."""
    with altered(reading, ("inner", "js", MARK), ("article", "js", MARK)):
        page = await reading.reader()
        await page.locator(".trouble", has_text="was altered by somebody").wait_for()
        assert await page.locator("iframe").count() == 0
        assert not await page.evaluate(SEEN)
        await page.context.close()


async def test_an_altered_description_is_replaced_by_the_brokers(reading: Reading) -> None:
    """It is signed, so the page takes none that a mirror made. The worker takes none, either."""
    with altered(reading, ("network", "json", "x")):
        page = await reading.reader()
        await page.frame_locator("iframe").get_by_text("A late harvest").wait_for()
        await page.context.close()


async def test_the_brokers_page_connects_under_its_policy(reading: Reading) -> None:
    """The header's policy lets the page do what it must, and cookies are set by nobody."""
    context = await reading.chrome.browser.new_context(locale="en-US")
    page = await context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    answer = await page.goto(reading.servers.invite.url + "/read")
    assert answer is not None
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    await page.click("button.start")
    await page.locator(".summary", has_text="Through 1 volunteer").wait_for()
    assert [text for text in told if "Security Policy" in text] == []
    assert await context.cookies() == []
    await context.close()
