"""The reading page's face: every sentence of it looked at by axe-core, photographed, and used.

The pictures are in `.artefacts/reader`.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Page, ViewportSize

from passerelle.readingpage import UNABLE
from tests.rig import axe, face
from tests.rig.pictures import take_picture
from tests.rig.reading import Reading, shown
from tests.rig.volunteer import Chromium, until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

PICTURES: Final = Path(__file__).resolve().parents[2] / ".artefacts" / "reader"
PHONE: Final[ViewportSize] = {"width": 360, "height": 640}
SHOW: Final = "(scene) => show(scene)"
DRAWN: Final = (
    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
)
TOO_WIDE: Final = """() => [...document.querySelectorAll('html, main, .chip, dialog')]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className || one.tagName)
"""
"""JavaScript for the parts that would have to be scrolled sideways."""
FOCUS: Final = """() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const style = getComputedStyle(one);
  const isSeen = style.outlineStyle !== 'none' && one.matches(':focus-visible');
  return [one.className || one.tagName, isSeen, one.contains(top)];
}"""
"""JavaScript for what has the focus, whether that is seen, and whether nothing lies over it."""
TIGHT: Final = """() => [...document.querySelectorAll('*')].some((one) => {
  const { animationName, transitionDuration, scrollBehavior } = getComputedStyle(one);
  return animationName !== 'none' || transitionDuration !== '0s' || scrollBehavior !== 'auto';
})"""
"""JavaScript that is true if anything moves by itself."""
COLOURS: Final = """(names) => names.map((name) => {
  const { color, backgroundColor } = getComputedStyle(document.querySelector(name));
  return [color, backgroundColor];
})"""
"""JavaScript for the colours of texts and of what lies behind them."""
KEEP: Final = """async () => {
  await new Promise((done) => { indexedDB.open('site').onsuccess = done; });
  localStorage.setItem('site', 'was read');
  sessionStorage.setItem('site', 'was read');
  // The site's own window has these no more, but the one around it does.
  const { navigator } = top;
  await navigator.storageBuckets.open('site');
  const files = await navigator.storage.getDirectory();
  const folder = await files.getDirectoryHandle('site', { create: true });
  await folder.getFileHandle('was-read', { create: true });
  const old = await new Promise((take) => { top.webkitRequestFileSystem(1, 1000, take); });
  await new Promise((take) => { old.root.getDirectory('site', { create: true }, take); });
  return [self.navigator.storage, self.navigator.storageBuckets, self.webkitRequestFileSystem];
}"""
"""JavaScript that keeps something in every place, and returns those that the site may not have."""
LEFT: Final = """async () => {
  const files = [];
  for await (const name of (await navigator.storage.getDirectory()).keys()) files.push(name);
  const old = await new Promise((take) => { webkitRequestFileSystem(1, 1000, take); });
  return [await navigator.serviceWorker.getRegistrations(), await caches.keys(),
    await indexedDB.databases(), Object.keys(localStorage), Object.keys(sessionStorage), files,
    await navigator.storageBuckets.keys(),
    await new Promise((take) => { old.root.createReader().readEntries(take); })]
    .map((each) => each.length);
}"""
"""JavaScript that counts what is kept, place by place."""


@pytest.fixture(scope="module", autouse=True)
def fresh_pictures() -> None:
    """Remove the pictures of earlier runs."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def paper(open_chrome: Chromium) -> AsyncIterator[Reading]:
    async with Reading(open_chrome) as made:
        await made.volunteer()
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gallery(open_chrome: Chromium) -> AsyncIterator[Page]:
    context = await open_chrome.browser.new_context(viewport=PHONE, reduced_motion="reduce")
    page = await context.new_page()
    await face.load(page)
    yield page
    await context.close()


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("fa", "dark"), ("ar", "light")])
async def test_axe_finds_nothing(gallery: Page, language: str, scheme: str) -> None:
    """Not in the notice, the sign, its inside, any sentence of a trouble, or the question before
    an address elsewhere. Nothing is wider than a phone, and nothing moves by itself."""
    await gallery.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for name, scene in face.scenes(language).items():
        await gallery.evaluate(SHOW, scene)
        await gallery.evaluate(DRAWN)
        assert await axe.violations(gallery) == [], name
        assert await gallery.evaluate(TOO_WIDE) == [], name
        assert not await gallery.evaluate(TIGHT), name
        if not name.startswith("trouble") or name in {"trouble-no_volunteer", "trouble-reading"}:
            await take_picture(gallery, PICTURES / f"{language}-{scheme}-{name}.png")


async def test_axe_would_find_something(gallery: Page) -> None:
    await gallery.evaluate(SHOW, face.scenes("en")["reading"])
    await gallery.evaluate("() => document.querySelector('.close').removeAttribute('aria-label')")
    await gallery.evaluate("() => { document.querySelector('.close').textContent = ''; }")
    await gallery.evaluate("() => document.querySelector('.close').removeAttribute('title')")
    assert any("button-name" in found for found in await axe.violations(gallery))


@pytest.mark.parametrize("language", face.LANGUAGES)
async def test_text_of_twice_the_size_fits(gallery: Page, language: str) -> None:
    """In every language on a phone: nothing is scrolled sideways."""
    await gallery.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    wide = await gallery.evaluate(
        "(scenes) => Object.entries(scenes).flatMap(([name, scene]) =>"
        f" {{ show(scene); return ({TOO_WIDE})().map((part) => `${{name}}: ${{part}}`); }})",
        face.scenes(language),
    )
    assert wide == []
    await take_picture(gallery, PICTURES / f"{language}-twice.png")
    await gallery.evaluate("() => document.documentElement.removeAttribute('style')")


