"""The browser extension in a real Chromium and Firefox: it relays without a page of a site."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page

from passerelle.core.embed import LANGUAGES
from tests.rig import axe
from tests.rig.curl import Fetch, Proxy, fetch
from tests.rig.extension import HOMES, ExtendedChromium, shown
from tests.rig.firefox import SYSTEM_ACCESS, Firefox, flip, until
from tests.rig.pictures import take_picture
from tests.rig.ports import free_port
from tests.rig.program import client
from tests.rig.site import PAGE, Site, blob
from tests.rig.way import Way
from tools import extension

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

PICTURES = Path(__file__).resolve().parents[2] / ".artefacts" / "extension"
FILE_BYTES = 1_000_000
SPEAK = "(code) => localStorage.setItem('passerelle-language', code)"
TELL = """() => {
  const element = document.querySelector('passerelle-switch');
  let last = '';
  element.addEventListener('passerelle-change', ({ detail: { phase } }) => {
    if (phase !== last) console.log((last = phase));
  });
}"""
"""JavaScript that writes each phase of the switch to the console."""
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
WORDED = (
    "() => document.querySelector('passerelle-switch').shadowRoot.querySelector('h2')?.innerText"
)


@pytest.fixture(scope="module")
def folder(way: Way, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both extensions, unpacked, for the network of `way`."""
    made = tmp_path_factory.mktemp("extension")
    extension.unpacked(made, way.invite)
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def browser(folder: Path, tmp_path: Path) -> AsyncIterator[ExtendedChromium]:
    async with ExtendedChromium(tmp_path / "profile", folder / "chromium") as running:
        yield running


async def turn_on(page: Page, *, remember: bool = False) -> None:
    await page.get_by_role("switch").click()
    if remember:
        await page.get_by_role("checkbox", name="Remember my choice").check()
    await page.get_by_role("button", name="Turn on").click()
    await shown(page, "waiting")


async def homes(browser: ExtendedChromium) -> int:
    worker = await browser.worker()
    return int(await worker.evaluate(f"{HOMES}.then((all) => all.length)"))


async def resting(browser: ExtendedChromium) -> None:
    """Wait until the home is closed, which has looked whether it is to start."""
    for _ in range(100):
        if not await homes(browser):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the home stays open although the switch is off")


async def begun(path: Path) -> None:
    """Wait until something of a download is in its file."""
    for _ in range(200):
        if path.exists() and path.stat().st_size > 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nothing comes")


async def title(browser: ExtendedChromium) -> str:
    return str(await (await browser.worker()).evaluate("chrome.action.getTitle({})"))


async def test_it_helps_without_a_page(
    browser: ExtendedChromium, way: Way, site: Site, tmp_path: Path
) -> None:
    """The popup is closed and the service worker ended, and a page still arrives.

    A download goes on when the service worker is ended in the middle of it.
    """
    await resting(browser)
    popup = await browser.page("popup")
    await turn_on(popup)
    await popup.close()
    await browser.end_worker()
    async with way.client() as (client, port):
        await client.expect("Connected through a volunteer")
        url = f"http://127.0.0.1:{site.port}/"
        got = await fetch(Proxy.SOCKS, port, tmp_path / "page", url)
        assert (got.code, got.body) == (0, PAGE.encode())
        site.gate.clear()
        path = tmp_path / "file"
        async with Fetch(Proxy.SOCKS, port, path, f"{url}bytes/{FILE_BYTES}?slow=0") as fetching:
            await begun(path)
            await browser.end_worker()
            site.gate.set()
            got = await fetching.result()
        assert (got.code, got.body) == (0, blob(FILE_BYTES))
        popup = await browser.page("popup")
        await shown(popup, "helping", people=1)
        assert await title(browser) == "Passerelle is helping 1"
        await popup.get_by_role("switch").click()
        await shown(popup, "off", timeout_s=2.0)
    assert await title(browser) == "Passerelle is off"


