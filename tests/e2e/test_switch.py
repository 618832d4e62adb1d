"""The switch on a page of a real Chromium: tabs, reloads, keys, policies, limits, and attacks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as FilePath

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, async_playwright

from passerelle.browser import chromium_arguments, find_chromium
from tests.rig.curl import Proxy, fetch
from tests.rig.site import Site
from tests.rig.stage import NO_NETWORK, Stage, tag
from tests.rig.volunteer import Chromium, first_of, flip, state, until
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

STOP_S = 2.0
"""The longest time from one click until everything is closed, in all tabs."""
SHADOW = "document.querySelector('passerelle-switch').shadowRoot"
ATTRIBUTES = (
    *("network", "layout", "theme", "lang", "map", "mock", "people", "lanes", "mbit"),
    *("megabytes", "hours", "battery", "metered", "background"),
)
MARKUP = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
COUNT_TIMERS = """
window.timers = new Set();
for (const [set, clear] of [['setTimeout', 'clearTimeout'], ['setInterval', 'clearInterval'],
                            ['requestAnimationFrame', 'cancelAnimationFrame']]) {
  const [make, end] = [window[set].bind(window), window[clear].bind(window)];
  window[set] = (call, ...rest) => {
    const id = make((...values) => {
      if (set !== 'setInterval') window.timers.delete(set + id);
      call(...values);
    }, ...rest);
    window.timers.add(set + id);
    return id;
  };
  window[clear] = (id) => { window.timers.delete(set + id); end(id); };
}
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(way: Way) -> AsyncIterator[Stage]:
    broker = way.invite.split("/#", maxsplit=1)[0]
    async with Stage(f"{broker}/w/passerelle.js") as running:
        yield running


@asynccontextmanager
async def visitor(chrome: Chromium, url: str, script: str = "") -> AsyncIterator[Page]:
    """Open a page in its own browser profile; errors on the page fail the test."""
    context = await chrome.browser.new_context(locale="en-US")
    crashes: list[str] = []
    try:
        if script:
            await context.add_init_script(script)
        page = await context.new_page()
        page.on("pageerror", lambda error: crashes.append(str(error)))
        await page.goto(url)
        yield page
        assert crashes == []
    finally:
        await context.close()


