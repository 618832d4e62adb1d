"""The switch in every layout, theme and direction is checked by axe-core and photographed.

The pictures are in `.artefacts/looks`, with one sheet of all for each browser.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Page

from passerelle.core.embed import Layout
from tests.rig import axe
from tests.rig.firefox import Firefox, FirefoxPage
from tests.rig.gallery import Gallery
from tests.rig.pictures import take_picture
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

PICTURES: Final = Path(__file__).resolve().parents[2] / ".artefacts" / "looks"
THEMES: Final = ("light", "dark")
"""The themes to look at; `auto` is one of these two, by the visitor's system."""
DIRECTIONS: Final = {"ltr": "en", "rtl": "fa"}
STATES: Final = ("off", "consent", "connecting", "waiting", "helping", "caution", "problem")
SHEET_STATES: Final = ("off", "consent", "helping")
WIDE: Final = (760, 900)
NARROW: Final = (320, 720)
ROOT: Final = "document.querySelector('passerelle-switch').shadowRoot"
SHOWN: Final = f"""() => {{
  const root = {ROOT};
  const card = root?.querySelector('.card');
  const globe = root?.querySelector('.globe');
  return !!root?.querySelector('.example')?.textContent
    && card.dataset.phase === document.querySelector('passerelle-switch').getAttribute('mock')
    && (!globe || globe.hidden || !!globe.querySelector('canvas'));
}}"""
"""JavaScript that is true once the state is shown and the globe, if there is one, is drawn."""
GLOBE_SHOWN: Final = f"() => !!{ROOT}.querySelector('canvas')"
DRAWN: Final = (
    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
)
OVERFLOW: Final = (
    "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
)

cases = pytest.mark.parametrize(
    ("layout", "theme", "direction"), list(itertools.product(Layout, THEMES, DIRECTIONS))
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gallery() -> AsyncIterator[Gallery]:
    async with Gallery() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(chrome: Chromium) -> AsyncIterator[Page]:
    """Yield a page without animations, so that two pictures of one state are the same."""
    context = await chrome.browser.new_context(
        viewport={"width": WIDE[0], "height": WIDE[1]}, reduced_motion="reduce"
    )
    yield await context.new_page()
    await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fox() -> AsyncIterator[FirefoxPage]:
    async with Firefox({"ui.prefersReducedMotion": 1}) as firefox:
        page = await firefox.open("about:blank")
        await page.set_viewport_size(*WIDE)
        yield page


async def show(page: Any, gallery: Gallery, case: tuple[str, str, str], state: str) -> None:
    """Open the switch in a state, and wait until it is drawn. Unfold the floating layout."""
    layout, theme, direction = case
    lang = DIRECTIONS[direction]
    url = gallery.url(layout=layout, theme=theme, mock=state, lang=lang, direction=direction)
    await page.goto(url)
    await page.wait_for_function(SHOWN)
    if state in {"waiting", "helping"} and layout == Layout.PANEL:
        await page.wait_for_function(GLOBE_SHOWN)
    await page.evaluate(DRAWN)


@cases
async def test_axe_finds_nothing(
    gallery: Gallery, page: Page, layout: str, theme: str, direction: str
) -> None:
    """`axe-core` finds no violation of WCAG 2.2 AA or its own best practice in any state."""
    await page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    for state in STATES:
        await show(page, gallery, (layout, theme, direction), state)
        assert await axe.violations(page) == [], state
        shown = await page.evaluate(f"getComputedStyle({ROOT}.querySelector('.card')).direction")
        assert shown == direction


async def test_axe_would_find_something(gallery: Gallery, page: Page) -> None:
    """`axe-core` looks into the shadow root: it finds a button without a name there."""
    await show(page, gallery, ("panel", "light", "ltr"), "off")
    await page.evaluate(
        f"() => {{ const one = {ROOT}.querySelector('.switch');"
        " one.removeAttribute('aria-labelledby'); one.removeAttribute('aria-label'); }"
    )
    assert any("switch" in found for found in await axe.violations(page))


@cases
async def test_pictures_in_chromium(
    gallery: Gallery, page: Page, layout: str, theme: str, direction: str
) -> None:
    """In Chromium nothing is wider than the page, on a wide screen and on a phone's."""
    folder = PICTURES / "chromium"
    folder.mkdir(parents=True, exist_ok=True)
    for state, size in itertools.product(SHEET_STATES, (WIDE, NARROW)):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await show(page, gallery, (layout, theme, direction), state)
        assert not await page.evaluate(OVERFLOW), (state, size)
        name = f"{layout}-{theme}-{direction}-{state}-{size[0]}.png"
        await take_picture(page, folder / name, full_page=True)


@cases
async def test_pictures_in_firefox(
    gallery: Gallery, fox: FirefoxPage, layout: str, theme: str, direction: str
) -> None:
    """In Firefox nothing is wider than the page, and axe-core finds nothing."""
    folder = PICTURES / "firefox"
    folder.mkdir(parents=True, exist_ok=True)
    for state in SHEET_STATES:
        await show(fox, gallery, (layout, theme, direction), state)
        assert not await fox.evaluate(OVERFLOW), state
        assert await axe.violations(fox) == [], state
        await fox.screenshot(folder / f"{layout}-{theme}-{direction}-{state}.png")


async def test_zoom_to_twice_the_size(gallery: Gallery, chrome: Chromium) -> None:
    """At 200 % zoom, which halves the page's room, nothing is cut off or too wide."""
    context = await chrome.browser.new_context(
        viewport={"width": 640, "height": 450}, device_scale_factor=2, reduced_motion="reduce"
    )
    page = await context.new_page()
    folder = PICTURES / "zoom"
    folder.mkdir(parents=True, exist_ok=True)
    for layout, state in itertools.product(Layout, SHEET_STATES):
        await show(page, gallery, (layout, "light", "ltr"), state)
        assert not await page.evaluate(OVERFLOW), (layout, state)
        await take_picture(page, folder / f"{layout}-{state}.png", full_page=True)
    await context.close()


@pytest.fixture(scope="module", autouse=True)
def fresh_pictures() -> None:
    """Remove the pictures of earlier runs."""
    shutil.rmtree(PICTURES, ignore_errors=True)
