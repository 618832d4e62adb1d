"""A reader whom no volunteer reaches, in a real Chromium, with a real door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Error, Page, expect

from passerelle import readingpage
from passerelle.demo.reading import OPEN, static_host
from passerelle.io.server.web import WebServer
from passerelle.readingpage import ReadingPage
from passerelle.serve import EXIT_ID
from passerelle.wire.ways import RENDEZVOUS_PATH
from tests.network import HOST
from tests.rig.baddoor import CHEATS, bad_door
from tests.rig.behinddoor import BehindDoor, behind_a_door
from tests.rig.ports import free_port
from tests.rig.reading import shown
from tests.rig.volunteer import Chromium
from tests.rig.webkit import WebKit
from tests.rig.wordpressdoor import behind_a_wordpress

pytestmark = pytest.mark.asyncio(loop_scope="session")

SITE = "document.querySelector('iframe[name=site]')?.contentDocument"
SEARCH = f"""() => {{
  const site = {SITE};
  site.querySelector('input[name=q]').value = 'library';
  site.querySelector('form button').click();
}}"""
ASKED = "() => performance.getEntriesByType('resource').map(({name}) => name)"
REMEMBERS = """(where, url) => new Promise((resolve) => {
  const look = () => {
    if (where.getItem('passerelle reader')?.includes(url)) resolve();
    else setTimeout(look, 50);
  };
  look();
})"""
PICTURES = Path(__file__).resolve().parents[2] / ".artefacts" / "webkit"
WITHOUT_WEBRTC = "delete window.RTCPeerConnection"


@asynccontextmanager
async def reading_page(here: BehindDoor) -> AsyncIterator[str]:
    """Serve the reading page of the newspaper behind a door, and yield its address."""
    network = await here.named()
    page = ReadingPage(
        site=(here.site,),
        invite=str(here.servers.invite.plain),
        brokers=readingpage.asked_servers(network),
        document=await here.document(),
    )
    files = readingpage.mirror(readingpage.built(), page)
    async with WebServer(static_host(files), HOST, 0) as mirror:
        yield f"http://localhost:{mirror.port}"


@asynccontextmanager
async def reader(here: BehindDoor, chrome: Chromium, script: str = "") -> AsyncIterator[Page]:
    """Open a story on the reading page. `script` runs before the page's own."""
    async with reading_page(here) as url:
        context = await chrome.browser.new_context(locale="en-US")
        await context.add_init_script(script)
        opened = await context.new_page()
        await opened.goto(f"{url}/story/library")
        yield opened
        await context.close()


async def reads(page: Page) -> None:
    """Agree to the notice, and read a story and then the front page."""
    await page.click("button.start")
    await expect(shown(page).locator("h1")).to_be_visible(timeout=15_000)
    await expect(page.locator(".chip .head")).to_contain_text("Through the server 127.0.0.1:")
    await expect(page.locator(".trouble")).to_have_count(0)
    await shown(page).locator("a", has_text="Herald").first.click()
    await expect(shown(page).locator(".stories")).to_be_visible()


@pytest.mark.parametrize(
    ("kind", "script"),
    [("PHP", ""), ("nginx", WITHOUT_WEBRTC)],
    ids=["no volunteer is there", "the browser has no WebRTC"],
)
async def test_a_story_comes_through_a_door(
    kind: str, script: str, open_chrome: Chromium, tmp_path: Path
) -> None:
    """It comes by HTTPS alone, with its pictures, and the sign names the server."""
    async with (
        behind_a_door(kind, tmp_path) as here,
        reader(here, open_chrome, script) as page,
    ):
        await reads(page)


@pytest.mark.parametrize(
    ("cheat", "asks_well"),
    [*((cheat, False) for cheat in CHEATS), ("lies", True)],
)
async def test_a_page_leaves_a_door_that_cheats(
    cheat: str, *, asks_well: bool, open_chrome: Chromium, tmp_path: Path
) -> None:
    """Nothing of it is shown, and the page comes through another one."""
    # Which door is asked first is left to chance; here it is the first one.
    in_order = "let last = 0; Math.random = () => (last += 1e-6)"
    async with (
        bad_door(cheat, asks_well=asks_well) as bad,
        behind_a_door("nginx", tmp_path, bad) as here,
        reader(here, open_chrome, f"{WITHOUT_WEBRTC}; {in_order}") as page,
    ):
        await reads(page)
        await expect(page.locator(".chip .head")).to_contain_text(here.door.split("/")[2])
        assert bad.asked[f"/v1/gateway/{EXIT_ID}" if asks_well else RENDEZVOUS_PATH] > 0
        assert bad.asked["/elsewhere"] == 0


