"""The switch in every layout, theme and direction, measured and photographed.

The pictures are for people to look at; set `PASSERELLE_LOOKS` to a folder to keep them.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.rig.pictures import take_picture
from tests.rig.stage import Stage, lone_stage, tag
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

LAYOUTS = ("panel", "inline", "banner", "floating")
THEMES = ("light", "dark")
LANGUAGES = {"ltr": "en", "rtl": "fa"}
STATES = ("off", "consent", "caution", "waiting", "helping", "paused", "retrying", "problem")
LIVELY_S = 11.0
"""How long the globe turns and shows its newest arc at most; after that it is calm."""
WATCHED_S = 4.0
DRAWS_PER_S = 5
TOUCH_PX = 44
"""The smallest target for a finger (WCAG 2.5.5)."""
NARROW_PX = (320, 200)
"""The width of a page of 1,280 pixels at 400 % zoom (WCAG 1.4.10), and that of a narrow column."""
BACKGROUNDS = {"light": "#f3f1ec", "dark": "#0c1114"}
WHERE = """[...document.querySelector('passerelle-switch').shadowRoot.querySelectorAll('.walker')]
  .map((walker) => getComputedStyle(walker).offsetDistance).join()"""
MEASURE = """() => {
  const host = document.querySelector('passerelle-switch');
  const card = host.shadowRoot.querySelector('section');
  const visible = (node) => node.checkVisibility() && node.getBoundingClientRect().width > 0;
  const box = (node) => node.getBoundingClientRect();
  const target = (node) => box(node.closest('label') ?? node);
  return {
    small: [...card.querySelectorAll('button, input, select')].filter(visible)
      .filter((node) => target(node).height < 44 || target(node).width < 44)
      .map((node) => node.outerHTML.slice(0, 80)),
    wide: [...card.querySelectorAll('p, h2, h3, dl, dt, dd, ul, li, label, footer, button')]
      .filter(visible).filter((node) => node.scrollWidth > node.clientWidth + 1
        && getComputedStyle(node).display !== 'inline' && node.clientWidth > 0)
      .map((node) => node.outerHTML.slice(0, 80)),
    crossed: ['.figures > div', '.choice > button', 'header > *, .example']
      .flatMap((some) => [...card.querySelectorAll(some)].filter(visible).map(box))
      .some((one, index, all) => all.some((other, at) => at > index
        && one.left < other.right - 1 && other.left < one.right - 1
        && one.top < other.bottom - 1 && other.top < one.bottom - 1)),
    over: document.documentElement.scrollWidth - innerWidth,
    direction: getComputedStyle(card).direction,
    isShown: visible(card.querySelector('[role=switch]')),
  };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    async with lone_stage() as running:
        yield running


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("PASSERELLE_LOOKS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("looks")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def explained(page: Page) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"on {page.url}")
        raise


async def look(
    chrome: Chromium, stage: Stage, picture: Path, *, width: int, theme: str, **attributes: str
) -> None:
    """Show one switch, check it against the rules, and take a picture."""
    lang = attributes.pop("language")
    direction = "rtl" if lang == "fa" else "ltr"
    style = f"<style>body{{margin:16px;min-height:640px;background:{BACKGROUNDS[theme]}}}</style>"
    body = style + tag(theme=theme, **attributes)
    url = stage.put(picture.stem, body, lang=lang, direction=direction)
    page = await chrome.browser.new_page(
        viewport={"width": width, "height": 700}, reduced_motion="reduce"
    )
    try:
        await page.goto(url)
        await page.locator("passerelle-switch .example").wait_for()
        if attributes["layout"] == "panel" and attributes["mock"] in ("waiting", "helping"):
            await page.locator("canvas").wait_for()
        found = await page.evaluate(MEASURE)
        await page.wait_for_timeout(200)
        await take_picture(page, picture, full_page=True)
        with explained(page):
            assert found["isShown"]
            assert found["direction"] == direction
            assert found["small"] == []
            assert found["wide"] == []
            assert found["over"] <= 0
            assert not found["crossed"] or attributes["layout"] == "panel"
    finally:
        await page.close()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("direction", LANGUAGES)
async def test_every_look(
    layout: str, theme: str, direction: str, chrome: Chromium, stage: Stage, pictures: Path
) -> None:
    """All is shown, nothing is cut off, and every target is large enough for a finger."""
    for state in ("off", "consent", "helping"):
        picture = pictures / f"{layout}-{theme}-{direction}-{state}.png"
        width = 1100 if layout == "banner" else 520
        language = LANGUAGES[direction]
        await look(
            chrome,
            stage,
            picture,
            width=width,
            theme=theme,
            layout=layout,
            mock=state,
            language=language,
        )


@pytest.mark.parametrize("width", NARROW_PX)
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_narrow_page(
    width: int, layout: str, chrome: Chromium, stage: Stage, pictures: Path
) -> None:
    """On a narrow or magnified page nothing has to be scrolled sideways."""
    for state in STATES:
        picture = pictures / f"{layout}-{width}-{state}.png"
        await look(
            chrome,
            stage,
            picture,
            width=width,
            theme="light",
            layout=layout,
            mock=state,
            language="de",
        )


async def test_motion_is_seen_and_costs_little(
    stage: Stage, tmp_path: Path, pictures: Path
) -> None:
    """The walking figure moves for hours, in only a few steps a second."""
    trace = tmp_path / "trace.json"
    # Use a browser of its own, so that what other tests' pages draw is not counted.
    async with Chromium() as chrome:
        page = await chrome.browser.new_page(viewport={"width": 520, "height": 900})
        await page.goto(stage.put("motion", tag(layout="panel", mock="helping")))
        await page.locator("canvas").wait_for()
        await page.wait_for_timeout(LIVELY_S * 1e3)
        await chrome.browser.start_tracing(page=page, path=trace, categories=["cc"])
        before = await page.evaluate(WHERE)
        await page.wait_for_timeout(WATCHED_S * 1e3)
        after = await page.evaluate(WHERE)
        await chrome.browser.stop_tracing()
        await take_picture(page, pictures / "motion.png")
    assert after != before
    events = json.loads(trace.read_bytes())["traceEvents"]
    draws = sum(event["name"] == "ProxyImpl::ScheduledActionDraw" for event in events)
    assert 0 < draws <= DRAWS_PER_S * WATCHED_S
