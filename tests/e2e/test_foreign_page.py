"""The switch looks and works the same on pages of all kinds, whatever their styles are."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route

from passerelle.core.embed import ROOM, Layout
from tests.rig.stage import Stage, lone_stage, tag
from tests.rig.volunteer import Chromium, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

LAYOUTS = ("panel", "inline", "banner", "floating")
INHERITED = """<style>
  html { font-size: 62.5%; }
  body { white-space: nowrap; text-transform: uppercase; letter-spacing: .3em; word-spacing: 1em;
    line-height: 1; text-indent: 3em; text-align: right; font: italic 700 9px serif;
    writing-mode: horizontal-tb; hyphens: auto; word-break: break-all; cursor: wait; }
</style>"""
"""Styles that a page gives to all its text, and a size of its root."""
BOX = "<div style='position: absolute; left: 16px; top: 16px; width: 520px'>"
SHAPE = """() => [...document.querySelector('passerelle-switch').shadowRoot.querySelectorAll('*')]
  .filter((node) => node.checkVisibility())
  .map((node) => {
    const { x, y, width, height } = node.getBoundingClientRect();
    return [node.localName, Math.round(x), Math.round(y), Math.round(width), Math.round(height),
      getComputedStyle(node).textTransform].join(' ');
  })"""
CARD = """() => {
  const card = document.querySelector('passerelle-switch').shadowRoot.querySelector('.card');
  const { left, top, right, bottom } = card.getBoundingClientRect();
  return { left, top, right: innerWidth - right, bottom: innerHeight - bottom };
}"""
PAINTED = """new Promise((done) =>
  new PerformanceObserver(done).observe({ type: 'paint', buffered: true }))"""
SHIFT = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => {
  const seen = new PerformanceObserver(() => undefined);
  seen.observe({ type: 'layout-shift', buffered: true });
  done(seen.takeRecords().reduce((sum, { value }) => sum + value, 0));
})))"""
MARGIN_PX = 16.0
"""The room between the floating switch and the edges of the window."""
MOST_SHIFT = 0.03
"""The layout shift that a late script may cause; 0.1 counts as good for a whole page."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    async with lone_stage() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(chrome: Chromium) -> AsyncIterator[Page]:
    """Yield an empty page in a context of its own, with nothing in motion."""
    context = await chrome.browser.new_context(
        viewport={"width": 1000, "height": 700}, reduced_motion="reduce"
    )
    yield await context.new_page()
    await context.close()


async def built(page: Page, url: str) -> None:
    """Open a page, and wait until its switch is built."""
    await page.goto(url)
    await page.locator("passerelle-switch section").wait_for(state="attached")


async def placed(page: Page, url: str) -> dict[str, float]:
    """Open a page, and return how far the card is from each edge of the window."""
    await built(page, url)
    return dict(await page.evaluate(CARD))


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_pages_text_styles_do_not_reach_in(layout: str, stage: Stage, page: Page) -> None:
    """No node of the switch has another place, size or case on a page with styles of its own."""
    shapes: list[list[Any]] = []
    for state in ("off", "consent", "helping"):
        for name, style in (("plain", ""), ("styled", INHERITED)):
            body = f"{style}{BOX}{tag(layout=layout, mock=state, map='none')}</div>"
            await page.goto(stage.put(f"{name}-{layout}-{state}", body))
            await page.locator("passerelle-switch .example").wait_for()
            shapes.append(await page.evaluate(SHAPE))
        assert shapes[-1] == shapes[-2], state


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("style", ["body { font-family: monospace }", "* { font: 11px monospace }"])
async def test_a_pages_font_does_not_change_the_width(
    style: str, layout: str, stage: Stage, page: Page
) -> None:
    """In a monospace font, browsers take `medium` for less; a page may size every element."""
    shapes: list[list[Any]] = []
    for name, rule in (("plain", ""), ("font", style)):
        body = f"<style>{rule}</style>{tag(layout=layout, mock='consent', map='none')}"
        await page.goto(stage.put(f"{name}-{layout}", body))
        await page.locator("passerelle-switch .example").wait_for()
        shapes.append(await page.evaluate(SHAPE))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    "around",
    [
        "<div>",
        "<div style='transform: translateX(50px); width: 300px; height: 80px'>",
        "<div style='contain: paint; overflow: hidden; height: 10px'>",
        "<style>* { all: unset } style { display: none }</style><div>",
    ],
)
async def test_the_floating_switch_stays_in_its_corner(
    around: str, stage: Stage, page: Page
) -> None:
    """No transform, containment or reset of the page moves or cuts the floating switch."""
    at = await placed(page, stage.put("corner", f"{around}{tag(layout='floating')}</div>"))
    assert at["right"] == pytest.approx(MARGIN_PX, abs=1)
    assert at["bottom"] == pytest.approx(MARGIN_PX, abs=1)
    await page.locator("passerelle-switch .fold").click()
    # An element that is moved within the page keeps its place in the window.
    await page.evaluate("document.body.prepend(document.querySelector('passerelle-switch'))")
    moved = dict(await page.evaluate(CARD))
    assert moved["right"] == pytest.approx(MARGIN_PX, abs=1)
    assert moved["bottom"] == pytest.approx(MARGIN_PX, abs=1)


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("corner", ["", "top-left", "top-right", "bottom-left", "bottom-right"])
async def test_the_publisher_chooses_the_corner(
    corner: str, direction: str, stage: Stage, page: Page
) -> None:
    """Without a choice the switch stands at the bottom, where the page's lines end."""
    given = {"corner": corner} if corner else {}
    url = stage.put("corner", tag(layout="floating", lang="en", **given), direction=direction)
    at = await placed(page, url)
    usual = "bottom-right" if direction == "ltr" else "bottom-left"
    for edge in (corner or usual).split("-"):
        assert at[edge] == pytest.approx(MARGIN_PX, abs=1)