async def test_a_door_on_which_answers_drip_costs_seconds(
    open_chrome: Chromium, tmp_path: Path
) -> None:
    """It asks for volunteers well, and passes each request on to the gateway, which then takes it
    from no other door: the page seals it anew after two seconds, and goes through another one."""
    in_order = "let last = 0; Math.random = () => (last += 1e-6)"
    async with (
        bad_door("drips", asks_well=True) as bad,
        behind_a_door("nginx", tmp_path, bad) as here,
        reader(here, open_chrome, f"{WITHOUT_WEBRTC}; {in_order}") as page,
    ):
        await page.click("button.start")
        await expect(shown(page).locator("h1")).to_be_visible(timeout=7_500)
        assert bad.asked[f"/v1/gateway/{EXIT_ID}"] > 0
        await expect(page.locator(".chip .head")).to_contain_text(here.door.split("/")[2])


async def test_the_door_that_worked_is_remembered_as_the_notice_is(
    open_chrome: Chromium, tmp_path: Path
) -> None:
    """A later visit asks it first, if the reader said so; forgetting ends that."""
    kept = "() => localStorage.getItem('passerelle reader') ?? ''"
    in_order = "let last = 0; Math.random = () => (last += 1e-6)"
    async with (
        bad_door("holds for ever") as bad,
        behind_a_door("nginx", tmp_path, bad) as here,
        reader(here, open_chrome, f"{WITHOUT_WEBRTC}; {in_order}") as page,
    ):
        asked: list[str] = []
        """The doors in the order in which they are asked."""
        page.context.on(
            "request",
            lambda request: asked.extend(
                door for door in (bad.url, here.door) if request.url.startswith(door)
            ),
        )
        story = page.url
        await page.click("button.start")
        await page.evaluate(f"({REMEMBERS})(sessionStorage, '{here.door}')")
        assert asked[0] == bad.url
        assert await page.evaluate(kept) == ""
        agreed = await page.context.new_page()
        await agreed.goto(story)
        await agreed.check(".remember input")
        await agreed.click("button.start")
        await agreed.evaluate(f"({REMEMBERS})(localStorage, '{here.door}')")
        await agreed.close()
        await page.close()
        asked.clear()
        later = await agreed.context.new_page()
        await later.goto(story)
        await expect(shown(later).locator("h1")).to_be_visible(timeout=25_000)
        assert asked[0] == here.door
        await later.click(".chip .close")
        await later.wait_for_url("about:blank")
        await later.goto(story)
        await expect(later.locator("button.start")).to_be_visible()
        assert await later.evaluate(kept) == ""


@pytest.mark.timeout(120)
async def test_a_story_comes_through_somebody_elses_wordpress() -> None:
    """The plugin's own switch makes any site a door; the network's server is blocked."""
    port = free_port()
    blocked = f"--host-resolver-rules=MAP {HOST}:{port} ~NOTFOUND"
    async with (
        Chromium(*OPEN, blocked) as chrome,
        behind_a_wordpress(port) as here,
        reader(here, chrome) as page,
    ):
        with pytest.raises(Error, match="NAME_NOT_RESOLVED"):
            await (await page.context.new_page()).goto(f"{here.own}/v1/network")
        await reads(page)


@pytest.mark.parametrize("kind", ["PHP", "nginx"])
async def test_webkit_reads_by_doors_alone(kind: str, tmp_path: Path) -> None:
    """Safari's engine, without WebRTC: after the notice a story, a link and a search."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with (
        WebKit() as webkit,
        behind_a_door(kind, tmp_path) as here,
        reading_page(here) as url,
    ):
        await webkit.goto(f"{url}/story/library")
        await webkit.wait_for_function("() => document.querySelector('button.start')")
        assert await webkit.evaluate("() => typeof RTCPeerConnection") == "undefined"
        assert await webkit.evaluate("() => document.querySelector('.unable')") is None
        asked = await webkit.evaluate(ASKED)
        assert asked
        assert all(each.startswith(url) for each in asked)
        await webkit.evaluate("() => document.querySelector('button.start').click()")
        await webkit.wait_for_function(f"() => {SITE}?.querySelector('h1')")
        sign = await webkit.evaluate("() => document.querySelector('.chip .head').innerText")
        assert "Through the server 127.0.0.1:" in sign
        await webkit.evaluate(f"() => {SITE}.querySelector('a[href=\"/\"]').click()")
        await webkit.wait_for_function(f"() => {SITE}?.querySelector('.stories')")
        await webkit.evaluate(SEARCH)
        await webkit.wait_for_function(f"() => {SITE}?.URL.endsWith('/search?q=library')")
        await webkit.wait_for_function(f"() => {SITE}?.querySelector('h1 ~ ul a')")
        await webkit.screenshot(PICTURES / f"door-{kind}.png")
        trouble = await webkit.evaluate("() => document.querySelector('.trouble')?.innerText ?? ''")
        assert trouble == ""