async def test_two_windows_show_one_switch(browser: ExtendedChromium) -> None:
    """What is pressed in one is shown in the other, and there is one home."""
    popup = await browser.page("popup")
    session = await browser.context.new_cdp_session(popup)
    async with browser.context.expect_page() as opening:
        await session.send("Target.createTarget", {"url": popup.url, "newWindow": True})
    other = await opening.value
    await shown(other, "off")
    await turn_on(popup)
    await shown(other, "waiting")
    assert await homes(browser) == 1
    await other.get_by_role("switch").click()
    await shown(popup, "off", timeout_s=2.0)


async def test_a_question_that_nobody_sees_is_answered_by_no(browser: ExtendedChromium) -> None:
    popup = await browser.page("popup")
    await popup.get_by_role("switch").click()
    await shown(popup, "consent")
    await popup.close()
    popup = await browser.page("popup")
    await shown(popup, "off")


async def test_it_starts_with_the_browser_only_if_the_visitor_said_so(
    folder: Path, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    async with ExtendedChromium(profile, folder / "chromium") as browser:
        popup = await browser.page("popup")
        box = popup.get_by_role("checkbox", name="Start with the browser")
        assert await box.is_disabled(), "nobody has agreed yet"
        await turn_on(popup, remember=True)
    async with ExtendedChromium(profile, folder / "chromium") as browser:
        popup = await browser.page("popup")
        await shown(popup, "off")
        await popup.get_by_role("switch").click()
        await shown(popup, "waiting")
        await popup.get_by_role("checkbox", name="Start with the browser").check()
    async with ExtendedChromium(profile, folder / "chromium") as browser:
        popup = await browser.page("popup")
        await shown(popup, "waiting")
        await popup.get_by_role("switch").click()
        await shown(popup, "off")
        await popup.get_by_role("checkbox", name="Start with the browser").uncheck()
    async with ExtendedChromium(profile, folder / "chromium") as browser:
        await shown(await browser.page("popup"), "off")


async def test_an_update_waits_until_nobody_is_helped_and_goes_on(
    folder: Path, tmp_path: Path, way: Way
) -> None:
    mine = shutil.copytree(folder / "chromium", tmp_path / "mine")
    async with ExtendedChromium(tmp_path / "profile", mine) as browser:
        popup = await browser.page("popup")
        await turn_on(popup)
        async with way.client() as (client, _):
            await client.expect("Connected through a volunteer")
            await shown(popup, "helping", people=1)
            phases: list[str] = []
            popup.on("console", lambda message: phases.append(message.text))
            await popup.evaluate(TELL)
            manifest = mine / "manifest.json"
            manifest.write_text(manifest.read_text().replace('"0.1.0"', '"0.2.0"'))
            # The browser's own event comes from a store only.
            worker = await browser.worker()
            await worker.evaluate("chrome.runtime.onUpdateAvailable.dispatch({version: '0.2.0'})")
            await popup.wait_for_event("close")
            assert phases[-2:] == ["stopping", "off"], "people are let go first"
            popup = await browser.page("popup")
            assert await popup.evaluate("chrome.runtime.getManifest().version") == "0.2.0"
            await shown(popup, "helping", people=1)


async def test_only_people_with_the_link_of_the_popup_are_helped(
    browser: ExtendedChromium, way: Way
) -> None:
    """The choice holds when the popup is closed, and the next popup shows it with its link."""

    async def settings() -> tuple[Page, Locator, Locator]:
        popup = await browser.page("popup")
        if not await popup.get_by_role("switch").is_checked():
            await turn_on(popup)
        await popup.get_by_role("button", name="Limits and language").click()
        only = popup.get_by_label("Only people with my link")
        return popup, only, popup.get_by_label("My link, for people I know")

    await resting(browser)
    popup, only, link = await settings()
    assert not await link.is_visible()
    await only.check()
    text = await link.input_value()
    assert text.startswith(f"{way.invite.partition('&')[0]}&family=")
    assert await axe.violations(popup) == []
    await popup.close()
    async with client(text, free_port(), "-v") as program:
        await program.expect("One of the volunteers is the friend whose link you use")
        await program.expect("Connected through a volunteer")
    async with way.client() as (program, _):
        await program.expect("No volunteer is available")
        popup, only, link = await settings()
        assert (await only.is_checked(), await link.input_value()) == (True, text)
        await only.uncheck()
        await program.expect("Connected through a volunteer")


async def test_another_network_is_chosen_in_the_options(browser: ExtendedChromium) -> None:
    popup = await browser.page("popup")
    await turn_on(popup)
    options = await browser.page("options")
    await options.get_by_label("Invite").fill("https://example.org/no-invite")
    await options.get_by_role("button", name="Save").click()
    assert "This is no invite" in await options.inner_text("output")
    await shown(popup, "waiting")
    await options.get_by_label("Invite").fill(f"http://127.0.0.1:9/#{'A' * 43}")
    await options.get_by_role("button", name="Save").click()
    assert "Saved" in await options.inner_text("output")
    await shown(popup, "off")


async def test_the_invite_of_a_reader_names_a_network_too(
    browser: ExtendedChromium, way: Way
) -> None:
    """It is the one that goes from hand to hand, inside a sentence, with ways and a family."""
    options = await browser.page("options")
    family = f"{way.invite}&family={'A' * 22}&amp=popular.example,https://cache.example"
    await options.get_by_label("Invite").fill(f"Take this: {family} (keep it secret)")
    await options.get_by_role("button", name="Save").click()
    assert "Saved" in await options.inner_text("output")
    assert await options.get_by_label("Invite").input_value() == way.invite
    popup = await browser.page("popup")
    await turn_on(popup)


IDENTITY = "6f6b1d0e-7c3c-4a39-9d0b-6a2f9a5d1c11"
IDLE_S = 1.0
"""After so long without an event Firefox ends an extension's page that may be ended; else 30 s."""


async def test_firefox_holds_the_relay_for_longer_than_its_idle_limit(
    folder: Path, way: Way, site: Site, tmp_path: Path
) -> None:
    """The background page is a lasting one, so nothing has to keep it awake."""
    uuids = json.dumps({"switch@passerelle.example": IDENTITY})
    preferences: dict[str, str | int | bool] = {
        "extensions.webextensions.uuids": uuids,
        "extensions.background.idle.timeout": int(IDLE_S * 1e3),
    }
    address = f"moz-extension://{IDENTITY}/popup.html"
    async with Firefox(preferences, arguments=(SYSTEM_ACCESS,)) as browser:
        await browser.install(folder / "firefox")
        popup = await browser.open_extension(address)
        await flip(popup)
        await popup.close()
        await asyncio.sleep(5 * IDLE_S)
        async with way.client() as (client, port):
            await client.expect("Connected through a volunteer")
            url = f"http://127.0.0.1:{site.port}/"
            got = await fetch(Proxy.SOCKS, port, tmp_path / "page", url)
            assert (got.code, got.body) == (0, PAGE.encode())
        popup = await browser.open_extension(address)
        await until(popup, "['waiting', 'helping'].includes(s.phase)")
        await popup.click("role=switch")
        await until(popup, "s.phase === 'off'", timeout_s=10.0)


async def test_the_popup_and_the_options_are_for_everybody(browser: ExtendedChromium) -> None:
    """In each language axe finds no barrier, and nothing is wider than the popup.

    The pictures are for people to look at.
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    options = await browser.page("options")
    for language in LANGUAGES:
        await options.evaluate(SPEAK, language)
        await options.reload()
        await options.wait_for_function("() => !document.body.hidden")
        assert await axe.violations(options) == [], language
        popup = await browser.page("popup")
        assert await popup.evaluate("document.documentElement.lang") == language
        for phase in ("off", "consent"):
            await shown(popup, phase)
            await popup.wait_for_function(WORDED)
            assert await axe.violations(popup) == [], (language, phase)
            assert not await popup.evaluate(WIDE), (language, phase)
            await take_picture(popup, PICTURES / f"popup-{phase}-{language}.png", full_page=True)
            if phase == "off":
                await popup.get_by_role("switch").click()
        await popup.close()
