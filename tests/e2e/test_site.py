"""What a switch shares with page and site: storage, moves within the page, other networks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path as FilePath

import pytest
import pytest_asyncio

from tests.e2e.test_switch import another, download, press, visitor
from tests.rig.site import Site
from tests.rig.stage import Stage, tag
from tests.rig.volunteer import Chromium, flip, state, until
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

ELEMENT = "document.querySelector('passerelle-switch')"
FILL = """
for (let size = 2 ** 22; size >= 1; size /= 2) {
  try {
    for (;;) localStorage.setItem(Math.random(), 'x'.repeat(size));
  } catch {
    // This size does not fit any more.
  }
}
"""
"""Fills the site's storage to the last byte."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(way: Way) -> AsyncIterator[Stage]:
    async with Stage(f"{way.base}/w/passerelle.js") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other(
    tmp_path_factory: pytest.TempPathFactory, chrome: Chromium, site: Site
) -> AsyncIterator[Way]:
    """Yield the servers of another network."""
    policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
    async with Way(tmp_path_factory.mktemp("other"), chrome, *policy) as running:
        yield running


# --- storage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [(FILL, ""), ("", "localStorage.clear()"), ("", f"localStorage.clear();{FILL}")],
    ids=["full", "cleared", "cleared and full"],
)
async def test_what_the_visitor_chose_holds_whatever_storage_does(
    before: str,
    after: str,
    chrome: Chromium,
    way: Way,
    stage: Stage,
    site: Site,
    tmp_path: FilePath,
) -> None:
    """The limit of a day is kept, also when the switch is turned off and on after it.

    The test of the device's rate has taken up to 4 MB of it.
    """
    async with visitor(chrome, stage.put("full", tag(way.invite))) as page:
        await page.evaluate(before or "0")
        await flip(page)
        await page.get_by_role("button", name="Limits and language").click()
        limit = page.get_by_label("MB a day at most")
        await limit.fill("8")
        await limit.blur()
        await page.evaluate(after or "0")
        assert await page.evaluate(f"{ELEMENT}.megabytes") == 8
        assert await download(way, site, 12_000_000, tmp_path) < 8_000_000
        await until(page, "s.phase === 'paused' && s.paused === 'quota'")
        await page.evaluate(after or "0")
        await press(page)
        await until(page, "s.phase === 'off'")
        await press(page)
        await until(page, "s.phase === 'paused' && s.paused === 'quota'")


async def test_what_is_forgotten_in_one_tab_is_forgotten_in_all(
    chrome: Chromium, way: Way, stage: Stage
) -> None:
    url = stage.put("forget", tag(way.invite))
    async with visitor(chrome, url) as page:
        await flip(page)
        await page.get_by_role("button", name="Limits and language").click()
        limit = page.get_by_label("MB a day at most")
        await limit.fill("2")
        await limit.blur()
        second = await another(page.context, url)
        await until(second, "s.elsewhere")
        await second.get_by_role("button", name="Limits and language").click()
        await second.get_by_role("button", name="forget everything").click()
        await until(page, "s.phase === 'off'")
        await page.wait_for_function(f"() => {ELEMENT}.megabytes === Infinity")


# --- moves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", ["0", "new Promise((done) => setTimeout(done, 40))"])
async def test_an_element_that_is_moved_stays_on(
    between: str, chrome: Chromium, way: Way, stage: Stage, tmp_path: FilePath, site: Site
) -> None:
    """A framework may take an element out, wait for something, and put it into the next page."""
    async with visitor(chrome, stage.put("moved", tag(way.invite))) as page:
        await flip(page)
        phases = await page.evaluate(
            f"""async () => {{
              const element = {ELEMENT};
              const phases = [];
              const note = (event) => phases.push(event.detail.phase);
              element.addEventListener('passerelle-change', note);
              element.remove();
              await {between};
              document.body = document.createElement('body');
              document.body.append(element);
              await new Promise((done) => setTimeout(done, 150));
              return [...phases, element.snapshot.phase];
            }}"""
        )
        assert set(phases) <= {"waiting", "helping"}
        assert await download(way, site, 100_000, tmp_path) == 100_000


async def test_a_question_that_is_moved_can_still_be_answered(
    chrome: Chromium, way: Way, stage: Stage
) -> None:
    async with visitor(chrome, stage.put("asked", tag(way.invite))) as page:
        await press(page)
        await page.evaluate(
            f"""async () => {{
              const element = {ELEMENT};
              element.remove();
              await new Promise((done) => setTimeout(done, 40));
              document.body.append(element);
            }}"""
        )
        await page.get_by_role("button", name="Turn on").click()
        await until(page, "s.phase === 'waiting'")


# --- two networks ------------------------------------------------------------------------------


async def test_two_networks_of_a_page_share_figures_and_not_consent(
    chrome: Chromium, way: Way, other: Way, stage: Stage, site: Site, tmp_path: FilePath
) -> None:
    """Each network is agreed to by itself; what was carried for both is in the same figures."""
    url = stage.put("two", tag(way.invite, id="a") + tag(f" {other.invite}\n", id="b"))
    shown = "['a', 'b'].map((id) => document.getElementById(id).snapshot)"

    async with visitor(chrome, url) as page:
        for place in (0, 1):
            await page.get_by_role("switch").nth(place).click()
            await page.get_by_label("Remember my choice").check()
            await page.get_by_role("button", name="Turn on").click()
            await page.wait_for_function(f"() => {shown}[{place}].phase === 'waiting'")
        sizes = 0
        for network in (way, other):
            assert await download(network, site, 700_000, tmp_path) == 700_000
            sizes += 700_000
            await page.wait_for_function(
                f"() => {shown}.every((s) => s.totals.bytes >= {sizes}"
                f" && s.today.bytes >= {sizes} && s.ever.people === {sizes // 700_000})"
            )
        seconds = await page.evaluate(f"{shown}.map((s) => s.ever.seconds)")
        assert max(seconds) < await page.evaluate("performance.now() / 1000")
        await page.reload()
        await page.wait_for_function(f"() => {shown}.every((s) => s.ever.bytes >= {sizes})")
        for place in (0, 1):
            await page.get_by_role("switch").nth(place).click()
            await page.wait_for_function(f"() => {shown}[{place}].phase === 'waiting'")
        await page.get_by_role("button", name="Limits and language").first.click()
        await page.get_by_role("button", name="forget everything").click()
        await page.wait_for_function(
            f"() => {shown}.every((s) => s.phase === 'off' && s.ever.bytes === 0)"
        )


async def test_two_networks_share_the_limit_of_a_day(
    chrome: Chromium, way: Way, other: Way, stage: Stage, site: Site, tmp_path: FilePath
) -> None:
    """What one network used up pauses the other, in another tab of the site too."""
    urls = [stage.put(network.base[-5:], tag(network.invite)) for network in (way, other)]
    async with visitor(chrome, urls[0]) as page:
        await page.evaluate("localStorage.setItem('passerelle-choices', '{\"megabytes\":\"2\"}')")
        await flip(page)
        second = await another(page.context, urls[1])
        await flip(second)
        assert await download(way, site, 12_000_000, tmp_path) < 2_000_000
        await until(page, "s.phase === 'paused'")
        await until(second, "s.phase === 'paused' && s.paused === 'quota'")
        assert (await state(second))["today"]["bytes"] >= 2_000_000