async def another(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    return page


async def press(page: Page) -> None:
    await page.get_by_role("switch").first.click()


# --- tabs and pages ----------------------------------------------------------------------------


async def test_two_tabs_are_one_switch(chrome: Chromium, way: Way, stage: Stage) -> None:
    """The second tab shows the state of the first, and turns it off."""
    url = stage.put("tabs", tag(way.invite))
    async with visitor(chrome, url) as first:
        await flip(first)
        second = await another(first.context, url)
        await until(second, "s.phase === 'waiting' && s.elsewhere")
        assert not (await state(first))["elsewhere"]
        await second.get_by_text("At work in another tab").wait_for()
        async with asyncio.timeout(STOP_S):
            await press(second)
            await until(first, "s.phase === 'off'")
            await until(second, "s.phase === 'off'")


async def test_a_tab_takes_over_from_one_that_is_closed(
    chrome: Chromium, way: Way, stage: Stage
) -> None:
    """Another tab takes over when one that is on is closed, but not when it was turned off.

    The visitor had their consent remembered, so that it holds in the other tabs.
    """
    url = stage.put("tabs", tag(way.invite))
    async with visitor(chrome, url) as first:
        await press(first)
        await first.get_by_label("Remember my choice").check()
        await first.get_by_role("button", name="Turn on").click()
        await until(first, "s.phase === 'waiting'")
        second = await another(first.context, url)
        third = await another(first.context, url)
        await until(second, "s.elsewhere")
        await until(third, "s.elsewhere")
        await first.close()
        await first_of((second, third), "s.phase === 'waiting' && !s.elsewhere")
        elsewhere = [bool((await state(page))["elsewhere"]) for page in (second, third)]
        assert sorted(elsewhere) == [False, True]
        await third.get_by_role("switch").click()
        await until(second, "s.phase === 'off'")
        await until(third, "s.phase === 'off'")


async def test_a_reload_turns_off_and_keeps_the_choice(
    chrome: Chromium, way: Way, stage: Stage
) -> None:
    url = stage.put("reload", tag(way.invite))
    async with visitor(chrome, url) as page:
        await press(page)
        await page.get_by_label("Remember my choice").check()
        await page.get_by_role("button", name="Turn on").click()
        await until(page, "s.phase === 'waiting'")
        await page.reload()
        await until(page, "s.phase === 'off'")
        assert (await state(page))["ever"]["seconds"] > 0
        await press(page)
        await until(page, "s.phase === 'waiting'")


async def test_elements_of_a_page_are_one_switch(chrome: Chromium, way: Way, stage: Stage) -> None:
    """All elements of a page are one switch, also late and moved ones, and with a second script."""
    url = stage.put("several", tag(way.invite) + "<main></main>" + tag(way.invite, layout="inline"))
    async with visitor(chrome, url) as page:
        await press(page)
        await page.get_by_role("button", name="Turn on").click()
        await until(page, "s.phase === 'waiting'")
        await page.evaluate(
            """async (script) => {
              const late = document.createElement('passerelle-switch');
              late.setAttribute('network', document.querySelector('passerelle-switch').network);
              document.querySelector('main').append(late);
              await import(script + '?again');
            }""",
            stage.script,
        )
        phases = "[...document.querySelectorAll('passerelle-switch')].map((s) => s.snapshot.phase)"
        assert await page.evaluate(phases) == ["waiting"] * 3
        await page.evaluate(
            "document.body.prepend(document.querySelectorAll('passerelle-switch')[1])"
        )
        assert await page.evaluate(phases) == ["waiting"] * 3
        await page.get_by_role("switch").nth(1).click()
        await page.wait_for_function(f"() => {phases}.every((phase) => phase === 'off')")


async def test_removing_all_elements_turns_off(chrome: Chromium, way: Way, stage: Stage) -> None:
    url = stage.put("gone", tag(way.invite))
    async with visitor(chrome, url, COUNT_TIMERS) as page:
        await flip(page)
        await page.evaluate(
            """() => {
              window.kept = document.querySelector('passerelle-switch');
              window.phases = [];
              kept.remove();
            }"""
        )
        second = await another(page.context, stage.put("look", tag(way.invite)))
        await page.wait_for_function("() => window.timers.size === 0", timeout=STOP_S * 1e3 + 1e3)
        await press(second)
        await second.get_by_text("Before you turn it on").wait_for()


async def test_nothing_ticks_while_off(chrome: Chromium, way: Way, stage: Stage) -> None:
    """No timer runs before the first press and after the last."""
    async with visitor(chrome, stage.put("idle", tag(way.invite)), COUNT_TIMERS) as page:
        assert await page.evaluate("[...window.timers]") == []
        await flip(page)
        assert await page.evaluate("[...window.timers]") != []
        await press(page)
        await until(page, "s.phase === 'off'")
        await page.wait_for_function("() => window.timers.size === 0")


async def test_a_page_out_of_the_cache_is_off(chrome: Chromium, way: Way, stage: Stage) -> None:
    """Leaving the page turns the switch off, and coming back from the cache leaves it off."""
    url = stage.put("cached", tag(way.invite))
    async with visitor(chrome, url) as page:
        await flip(page)
        await page.goto(stage.put("elsewhere", "<p>Elsewhere"))
        await page.go_back()
        await until(page, "s.phase === 'off'")
        await press(page)
        await page.get_by_role("button", name="Turn on").wait_for()


async def test_it_comes_back_after_the_broker_restarts(
    chrome: Chromium, site: Site, tmp_path: FilePath
) -> None:
    async with Way(tmp_path, chrome, "--allow", "127.0.0.0/8") as own, own.volunteer() as page:
        await own.broker.stop()
        await until(page, "s.phase === 'retrying'")
        await own.restart_broker()
        await until(page, "s.phase === 'waiting'", timeout_s=90)


# --- people ------------------------------------------------------------------------------------


async def test_keys_are_enough(chrome: Chromium, way: Way, stage: Stage) -> None:
    async with visitor(chrome, stage.put("keys", tag(way.invite))) as page:
        focus = f"{SHADOW}.activeElement"
        keys = page.keyboard
        await keys.press("Tab")
        assert await page.evaluate(f"{focus}.getAttribute('role')") == "switch"
        await keys.press("Space")
        await until(page, "s.phase === 'consent'")
        await page.get_by_role("button", name="Turn on").wait_for()
        assert await page.evaluate(f"{focus}.textContent") == "Before you turn it on"
        await keys.press("Escape")
        await until(page, "s.phase === 'off'")
        assert await page.evaluate(f"{focus}.getAttribute('role')") == "switch"
        await keys.press("Enter")
        await keys.press("Tab")
        assert await page.evaluate(f"{focus}.type") == "checkbox"
        await keys.press("Tab")
        assert await page.evaluate(f"{focus}.textContent") == "Turn on"
        outline = f"getComputedStyle({focus}).outlineStyle"
        assert await page.evaluate(outline) == "solid"
        await keys.press("Enter")
        await until(page, "s.phase === 'waiting'")
        assert await page.evaluate(f"{focus}.getAttribute('aria-checked')") == "true"
        await page.get_by_text("In a small window").wait_for()
        if (await state(page))["rates"]:  # no exit measures them while it is busy
            await keys.press("Tab")
            assert "fast enough" in await page.evaluate(f"{focus}.textContent")
            await keys.press("Enter")
            await page.get_by_text("Measured: about").wait_for()
        await keys.press("Tab")
        assert await page.evaluate(f"{focus}.textContent") == "In a small window"
        await keys.press("Tab")
        await keys.press("Enter")
        await page.get_by_label("People at once").wait_for()
        for _ in range(2):
            await keys.press("Tab")
        await keys.type("2.5")
        await keys.press("Tab")
        assert await page.evaluate("document.querySelector('passerelle-switch').mbit") == 2.5
        await page.get_by_role("switch").focus()
        await keys.press("Space")
        await until(page, "s.phase === 'off'")


async def test_the_language_is_the_visitors_choice(
    chrome: Chromium, way: Way, stage: Stage
) -> None:
    """The language is first the page's, then the one that the visitor chose, which is kept."""
    url = stage.put("language", tag(way.invite), lang="fr")
    async with visitor(chrome, url) as page:
        await page.get_by_text("Soyez un pont").wait_for()
        await page.get_by_role("button", name="Limites et langue").click()
        await page.get_by_label("Langue").select_option("fa")
        card = page.locator("section")
        await page.get_by_text("پلی به وبِ آزاد باشید").wait_for()
        assert await card.get_attribute("dir") == "rtl"
        assert await card.get_attribute("lang") == "fa"
        await page.reload()
        await page.get_by_text("پلی به وبِ آزاد باشید").wait_for()


async def test_without_webrtc_it_says_so(chrome: Chromium, way: Way, stage: Stage) -> None:
    url = stage.put("none", tag(way.invite))
    async with visitor(chrome, url, "delete window.RTCPeerConnection") as page:
        await press(page)
        # It is told before anything is asked.
        await page.get_by_text("WebRTC is missing").wait_for()
        assert (await state(page))["reason"] == "no_webrtc"


# --- limits ------------------------------------------------------------------------------------


async def download(way: Way, site: Site, size: int, folder: FilePath, *more: str) -> int:
    """Have a client fetch a file; return how much arrived."""
    url = f"http://127.0.0.1:{site.port}/bytes/{size}"
    async with way.client() as (client, port):
        await client.expect("Connected through a volunteer")
        got = await fetch(Proxy.SOCKS, port, folder / "file", "-m", "8", *more, url)
        return len(got.body)


async def test_the_rate_is_kept(
    chrome: Chromium, way: Way, stage: Stage, site: Site, tmp_path: FilePath
) -> None:
    """The reader gets no more than the rate, and what a pause allows to catch up."""
    mbit = 4.0
    async with visitor(chrome, stage.put("rate", tag(way.invite, mbit=str(mbit)))) as page:
        await flip(page)
        begin = asyncio.get_running_loop().time()
        arrived = await download(way, site, 50_000_000, tmp_path)
        seconds = asyncio.get_running_loop().time() - begin
        assert arrived > 500_000
        assert arrived <= (seconds + 0.5) * mbit * 125_000
        await until(page, f"s.totals.bytes >= {arrived}")


async def test_the_day_has_its_limit(
    chrome: Chromium, way: Way, stage: Stage, site: Site, tmp_path: FilePath
) -> None:
    """The daily limit is exact, is kept over a reload, and can be lifted by the visitor."""
    url = stage.put("day", tag(way.invite, megabytes="3"))
    async with visitor(chrome, url) as page:
        await press(page)
        await page.get_by_label("Remember my choice").check()
        await page.get_by_role("button", name="Turn on").click()
        await until(page, "s.phase === 'waiting'")
        assert 1_000_000 < await download(way, site, 50_000_000, tmp_path) < 3_000_000
        await until(page, "s.phase === 'paused' && s.paused === 'quota'")
        bytes_ = (await state(page))["today"]["bytes"]
        assert 3_000_000 <= bytes_ < 3_000_000 + 5 * 16_384
        await page.get_by_text("limit is reached").wait_for()
        await page.reload()
        await press(page)
        await until(page, "s.phase === 'paused'")
        assert (await state(page))["today"]["bytes"] == bytes_
        await page.get_by_role("button", name="Limits and language").click()
        limit = page.get_by_label("MB a day at most")
        await limit.fill("")
        await limit.press("Enter")
        await limit.blur()
        await until(page, "s.phase === 'waiting'")


async def test_hours_are_kept_live(chrome: Chromium, way: Way, stage: Stage) -> None:
    """A change of the hours' attribute takes effect at once; nothing begins outside the hours."""
    requests: list[str] = []
    async with visitor(chrome, stage.put("hours", tag(way.invite))) as page:
        element = "document.querySelector('passerelle-switch')"
        await page.clock.set_fixed_time("2026-11-27T12:00:00")
        await page.evaluate(f"{element}.setAttribute('hours', '13:00-14:00')")
        page.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda socket: requests.append(socket.url))
        await press(page)
        await page.get_by_role("button", name="Turn on").click()
        await until(page, "s.phase === 'paused' && s.paused === 'hours'")
        assert [url for url in requests if "/v1/" in url] == []
        await page.evaluate(f"{element}.setAttribute('hours', '11:00-14:00')")
        await until(page, "s.phase === 'waiting'")
        # The same network, written with a character that nobody sees, is no reason to turn off.
        await page.evaluate(f"{element}.network = '\\u200b' + {element}.network + ' '")
        await page.evaluate(f"{element}.setAttribute('hours', '13:00-14:00')")
        await until(page, "s.phase === 'paused'")