async def test_forced_colours_hide_nothing(open_chrome: Chromium) -> None:
    """With a system's own colours each button is seen, and so is the dot."""
    context = await open_chrome.browser.new_context(
        viewport=PHONE, forced_colors="active", color_scheme="dark"
    )
    page = await context.new_page()
    await face.load(page)
    scenes = face.scenes("en")
    for name in ("notice", "trouble-no_volunteer", "open", "outside", "friend", "reading"):
        await page.evaluate(SHOW, scenes[name])
        await page.evaluate(DRAWN)
        await take_picture(page, PICTURES / f"forced-{name}.png")
    dot, paper = await page.evaluate(COLOURS, [".dot", ".chip"])
    assert dot[1] != paper[1]
    await page.evaluate(SHOW, scenes["notice"])
    await page.evaluate(DRAWN)
    for text, ground in await page.evaluate(COLOURS, ["button.start", ".danger", "select"]):
        assert text != ground
    await context.close()


async def test_the_sign_names_countries_in_the_readers_language(gallery: Page) -> None:
    """Each once and by name; where none is known, nothing is said of places."""
    for language, known, said in (
        ("en", ["CA", "JP"], "Through 2 volunteers · Canada, Japan"),
        ("fr", ["CA", "JP"], "Par 2 bénévoles · Canada, Japon"),
        ("fa", ["CA", "JP"], "از راه ۲ داوطلب · کانادا، ژاپن"),
        ("en", ["CA"], "Through 2 volunteers · Canada"),
        ("en", [], "Through 2 volunteers"),
        ("en", ["QQ"], "Through 2 volunteers"),
    ):
        scene = face.scenes(language)["reading"]
        await gallery.evaluate(SHOW, {**scene, "state": {"countries": known}})
        assert await gallery.locator(".summary").inner_text() == said


async def test_without_scripts_the_page_is_not_empty(paper: Reading, open_chrome: Chromium) -> None:
    """Nor in a browser that is too old for the script."""
    context = await open_chrome.browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(paper.url)
    await page.get_by_text(UNABLE).wait_for()
    await context.close()


async def test_by_keyboard_alone(paper: Reading) -> None:
    """From the notice to the site, into the sign, and away: the focus is always seen."""
    page = await paper.reader(start=False)

    async def tab() -> str:
        await page.keyboard.press("Tab")
        name, seen, free = await page.evaluate(FOCUS)
        assert seen, f"the focus on {name} cannot be seen"
        assert free, f"something lies over {name}"
        return str(name)

    assert [await tab() for _ in range(4)] == ["choice", "INPUT", "start", "leave"]
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await shown(page).get_by_text("A late harvest").wait_for()
    assert await page.locator(".summary").inner_text() == "Through 1 volunteer"
    assert [await tab() for _ in range(2)] == ["head", "close"]
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await page.locator(".about").wait_for()
    assert [await tab() for _ in range(3)] == ["close", "choice", "forget"]
    assert await axe.violations(page) == []
    await page.keyboard.press("Enter")
    await page.wait_for_url("about:blank")
    await page.context.close()


async def test_the_language_is_chosen(paper: Reading) -> None:
    """On the notice and in the sign, and it is remembered; the focus stays."""
    page = await paper.reader(start=False)
    await page.locator(".choice").select_option("fa")
    await page.locator("button.start", has_text="خواندن").wait_for()
    assert await page.evaluate("() => [document.documentElement.lang, document.dir]") == [
        "fa",
        "rtl",
    ]
    assert await page.evaluate("() => document.activeElement.className") == "choice"
    await page.click("button.start")
    await shown(page).get_by_text("A late harvest").wait_for()
    await page.locator(".head").click()
    await page.locator(".choice").focus()
    await page.locator(".choice").select_option("tr")
    await page.locator(".summary", has_text="1 gönüllü").wait_for()
    assert await page.evaluate("() => [document.documentElement.lang, document.dir]") == [
        "tr",
        "ltr",
    ]
    assert await page.evaluate("() => document.activeElement.className") == "choice"
    await page.reload()
    await page.locator(".summary", has_text="1 gönüllü").wait_for()
    await page.context.close()


async def test_one_tap_forgets_everything(paper: Reading, open_chrome: Chromium) -> None:
    """Links, worker, caches, storage, databases, files and cookies; and the page is left."""
    async with Reading(open_chrome) as alone:
        volunteer = await alone.volunteer()
        page = await alone.reader()
        await shown(page).get_by_text("A late harvest").wait_for()
        await until(volunteer, "s.people === 1")
        frame = page.frame("site")
        assert frame is not None
        assert await frame.evaluate(KEEP) == [None] * 3
        await page.evaluate("() => { document.cookie = 'mirror=1'; }")
        assert all(await page.evaluate(LEFT))
        await page.click(".close")
        await page.wait_for_url("about:blank")
        await until(volunteer, "s.people === 0")
        await page.goto(f"{alone.url}/passerelle.reader/network.json")
        assert await page.evaluate(LEFT) == [0] * 8
        assert await page.context.cookies() == []
        await page.context.close()