async def test_the_switch_is_not_printed(stage: Stage, page: Page) -> None:
    for layout in LAYOUTS:
        await built(page, stage.put("print", f"<p>Text</p>{tag(layout=layout)}"))
        await page.emulate_media(media="print")
        assert not await page.locator("passerelle-switch section").is_visible()
        await page.emulate_media(media="screen")
        assert await page.locator("passerelle-switch section").is_visible()


async def test_what_the_page_hides_is_hidden(stage: Stage, page: Page) -> None:
    """A switch in a menu that is not shown can be neither seen nor pressed."""
    body = f"<div style='visibility: hidden; pointer-events: none'>{tag()}</div>"
    await built(page, stage.put("hidden", body))
    assert not await page.locator("passerelle-switch [role=switch]").is_visible()


async def test_the_answers_are_in_sight_in_a_low_window(stage: Stage, page: Page) -> None:
    """In a window lower than the consent text, its two buttons are in sight and can be pressed."""
    await built(page, stage.put("low", tag(layout="floating"), lang="fr"))
    await page.get_by_role("switch").click()
    agree = page.get_by_role("button", name="Activer")
    await agree.wait_for()
    hit = """(button) => {
      const { x, y, width, height } = button.getBoundingClientRect();
      const hit = button.getRootNode().elementFromPoint(x + width / 2, y + height / 2);
      return y >= 0 && y + height <= innerHeight && hit === button;
    }"""
    assert await agree.evaluate(hit)
    # What stands under the buttons can be scrolled to.
    await page.locator("passerelle-switch label").scroll_into_view_if_needed()
    assert await agree.evaluate(hit)


async def test_the_floating_switch_is_away_until_tomorrow(stage: Stage, page: Page) -> None:
    """A visitor hides the floating switch for the day; a switch that is asked for is shown."""
    await page.clock.install()
    url = stage.put("away", tag(layout="floating", lang="en"))
    await built(page, url)
    card = page.locator("passerelle-switch section")
    await page.locator("passerelle-switch .fold").click()
    await page.get_by_role("button", name="Hide until tomorrow").click()
    assert not await card.is_visible()
    await built(page, url)
    assert not await card.is_visible()
    await page.evaluate("document.querySelector('passerelle-switch').start()")
    await until(page, "s.phase === 'consent'")
    assert await card.is_visible()
    await page.clock.fast_forward("24:00:00")
    await built(page, url)
    assert await card.is_visible()
    # The other layouts are parts of the page, and are not hidden.
    await built(page, stage.put("panel", tag(lang="en")))
    assert not await page.get_by_role("button", name="Hide until tomorrow").is_visible()