@pytest.mark.parametrize(
    ("why", "script", "label"),
    [
        (
            "battery",
            "navigator.getBattery = async () =>"
            " Object.assign(new EventTarget(), { charging: false })",
            "Pause on battery",
        ),
        (
            "metered",
            "Object.defineProperty(navigator.connection.constructor.prototype, 'saveData',"
            " { get: () => true })",
            "Pause on metered",
        ),
    ],
)
async def test_it_pauses_where_helping_costs(
    why: str, script: str, label: str, chrome: Chromium, way: Way, stage: Stage
) -> None:
    """Where helping costs the visitor, the switch pauses until the visitor says otherwise."""
    async with visitor(chrome, stage.put("pause", tag(way.invite)), script) as page:
        await press(page)
        await page.get_by_role("button", name="Turn on").click()
        await until(page, f"s.phase === 'paused' && s.paused === '{why}'")
        await page.get_by_role("button", name="Limits and language").click()
        await page.get_by_label(label).uncheck()
        await until(page, "s.phase === 'waiting'")


# --- page policies and attacks --------------------------------------------------------------------


async def test_a_strict_policy_is_enough(chrome: Chromium, way: Way, stage: Stage) -> None:
    """With the documented policy nothing is refused, and no other origin is contacted."""
    broker = way.invite.split("/#", maxsplit=1)[0]
    exit_ = f"ws://127.0.0.1:{way._ports['exit']}"
    policy = (
        f"default-src 'none'; script-src {broker}; worker-src blob:; connect-src {broker}"
        f" {broker.replace('http', 'ws')} {exit_}; img-src data:;"
        " require-trusted-types-for 'script'; trusted-types passerelle"
    )
    url = stage.put(
        "strict", tag(way.invite), headers={"Content-Security-Policy": policy}, lang="de"
    )
    watch = (
        "window.refused = [];"
        "addEventListener('securitypolicyviolation', (e) => refused.push(e.violatedDirective))"
    )
    origins: set[str] = set()
    async with visitor(chrome, url, watch) as page:
        page.on("request", lambda request: origins.add("/".join(request.url.split("/")[:3])))
        await press(page)
        await page.get_by_role("button", name="Einschalten").click()
        await until(page, "s.phase === 'waiting'")
        await page.locator("canvas").wait_for()
        await page.get_by_role("button", name="Grenzen und Sprache").click()
        await page.get_by_label("Sprache").select_option("ar")
        await page.get_by_text("كن جسرًا").wait_for()
        async with way.client() as (client, _):
            await client.expect("Connected through a volunteer")
            await until(page, "s.phase === 'helping' && s.people === 1")
        assert await page.evaluate("refused") == []
        assert {origin for origin in origins if not origin.startswith("blob:")} <= {broker}


