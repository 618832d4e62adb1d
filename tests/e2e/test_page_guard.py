"""What turns the switch on is the visitor's click on a switch that they see, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Page

from tests.e2e.test_trouble import BROWSERS, Parts, visit
from tests.rig.firefox import Firefox
from tests.rig.stage import NO_NETWORK, Stage, lone_stage, tag
from tests.rig.volunteer import Chromium, state, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

LONGEST_MS = 1_500
"""The longest pause of a page that other pages send to. The machine may be slow."""
WATCH = """
<script>
  globalThis.phases = [];
  globalThis.crashes = [];
  globalThis.longest_ms = 0;
  addEventListener('error', ({ message }) => crashes.push(message));
  document.addEventListener('DOMContentLoaded', () =>
    document.querySelector('passerelle-switch').addEventListener('passerelle-change',
      ({ detail }) => phases.push(detail.phase)));
  let last_ms = performance.now();
  setInterval(() => {
    longest_ms = Math.max(longest_ms, performance.now() - last_ms);
    last_ms = performance.now();
  }, 10);
</script>"""
"""A script that records the phases of the page's switch, its errors and its longest pause."""
BROADCAST = """(snapshots) => {
  const { network } = document.querySelector('passerelle-switch');
  const channel = new BroadcastChannel(`passerelle ${network}`);
  for (const snapshot of snapshots) channel.postMessage({ type: 'state', snapshot });
}"""
FRAMED = """
<script type="module">
  await customElements.whenDefined('passerelle-switch');
  const bridge = document.querySelector('passerelle-switch');
  bridge.addEventListener('passerelle-change', ({ detail: { phase, reason } }) =>
    parent.postMessage({ phase, reason }, '*'));
  bridge.start();
</script>"""
"""A script that presses the page's switch, and tells the page around it what comes of it."""
LISTEN = "<script>globalThis.told = []; onmessage = ({ data }) => told.push(data);</script>"
NO_PRELOAD = """
<script>
  DOMTokenList.prototype.supports = () => false;
  Object.defineProperty(HTMLLinkElement.prototype, 'rel', { set() {} });
</script>"""
"""A script that makes a browser one that knows no `modulepreload`: such a link does nothing."""
COVER = (
    "<div class=cover style='position:fixed;inset:0;z-index:9;background:#fff;pointer-events:none'>"
)


def snapshot(**changes: Any) -> dict[str, Any]:
    """Return what a tab that is on tells the others, except for `changes`."""
    counts = {"people": 0, "bytes": 0, "seconds": 0}
    return {
        **dict.fromkeys(("country", "reason", "paused", "retry_s")),
        **dict.fromkeys(("totals", "today", "ever"), counts),
        "phase": "waiting",
        "people": 0,
        "crossing": [],
        "elsewhere": False,
        **changes,
    }


# --- other pages of the site -------------------------------------------------------------------


@BROWSERS
async def test_what_another_page_says_turns_nothing_on(
    browser: str, chrome: Chromium, firefox: Firefox
) -> None:
    """A made-up state is shown until nobody answers for it; no part of the relay is fetched."""
    async with Parts() as parts, Stage(parts.url) as stage:
        url = stage.put("said", WATCH + tag(NO_NETWORK))
        async with visit(browser, chrome, firefox, url) as here:
            await here.until("!!s")
            await here.page.evaluate(f"() => ({BROADCAST})([{_json(snapshot())}])")
            await here.page.wait_for_function(
                "() => phases.includes('waiting') && phases.at(-1) === 'off'"
            )
            assert {"engine", "relay"}.isdisjoint(parts.asked)
            # A press asks, as on any page.
            await here.press()
            await here.until("s.phase === 'consent'")


@BROWSERS
async def test_malformed_states_cost_nothing(
    browser: str, chrome: Chromium, firefox: Firefox
) -> None:
    """States that make no sense, or are huge, neither throw nor hold up the page."""
    async with lone_stage() as stage:
        url = stage.put("malformed", WATCH + tag(NO_NETWORK))
        async with visit(browser, chrome, firefox, url) as here:
            await here.until("!!s")
            await here.page.evaluate("longest_ms = 0")
            await here.page.evaluate(f"""() => ({BROADCAST})([
              undefined, null, 5, 'waiting', {{}}, {{ phase: 'waiting' }},
              {_json(snapshot(crossing=5))},
              {{ ...{_json(snapshot())}, crossing: Array(300_000).fill('IR') }},
              {{ ...{_json(snapshot())}, crossing: Array.from({{ length: 300_000 }}, String) }},
              {_json(snapshot(phase="helping", people=7))},
            ])""")
            await here.page.wait_for_function("() => phases.includes('helping')")
            assert await here.page.evaluate("crashes") == []
            assert await here.page.evaluate("longest_ms") < LONGEST_MS


# --- frames --------------------------------------------------------------------------------------


