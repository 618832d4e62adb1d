"""The switch in a real Firefox relays for clients, and passes the tests that Chromium does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.test_hostile import network, provoke
from tests.rig.curl import Proxy, fetch
from tests.rig.firefox import Firefox, FirefoxPage, flip, state, until
from tests.rig.publisher import Publisher
from tests.rig.site import PAGE, Site, blob, digest
from tests.rig.stage import NO_NETWORK, Stage, tag
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

SIZE = 5_000_000
STOP_S = 2.0
SHADOW = "document.querySelector('passerelle-switch').shadowRoot"
ACTIVE = f"{SHADOW}.activeElement"
MARKUP = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
ATTRIBUTES = (
    *("network", "layout", "theme", "lang", "map", "mock", "people", "lanes", "mbit"),
    *("megabytes", "hours", "battery", "metered", "background"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(way: Way) -> AsyncIterator[Stage]:
    async with Stage(f"{way.base}/w/passerelle.js") as running:
        yield running


def complaints(page: FirefoxPage) -> list[str]:
    """Return the errors in the page's console."""
    return [line for line in page.console if line.startswith("error")]


async def test_a_page_and_a_file_arrive(
    firefox: Firefox, way: Way, site: Site, tmp_path: Path
) -> None:
    """A page and a file arrive through the page's switch, which then turns off."""
    page = await firefox.open(way.publisher.url)
    await flip(page)
    async with way.client() as (client, port):
        await client.expect("Connected through a volunteer")
        base = f"http://127.0.0.1:{site.port}"
        got = await fetch(Proxy.SOCKS, port, tmp_path / "page", f"{base}/")
        assert (got.code, got.status) == (0, 200), got.text
        assert got.body.decode() == PAGE
        got = await fetch(Proxy.HTTP, port, tmp_path / "file", f"{base}/bytes/{SIZE}")
        assert (got.code, got.status) == (0, 200), got.text
        assert digest(got.body) == digest(blob(SIZE))
        await until(page, f"s.totals.bytes >= {SIZE}")
        assert (await state(page))["phase"] == "helping"
        await page.click("[role=switch]")
        await until(page, "s.phase === 'off'", timeout_s=5)
    await page.screenshot(tmp_path / "off.png")
    assert (tmp_path / "off.png").read_bytes().startswith(b"\x89PNG")
    assert not complaints(page)
    await page.close()


async def test_a_hostile_broker_gains_nothing(firefox: Firefox) -> None:
    async with network() as (broker, exit_, victim), Publisher(broker.invite) as publisher:
        page = await firefox.open(publisher.url)
        try:
            await flip(page)
            await provoke(broker, exit_, victim)
            await page.click("role=switch")
            await until(page, "s.phase === 'off'")
            await page.click("role=switch")
            await until(page, "s.phase === 'waiting'")
            assert victim.connections == 0
        except AssertionError as error:
            error.add_note(f"the switch says: {await state(page)}")
            raise
        finally:
            await page.close()


async def test_two_tabs_are_one_switch(firefox: Firefox, way: Way, stage: Stage) -> None:
    """The second tab shows the state of the first, and turns it off."""
    url = stage.put("tabs", tag(way.invite))
    first = await firefox.open(url)
    await flip(first)
    second = await first.another(url)
    await until(second, "s.phase === 'waiting' && s.elsewhere")
    async with asyncio.timeout(STOP_S):
        await second.click("role=switch")
        await until(first, "s.phase === 'off'")
        await until(second, "s.phase === 'off'")
    await second.close()
    await first.close()


async def test_a_reload_turns_off(firefox: Firefox, way: Way, stage: Stage) -> None:
    """After a reload, consent that was given without "remember" is asked for again."""
    page = await firefox.open(stage.put("reload", tag(way.invite)))
    await flip(page)
    await page.reload()
    await until(page, "s.phase === 'off'")
    await page.click("role=switch")
    await until(page, "s.phase === 'consent'")
    await page.close()


async def test_keys_are_enough(firefox: Firefox, way: Way, stage: Stage) -> None:
    """The keyboard is enough to turn the switch on, after reading what it does, and off."""
    page = await firefox.open(stage.put("keys", tag(way.invite)))
    await page.wait_for_function(f"() => !!{SHADOW}?.querySelector('.switch')")
    await page.press("Tab")
    assert await page.evaluate(f"{ACTIVE}.getAttribute('role')") == "switch"
    await page.press("Space")
    await until(page, "s.phase === 'consent'")
    await page.wait_for_function(f"() => !!{SHADOW}.querySelector('.agree')")
    for _ in range(10):
        if await page.evaluate(f"{ACTIVE}?.classList.contains('agree') ?? false"):
            break
        await page.press("Tab")
    await page.press("Enter")
    await until(page, "s.phase === 'waiting'")
    assert await page.evaluate(f"{ACTIVE}.getAttribute('role')") == "switch"
    await page.press("Space")
    await until(page, "s.phase === 'off'")
    await page.close()


async def test_persian_runs_from_right_to_left(firefox: Firefox, stage: Stage) -> None:
    """On a Persian page the switch speaks Persian, from right to left."""
    page = await firefox.open(stage.put("fa", tag(), lang="fa", direction="rtl"))
    await page.wait_for_function(f"() => {SHADOW}?.querySelector('.card')?.lang === 'fa'")
    title = await page.evaluate(f"{SHADOW}.querySelector('h2').textContent")
    assert any("\u0600" <= letter <= "\u06ff" for letter in title)
    assert (
        await page.evaluate(f"getComputedStyle({SHADOW}.querySelector('.card')).direction") == "rtl"
    )
    await page.close()


async def test_no_attribute_becomes_markup(firefox: Firefox, stage: Stage) -> None:
    values = {name: MARKUP for name in ATTRIBUTES if name != "network"}
    page = await firefox.open(stage.put("markup", tag(MARKUP, **values)))
    await page.wait_for_function(f"() => !!{SHADOW}?.querySelector('.card')")
    for name in ATTRIBUTES:
        await page.evaluate(
            f"document.querySelector('passerelle-switch').setAttribute({name!r}, {MARKUP!r})"
        )
    await page.evaluate("document.querySelector('passerelle-switch').removeAttribute('mock')")
    await page.click("role=switch")
    await until(page, "s.phase === 'problem' && s.reason === 'invite'")
    assert not await page.evaluate(f"!!window.pwned || !!{SHADOW}.querySelector('img, script')")
    await page.close()


async def test_a_bad_network_is_told(firefox: Firefox, stage: Stage) -> None:
    """If no broker answers, the switch says so, and tries again by itself."""
    page = await firefox.open(stage.put("nobody", tag(NO_NETWORK)))
    await page.click("role=switch")
    await page.click('role=button[name="Turn on"]')
    await until(page, "s.phase === 'retrying' && s.reason === 'network_unreachable'")
    await page.click("role=switch")
    await until(page, "s.phase === 'off'")
    await page.close()