async def test_denied_storage_loses_only_memory(way: Way, stage: Stage, tmp_path: FilePath) -> None:
    """If the browser denies storage, everything works, limits included, until the page closes."""
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path,
            executable_path=find_chromium(),
            args=chromium_arguments(headless=True),
            locale="en-US",
        )
        page = await another(context, stage.put("denied", tag(way.invite)))
        denied = "() => { try { localStorage; return false } catch { return true } }"
        assert await page.evaluate(denied)
        await press(page)
        await page.get_by_label("Remember my choice").check()
        await page.get_by_role("button", name="Turn on").click()
        await until(page, "s.phase === 'waiting'")
        await page.get_by_role("button", name="Limits and language").click()
        people = page.get_by_label("People at once")
        await people.fill("2")
        await people.blur()
        assert await page.evaluate("document.querySelector('passerelle-switch').people") == 2
        await press(page)
        await until(page, "s.phase === 'off' && s.ever.seconds > 0")
        await press(page)
        await until(page, "s.phase === 'waiting'")
        await context.close()


async def test_no_attribute_becomes_markup(chrome: Chromium, stage: Stage) -> None:
    """No attribute, stored value or message of another script becomes markup."""
    attributes = dict.fromkeys(ATTRIBUTES, MARKUP)
    url = stage.put("markup", tag(**attributes) + tag(layout=MARKUP, lang=MARKUP, mock="helping"))
    keep = "".join(
        f"localStorage.setItem('passerelle-{name}', {value!r});"
        for name in ("consent", "choices", "figures", "language", "folded")
        for value in (MARKUP,)
    )
    async with visitor(chrome, url, keep) as page:
        await page.get_by_role("switch").first.wait_for()
        await page.evaluate(
            """(markup) => {
              const channel = new BroadcastChannel('passerelle ' + markup);
              const counts = { people: markup, bytes: markup, seconds: markup };
              const snapshot = { phase: 'helping', people: markup, crossing: [markup],
                country: markup, reason: markup, paused: markup, retry_s: null, elsewhere: true,
                totals: counts, today: counts, ever: counts };
              for (const phase of ['helping', 'paused', 'retrying', markup])
                channel.postMessage({ type: 'state', snapshot: { ...snapshot, phase } });
            }""",
            MARKUP,
        )
        await page.get_by_role("switch").first.click()
        await page.get_by_role("switch").nth(1).click()
        found = await page.evaluate(
            """() => [...document.querySelectorAll('passerelle-switch')].map(({ shadowRoot }) =>
                 shadowRoot.querySelectorAll('img, script, iframe, [onerror]').length)"""
        )
        assert found == [0, 0]
        assert not await page.evaluate("'pwned' in window")


async def test_an_old_part_is_not_run(chrome: Chromium, way: Way, stage: Stage) -> None:
    """A part that is not the version that the script expects is refused, and the switch says so."""
    async with visitor(chrome, stage.put("part", tag(way.invite))) as page:

        async def other(route: object) -> None:
            await route.fulfill(  # type: ignore[attr-defined]
                body="window.pwned = 1; export class Engine {}",
                content_type="text/javascript",
                headers={"Access-Control-Allow-Origin": "*"},
            )

        await page.route("**/engine.*.js", other)
        await press(page)
        await page.get_by_role("button", name="Turn on").click()
        await until(page, "s.phase === 'problem' && s.reason === 'script'")
        await page.get_by_text("could not be loaded").wait_for()
        assert not await page.evaluate("'pwned' in window")


async def test_a_bad_invite_is_told_before_anybody_is_asked(chrome: Chromium, stage: Stage) -> None:
    async with visitor(chrome, stage.put("bad", tag("https://broker.example/"))) as page:
        await press(page)
        await page.get_by_text("not set up correctly").wait_for()
    async with visitor(chrome, stage.put("good", tag(NO_NETWORK))) as page:
        await press(page)
        await until(page, "s.phase === 'consent'")