@BROWSERS
@pytest.mark.parametrize("kind", ["another site", "the same site", "a sandbox"])
async def test_a_strangers_frame_turns_nothing_on(
    kind: str, browser: str, chrome: Chromium, firefox: Firefox
) -> None:
    """In a frame of another origin nobody is asked; in one of the same origin all is as usual."""
    async with lone_stage() as stage, Stage(stage.script) as other:
        inner = stage.put("inner", tag(NO_NETWORK) + FRAMED)
        outer = other if kind == "another site" else stage
        sandbox = "sandbox='allow-scripts'" if kind == "a sandbox" else ""
        url = outer.put("outer", f"{LISTEN}<iframe src='{inner}' {sandbox}></iframe>")
        async with visit(browser, chrome, firefox, url) as here:
            await here.page.wait_for_function("() => told.length > 0")
            (told,) = await here.page.evaluate("told")
            if kind == "the same site":
                assert told == {"phase": "consent", "reason": None}
            elif kind == "another site":
                assert told == {"phase": "problem", "reason": "framed"}
            else:
                # Without an origin, storage and parts fail too. Only "consent" must not be told.
                assert told["phase"] == "problem"


async def test_a_framed_switch_says_where_it_works(chrome: Chromium) -> None:
    """Two clicks on a nearly invisible frame turn nothing on; the link leads out of the frame."""
    async with lone_stage() as stage, Stage(stage.script) as other:
        inner = stage.put("inner", tag(NO_NETWORK))
        frame = f"<iframe src='{inner}' style='opacity:.01;width:600px;height:900px'></iframe>"
        page = await chrome.open(other.put("outer", frame))
        try:
            framed = page.frame_locator("iframe")
            await framed.get_by_role("switch").click()
            await framed.get_by_text("inside another site").wait_for()
            await framed.get_by_role("switch").click()
            assert not await framed.get_by_role("button", name="Turn on").is_visible()
            async with page.context.expect_page() as opened:
                await framed.get_by_role("link", name="Open this page by itself").click()
            alone = await opened.value
            assert alone.url == inner
            await alone.get_by_role("switch").click()
            await alone.get_by_role("button", name="Turn on").wait_for()
        finally:
            await page.context.close()


# --- covers -------------------------------------------------------------------------------------


async def _uncover(page: Page) -> None:
    await page.evaluate("document.querySelector('.cover').remove()")


async def test_what_is_covered_is_not_agreed_to(chrome: Chromium) -> None:
    """A yes through a cover counts for nothing; without the cover it does."""
    async with lone_stage() as stage:
        page = await chrome.open(stage.put("covered", tag(NO_NETWORK) + COVER))
        try:
            await page.get_by_role("switch").click()
            await page.get_by_role("button", name="Turn on").click()
            await page.get_by_text("covers or fades the switch").wait_for()
            assert (await state(page))["reason"] == "covered"
            await _uncover(page)
            await page.get_by_role("switch").click()
            await page.get_by_role("button", name="Turn on").click()
            await until(page, "s.phase === 'retrying'")
        finally:
            await page.context.close()


@pytest.mark.parametrize("style", ["opacity: .3", "filter: blur(9px)", "transform: scale(.2)"])
async def test_what_is_faded_is_not_agreed_to(style: str, chrome: Chromium) -> None:
    async with lone_stage() as stage:
        page = await chrome.open(
            stage.put("faded", f"<div style='{style}'>{tag(NO_NETWORK)}</div>")
        )
        try:
            await page.get_by_role("switch").click()
            await page.get_by_role("button", name="Turn on").click()
            await until(page, "s.phase === 'problem' && s.reason === 'covered'")
        finally:
            await page.context.close()


async def test_a_remembered_yes_is_no_yes_under_a_cover(chrome: Chromium) -> None:
    """Where one press is enough, the switch itself must be seen; turning off is always possible."""
    async with lone_stage() as stage:
        remember = f"<script>localStorage['passerelle-consent'] = '{NO_NETWORK}'</script>"
        page = await chrome.open(stage.put("remembered", remember + tag(NO_NETWORK) + COVER))
        try:
            await page.get_by_role("switch").click()
            await until(page, "s.phase === 'problem' && s.reason === 'covered'")
            await _uncover(page)
            await page.get_by_role("switch").click()
            await until(page, "s.phase === 'retrying'")
            await page.evaluate(
                "(cover) => document.body.insertAdjacentHTML('beforeend', cover)", COVER
            )
            await page.get_by_role("switch").click()
            await until(page, "s.phase === 'off'")
        finally:
            await page.context.close()


@pytest.mark.parametrize("layout", ["panel", "inline", "banner", "floating"])
async def test_every_layout_can_be_seen(layout: str, chrome: Chromium) -> None:
    """No layout, theme or direction is taken for a covered switch."""
    async with lone_stage() as stage:
        url = stage.put(
            layout, tag(NO_NETWORK, layout=layout, theme="dark"), lang="fa", direction="rtl"
        )
        page = await chrome.open(url)
        try:
            await page.set_viewport_size({"width": 360, "height": 640})
            await page.get_by_role("switch").click()
            await page.locator("passerelle-switch .agree").click()
            await until(page, "s.phase === 'retrying'")
        finally:
            await page.context.close()


# --- parts --------------------------------------------------------------------------------------


@BROWSERS
async def test_parts_come_where_modulepreload_is_not_known(
    browser: str, chrome: Chromium, firefox: Firefox
) -> None:
    async with lone_stage() as stage:
        url = stage.put("old", NO_PRELOAD + tag(NO_NETWORK))
        async with visit(browser, chrome, firefox, url) as here:
            await here.press()
            await here.agree()
            await here.until("s.phase === 'retrying'")


def _json(value: object) -> str:
    return json.dumps(value)