@pytest.mark.parametrize("layout", ["panel", "inline", "banner"])
async def test_a_row_that_gives_it_no_room_does_not_make_it_vanish(
    layout: str, stage: Stage, page: Page
) -> None:
    """Text on it stays readable in `flex: 0 1 0`, as themes have it for what they do not know."""
    switch = tag(layout=layout, lang="en", style="flex: 0 1 0")
    await built(page, stage.put("row", f"<div style='display: flex'><p>Words</p>{switch}</div>"))
    box = await page.locator("passerelle-switch").bounding_box()
    assert box is not None
    assert box["width"] >= 190
    assert box["height"] <= 900


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"layuot": "floating"}, ['layuot="floating"']),
        ({"layout": "pannel"}, ['layout="pannel"']),
        ({"hours": "25:00-99:00", "people": "0"}, ['hours="25:00-99:00"', 'people="0"']),
        ({"theme": "Dark"}, ['theme="Dark"']),
        ({"corner": "left", "layout": "floating"}, ['corner="left"']),
        ({"map": "no"}, ['map="no"']),
        ({"mock": "help"}, ['mock="help" is taken for "helping"']),
        ({"mock": "waiting"}, []),
        ({"network": ""}, ["network is no invite"]),
        ({"network": "https://broker.invalid/#short"}, ["network is no invite"]),
        ({"mbit": "0,5"}, ['mbit="0,5" is taken for 0.1']),
        (
            {"lanes": "9", "people": "5.5"},
            ['lanes="9" is taken for 4', 'people="5.5" is taken for 5'],
        ),
        (
            {"layout": "floating", "corner": "middle", "batery": "run"},
            ['corner="middle"', "batery"],
        ),
        ({"layout": "banner", "hours": "22:00-06:30", "class": "x", "data_x": "1"}, []),
        ({"corner": "top-left", "layout": "floating", "mbit": "2.50", "megabytes": "none"}, []),
    ],
)
async def test_a_slip_in_the_tag_is_told_once(
    attributes: dict[str, str], told: list[str], stage: Stage, page: Page
) -> None:
    """The console names each attribute or value without a meaning, and nothing else.

    It does so before anybody presses the switch: the publisher who looks at the page has not.
    """
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await built(page, stage.put("slip", tag(**attributes)))
    await page.wait_for_load_state("networkidle")
    assert len(said) == len(told), said
    await page.evaluate("document.querySelector('passerelle-switch').start()")
    await page.wait_for_load_state("networkidle")
    assert len(said) == len(told), said
    assert all(any(word in text for text in said) for word in told), said


async def test_a_tag_that_swallows_the_page_is_told(stage: Stage, page: Page) -> None:
    body = f"{tag().removesuffix('></passerelle-switch>')}/><p>The rest of the page</p>"
    async with page.expect_console_message() as waiting:
        await page.goto(stage.put("swallowed", body))
    assert "</passerelle-switch>" in (await waiting.value).text


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("delete globalThis.RTCPeerConnection", "no_webrtc"),
        ("Object.defineProperty(globalThis, 'isSecureContext', { value: false })", "insecure"),
    ],
)
async def test_a_browser_that_cannot_help_is_told_before_it_is_asked(
    missing: str, reason: str, stage: Stage, page: Page
) -> None:
    """Nobody reads and agrees to what their browser cannot do."""
    await page.add_init_script(missing)
    await built(page, stage.put("missing", tag()))
    await page.get_by_role("switch").click()
    await until(page, f"s.phase === 'problem' && s.reason === '{reason}'")
    await page.locator("passerelle-switch #status:not(:empty)").wait_for()
    assert not await page.locator("passerelle-switch .agree").is_visible()


async def test_no_event_says_what_the_one_before_said(stage: Stage, page: Page) -> None:
    """Each `passerelle-change` has a snapshot that differs from the last one."""
    await built(page, stage.put("events", tag()))
    await page.evaluate("""() => {
      globalThis.seen = [];
      const { seen } = globalThis;
      const bridge = document.querySelector('passerelle-switch');
      const note = ({ detail }) => seen.push(JSON.stringify(detail));
      bridge.addEventListener('passerelle-change', note);
    }""")
    await page.get_by_role("switch").click()
    await page.locator("passerelle-switch .agree").click()
    await until(page, "s.phase === 'retrying' || s.phase === 'problem'")
    await page.get_by_role("switch").click()
    seen = await page.evaluate("seen")
    assert len(seen) > 2
    assert all(one != other for one, other in itertools.pairwise(seen)), seen


@pytest.mark.parametrize("width", [390, 1100])
@pytest.mark.parametrize("layout", ["panel", "inline", "banner"])
async def test_a_late_script_moves_nothing(
    layout: str, width: int, chrome: Chromium, stage: Stage
) -> None:
    """The tag that publishers are given keeps the switch's room free until the script has come."""
    context = await chrome.browser.new_context(viewport={"width": width, "height": 800})
    page = await context.new_page()
    style = f"display:block;min-height:{ROOM[Layout(layout)]}"
    text = "<p style='font: 1rem/1.5 sans-serif'>" + "The news of the day. " * 150
    url = stage.put("late", f"{text[:400]}</p>{tag(layout=layout, style=style)}{text}</p>")
    painted = asyncio.Event()

    async def late(route: Route) -> None:
        await painted.wait()
        await route.continue_()

    await page.route("**/w/**", late)
    await page.goto(url, wait_until="commit")
    await page.evaluate(PAINTED)
    painted.set()
    await page.locator("passerelle-switch section").wait_for(state="attached")
    shift = await page.evaluate(SHIFT)
    await context.close()
    assert shift < MOST_SHIFT
