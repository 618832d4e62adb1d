"""A site's own address after it was blocked, in a real Chromium that had been there before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.async_api import Error, Page

from passerelle import survival
from passerelle.browser import chromium_arguments, find_chromium
from passerelle.demo.reading import SHOWN
from passerelle.demo.run import HOST
from tests.rig.reading import chromium, open_firefox, shown
from tests.rig.survive import WAYS, Surviving, surviving
from tests.rig.volunteer import Chromium, flip

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

READY = "() => navigator.serviceWorker.ready.then((found) => found.active.scriptURL)"
REGISTERED = """() => navigator.serviceWorker.getRegistrations().then((all) =>
  all.map((one) => one.active?.scriptURL ?? ''))"""
UPDATE = """() => navigator.serviceWorker.getRegistration().then((found) => found.update())
  .then(() => 'taken', (error) => error.name)"""
PAUSE = "const pause = () => new Promise((go) => setTimeout(go, 50));"
REPLACED = f"""async () => {{
  {PAUSE}
  const {{ controller }} = navigator.serviceWorker;
  while (navigator.serviceWorker.controller === controller) await pause();
}}"""
SETTLED = f"""async () => {{
  {PAUSE}
  const found = await navigator.serviceWorker.getRegistration();
  while (found.installing || found.waiting) await pause();
}}"""
GONE = f"""async () => {{
  {PAUSE}
  const all = () => navigator.serviceWorker.getRegistrations();
  for (let i = 0; i < 200 && (await all()).length > 0; i++) await pause();
  return (await all()).length === 0;
}}"""
FORGED = """addEventListener('fetch', (event) =>
  event.respondWith(new Response('<h1>Forged</h1>', { headers: { 'content-type': 'text/html' } })));
"""
PRELOADS = """() => navigator.serviceWorker.ready
  .then((found) => found.navigationPreload.getState()).then((state) => state.enabled)"""
FRAMED = """() => new Promise((resolve) => {
  const frame = Object.assign(document.createElement('iframe'), { src: '/story/bridge' });
  frame.onload = () => resolve(frame.contentDocument.querySelector('h1').innerText);
  setTimeout(() => resolve('nothing'), 10_000);
  document.body.append(frame);
})"""
STORY_TEXT = "() => fetch('/story/bridge').then((found) => found.text())"
HASTE = """addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
"""
OWN_WORKER = f"""importScripts('/{survival.FILE}');
addEventListener('install', () => skipWaiting());
addEventListener('fetch', (event) => {{
  const {{ pathname }} = new URL(event.request.url);
  const headers = {{ 'content-type': pathname === '/mine' ? 'text/html' : 'text/plain' }};
  if (pathname === '/mine') event.respondWith(new Response('<h1>Mine</h1>', {{ headers }}));
  if (pathname === '/mine.txt') event.respondWith(new Response('Mine', {{ headers }}));
}});
"""
STORY = "/story/harvest"


@dataclass(frozen=True, slots=True)
class Scene:
    """A newspaper with a network, and a browser."""

    paper: Surviving
    chrome: Chromium

    @asynccontextmanager
    async def visitor(self, path: str = STORY, *, installs: bool = True) -> AsyncIterator[Page]:
        """Visit the newspaper in a profile of its own, until the worker is installed."""
        context = await self.chrome.browser.new_context(
            viewport={"width": 360, "height": 740}, locale="en-US"
        )
        page = await context.new_page()
        await page.goto(self.paper.site + path)
        if installs:
            await page.evaluate(READY)
        try:
            yield page
        finally:
            await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        paper = await stack.enter_async_context(surviving(tmp_path_factory.mktemp("survive")))
        chrome = await stack.enter_async_context(Chromium(*paper.flags))
        await flip(await chrome.open(paper.volunteers))
        yield Scene(paper, chrome)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def afresh(scene: Scene) -> AsyncIterator[None]:
    """The site is open, its file is in place, and its answers are marked."""
    await scene.paper.censor.be("open")
    scene.paper.censor.forged.clear()
    scene.paper.publisher.is_marked = True
    scene.paper.publisher.delay_s = 0.0
    scene.paper.publisher.headers = {}
    scene.paper.install()
    yield


def kept_pages() -> dict[str, str]:
    """Return headers by which a browser keeps pages, and takes them for ten minutes old."""
    sent = format_datetime(datetime.now(UTC) - timedelta(minutes=10), usegmt=True)
    return {"Cache-Control": "max-age=3600", "Date": sent}


async def restart_worker(page: Page) -> None:
    """Stop the worker, as browsers do whenever they like: it knows nothing of earlier visits."""
    session = await page.context.new_cdp_session(page)
    await session.send("ServiceWorker.enable")
    await session.send("ServiceWorker.stopAllWorkers")
    await session.detach()


async def is_direct(page: Page) -> bool:
    """Tell whether a page is the site's own, and not one in the reading page's frame."""
    return await page.locator("h1").count() == 1 and await page.locator("iframe").count() == 0


async def reads(page: Page) -> None:
    """Wait for the story in the frame, with its picture."""
    await shown(page).locator("h1", has_text="A late harvest").wait_for()
    frame = page.frame("site")
    assert frame is not None
    await frame.wait_for_function("() => document.images[0].naturalWidth === 640")


async def test_a_visit_installs_it_and_changes_nothing(scene: Scene) -> None:
    """The next pages are the site's own, with all that belongs to them."""
    async with scene.visitor() as page:
        assert await page.evaluate(READY) == f"{scene.paper.site}/{survival.FILE}"
        await page.goto(scene.paper.site + "/")
        assert await page.evaluate("() => navigator.serviceWorker.controller !== null")
        await page.get_by_text("A late harvest").click()
        assert await is_direct(page)
        await page.wait_for_function("() => document.images[0].naturalWidth === 640")


async def test_without_the_attribute_nothing_is_installed(scene: Scene) -> None:
    scene.paper.install(attribute="")
    async with scene.visitor(installs=False) as page:
        await page.locator("passerelle-switch").get_by_role("switch").wait_for()
        assert await page.evaluate(REGISTERED) == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_blocked_address_is_read_on(scene: Scene, way: str) -> None:
    """The notice comes first, and asks nobody; then the story, and it is the site's again after."""
    async with scene.visitor() as page:
        await scene.paper.censor.be(way)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(scene.paper.site + STORY)
        await page.locator("button.start").wait_for()
        text = await page.locator(".lead").inner_text()
        assert "does not answer here" in text
        assert "Log-ins" in text
        assert [url for url in asked if not url.startswith(scene.paper.site)] == []
        await page.get_by_label("Do not ask again").check()
        await page.click("button.start")
        await reads(page)
        assert page.url == scene.paper.site + STORY
        await page.goto(scene.paper.site + STORY)
        await reads(page)
        await scene.paper.censor.be("open")
        await page.goto(scene.paper.site + STORY)
        assert await is_direct(page)


async def test_the_frame_asks_the_site_through_volunteers_only(scene: Scene) -> None:
    """Links, pictures and what scripts fetch; only the browser itself asks for a newer worker."""
    async with scene.visitor() as page:
        await scene.paper.censor.be("refused")
        await page.goto(scene.paper.site + STORY)
        await page.click("button.start")
        await reads(page)
        # What is asked directly would now be seen.
        await scene.paper.censor.be("forged")
        frame = page.frame("site")
        assert frame is not None
        await frame.evaluate("() => { location.href = '/'; }")
        await shown(page).get_by_text("The bridge opens again").wait_for()
        assert await frame.evaluate("() => fetch('/story/bridge').then((found) => found.ok)")
        assert page.url == f"{scene.paper.site}/"
        assert set(scene.paper.censor.asked) <= {f"/{survival.FILE}"}


async def test_the_publisher_withdraws_it_by_one_file(scene: Scene) -> None:
    """One more visit, and nothing of it is left."""
    async with scene.visitor() as page:
        withdrawn = scene.paper.make()[survival.WITHDRAWN]
        scene.paper.publisher.files = {survival.FILE: withdrawn}
        # The tag stays as it was in some cached page.
        await page.goto(scene.paper.site + "/")
        assert await page.evaluate(GONE)
        assert await page.evaluate("() => caches.keys()") == []
        scene.paper.publisher.tag = ""
        await page.goto(scene.paper.site + "/")
        assert await page.evaluate(GONE)
        await scene.paper.censor.be("refused")
        with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
            await page.goto(scene.paper.site + "/")


async def test_the_publisher_withdraws_it_by_the_attribute(scene: Scene) -> None:
    async with scene.visitor() as page:
        scene.paper.install(attribute="")
        await page.goto(scene.paper.site + "/")
        assert await page.evaluate(GONE)


async def test_a_file_that_moves_is_followed(scene: Scene) -> None:
    """Visitors take the one at the new address. The old one could not be withdrawn any more."""
    async with scene.visitor() as page:
        moved = f"moved-{survival.FILE}"
        scene.paper.install(attribute=f'survive="/{moved}"')
        files = scene.paper.publisher.files
        files[moved] = files.pop(survival.FILE)
        await page.goto(scene.paper.site + STORY)
        await page.evaluate(REPLACED)
        assert await page.evaluate(REGISTERED) == [f"{scene.paper.site}/{moved}"]


async def test_a_page_of_which_half_comes_is_read_on(scene: Scene) -> None:
    """The beginning of each connection passes, and nothing after it. The page stands there for some
    seconds; the next ones open the reading page at once, until one comes whole."""
    scene.paper.publisher.tag += f"<!-- {'x' * 100_000} -->"
    async with scene.visitor() as page:
        await scene.paper.censor.be("half")
        await page.goto(scene.paper.site + STORY, wait_until="commit")
        await page.locator("h1", has_text="A late harvest").wait_for()
        assert await is_direct(page)
        await page.click("button.start", timeout=15_000)
        await reads(page)
        await page.goto(scene.paper.site + "/", wait_until="commit")
        # What the shell is made of, and no half of a page before.
        await page.locator("#page").wait_for(state="attached", timeout=4_000)
        await shown(page).get_by_text("The bridge opens again").wait_for()
        await scene.paper.censor.be("open")
        await page.goto(scene.paper.site + STORY)
        await page.locator("h1", has_text="A late harvest").wait_for()
        assert await is_direct(page)
        await page.goto(scene.paper.site + "/story/bridge")
        assert await is_direct(page)


async def test_a_page_whose_site_takes_its_time_is_left_alone(scene: Scene) -> None:
    """The network carries all of the worker's file, so it is not what stands still."""
    newspaper, publisher = scene.paper.newspaper, scene.paper.publisher
    newspaper.half.clear()
    newspaper.go_on.clear()
    async with scene.visitor() as page:
        before = publisher.proofs
        await page.goto(f"{scene.paper.site}/slowly", wait_until="commit")
        await page.locator("h1", has_text="First half").wait_for()
        await page.evaluate("() => { window.isSame = true; }")
        async with asyncio.timeout(15):
            # One that the site is there, because this page has no mark, and one of much.
            while publisher.proofs < before + 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        newspaper.go_on.set()
        await page.locator("h2", has_text="Second half").wait_for()
        assert await page.evaluate("() => window.isSame && document.readyState === 'complete'")
        assert await is_direct(page)


@pytest.mark.parametrize("way", ["refused", "silent", "forged"])
async def test_a_page_that_the_browser_kept_is_no_proof(scene: Scene, way: str) -> None:
    """It has the mark, and says nothing of today: the site is asked itself."""
    scene.paper.publisher.headers = kept_pages()
    async with scene.visitor() as page:
        await page.goto(scene.paper.site + STORY)
        assert await is_direct(page)
        await restart_worker(page)
        await scene.paper.censor.be(way)
        await page.goto(scene.paper.site + STORY)
        await page.click("button.start")
        await reads(page)


async def test_a_publishers_own_worker_imports_it(scene: Scene) -> None:
    """It answers as before, hears of nothing read through volunteers, and may go on alone."""
    scene.paper.install(attribute="")
    publisher = scene.paper.publisher
    publisher.files["own.js"] = OWN_WORKER.encode()
    publisher.tag += "<script>navigator.serviceWorker.register('/own.js')</script>"
    async with scene.visitor() as page:
        assert await page.evaluate(REGISTERED) == [f"{scene.paper.site}/own.js"]
        await page.goto(scene.paper.site + "/mine")
        assert await page.locator("h1").inner_text() == "Mine"
        await page.goto(scene.paper.site + STORY)
        assert await is_direct(page)
        assert (
            await page.evaluate("() => fetch('/mine.txt').then((found) => found.text())") == "Mine"
        )
        await scene.paper.censor.be("refused")
        await page.goto(scene.paper.site + STORY)
        await page.click("button.start")
        await reads(page)
        frame = page.frame("site")
        assert frame is not None
        # In the frame, the site itself answers.
        assert await frame.evaluate("() => fetch('/mine.txt').then((found) => found.status)") == 404
        await scene.paper.censor.be("open")
        publisher.files[survival.FILE] = scene.paper.make()[survival.WITHDRAWN]
        await page.goto(scene.paper.site + "/mine")
        assert await page.evaluate(UPDATE) == "taken"
        await page.evaluate(SETTLED)
        assert await page.evaluate(REGISTERED) == [f"{scene.paper.site}/own.js"]
        await page.goto(scene.paper.site + "/mine")
        assert await page.locator("h1").inner_text() == "Mine"


async def test_a_slow_site_is_shown_when_it_answers(scene: Scene) -> None:
    """The notice stands while the answer is late."""
    async with scene.visitor("/") as page:
        scene.paper.publisher.delay_s = 4.0
        await page.goto(scene.paper.site + STORY, wait_until="commit")
        await page.locator("button.start").wait_for()
        await page.locator("h1", has_text="A late harvest").wait_for()
        assert await is_direct(page)


async def test_a_visitor_who_did_not_wait_changes_nothing(scene: Scene) -> None:
    """A tab closed before the reading page opened leaves the site's later pages as they were."""
    async with scene.visitor() as page:
        await scene.paper.censor.be("silent")
        left = await page.context.new_page()
        visit = asyncio.ensure_future(left.goto(scene.paper.site + STORY))
        await asyncio.sleep(1)
        await left.close()
        await asyncio.gather(visit, return_exceptions=True)
        # By then the worker has taken the site for blocked, and found nobody who reads.
        await asyncio.sleep(9)
        await scene.paper.censor.be("open")
        await page.goto(scene.paper.site + STORY)
        await page.wait_for_function(PRELOADS)
        assert await page.evaluate(FRAMED) == "The bridge opens again"


async def test_without_a_mark_the_file_proves_the_site(scene: Scene) -> None:
    """A publisher who cannot set a header, and one who took the file away, keep their visitors."""
    publisher = scene.paper.publisher
    publisher.is_marked = False
    async with scene.visitor() as page:
        await page.goto(scene.paper.site + STORY)
        assert await is_direct(page)
        await page.goto(scene.paper.site + "/moved")
        assert page.url.endswith("/story/library")
        assert await is_direct(page)
    async with scene.visitor() as page:
        publisher.files = {}
        await page.goto(scene.paper.site + STORY)
        assert await is_direct(page)


async def test_a_page_that_begins_like_the_file_proves_nothing(scene: Scene) -> None:
    """Whoever answers everything in the site's place may know how the file begins."""
    scene.paper.publisher.is_marked = False
    forged = b"// Passerelle\n<!doctype html><h1>Not available</h1>"
    scene.paper.censor.forged[f"/{survival.FILE}"] = ("text/html", forged)
    async with scene.visitor() as page:
        await scene.paper.censor.be("forged")
        await page.goto(scene.paper.site + STORY)
        await page.locator("button.start").wait_for()


async def test_a_key_proves_what_a_national_authority_could_forge(scene: Scene) -> None:
    """Whoever shows a trusted certificate, the mark and the file itself is not the site."""
    key = Ed25519PrivateKey.generate()
    scene.paper.install(key=key)
    async with scene.visitor() as page:
        await page.goto(scene.paper.site + STORY)
        assert await is_direct(page)
    async with scene.visitor() as page:
        forged = scene.paper.publisher.files[survival.FILE]
        scene.paper.censor.forged[f"/{survival.FILE}"] = ("text/javascript", forged)
        await scene.paper.censor.be("forged")
        await page.goto(scene.paper.site + STORY)
        await page.click("button.start")
        await reads(page)
        # A key of somebody else signs nothing that counts.
        await scene.paper.censor.be("open")
        scene.paper.publisher.key = Ed25519PrivateKey.generate()
        await page.goto(scene.paper.site + "/story/bridge")
        await page.locator("iframe").wait_for()
        scene.paper.publisher.key = key
        await page.goto(scene.paper.site + STORY)
        assert await is_direct(page)


async def test_an_update_while_blocked(scene: Scene) -> None:
    """A block page, and whoever has no trusted certificate, put nothing in the worker's place."""
    async with scene.visitor() as page:
        for way in ("refused", "forged", "certificate"):
            await scene.paper.censor.be(way)
            await page.goto(scene.paper.site + STORY)
            await page.locator("button.start").wait_for()
            assert await page.evaluate(UPDATE) in {"TypeError", "SecurityError"}


async def test_a_genuine_update_while_blocked(scene: Scene) -> None:
    """Whoever brings it: a newer file with the operator's signature takes the worker's place."""
    scene.paper.install(key=Ed25519PrivateKey.generate())
    async with scene.visitor() as page:
        newer = scene.paper.make(operator=scene.paper.keys.operator, later_s=60)[survival.FILE]
        scene.paper.censor.forged[f"/{survival.FILE}"] = ("text/javascript", newer)
        await scene.paper.censor.be("forged")
        await page.goto(scene.paper.site + STORY)
        await page.locator("button.start").wait_for()
        await page.evaluate(REPLACED)
        scene.paper.censor.forged.clear()
        await page.goto(scene.paper.site + STORY)
        await page.click("button.start")
        await reads(page)
        assert await page.locator(".replaced").count() == 0


@pytest.mark.parametrize("forgery", ["patient", "hasty", "unsigned", "other key", "old"])
async def test_a_forged_update_while_blocked(scene: Scene, forgery: str) -> None:
    """A certificate that the browser trusts is not enough: no worker is left, and the reader is
    told. The next visit that reaches the site brings the publisher's again."""
    paper = scene.paper
    paper.install(key=Ed25519PrivateKey.generate())
    forged = {
        "patient": FORGED.encode(),
        "hasty": (FORGED + HASTE).encode(),
        "unsigned": paper.make(later_s=60)[survival.FILE],
        "other key": paper.make(operator=Ed25519PrivateKey.generate(), later_s=60)[survival.FILE],
        "old": paper.make(operator=paper.keys.operator, later_s=-3600)[survival.FILE],
    }[forgery]
    async with scene.visitor() as page:
        paper.censor.forged[f"/{survival.FILE}"] = ("text/javascript", forged)
        await paper.censor.be("forged")
        await page.goto(paper.site + STORY, wait_until="commit")
        text = await page.locator(".replaced").inner_text()
        assert "another program" in text
        await page.wait_for_function(f"() => ({REGISTERED})().then((all) => all.length === 0)")
        await paper.censor.be("open")
        await page.goto(paper.site + STORY)
        assert await is_direct(page)
        assert await page.evaluate(READY) == f"{paper.site}/{survival.FILE}"
        await page.goto(paper.site + STORY)
        assert await is_direct(page)


@pytest.mark.parametrize("brought_by", ["a page that the browser kept", "no visit"])
async def test_a_forged_update_without_a_visit(scene: Scene, brought_by: str) -> None:
    """Nothing has reached the site since the worker was started, so no update is taken. The next
    visit that reaches it brings the publisher's again."""
    paper = scene.paper
    paper.publisher.headers = kept_pages()
    async with scene.visitor() as page:
        await page.goto(paper.site + STORY)
        await restart_worker(page)
        forged = (FORGED + HASTE).encode()
        paper.censor.forged[f"/{survival.FILE}"] = ("text/javascript", forged)
        await paper.censor.be("forged")
        if brought_by == "no visit":
            # The worker is started for these, and knows after the first that nobody reads.
            await page.evaluate(STORY_TEXT)
            await page.evaluate(STORY_TEXT)
            await page.evaluate(UPDATE)
        else:
            await page.goto(paper.site + STORY, wait_until="commit")
            await page.locator(".replaced").wait_for()
        assert await page.evaluate(GONE)
        await paper.censor.be("open")
        await page.goto(paper.site + "/story/bridge")
        assert await page.evaluate(READY) == f"{paper.site}/{survival.FILE}"
        await page.goto(paper.site + "/story/bridge")
        assert await is_direct(page)


async def test_a_forged_worker_gets_nothing_of_the_page_it_takes(scene: Scene) -> None:
    """A tab that it answers for is emptied; otherwise the story stays, through volunteers."""
    paper = scene.paper
    async with scene.visitor() as page:
        await paper.censor.be("refused")
        await page.goto(paper.site + STORY)
        await page.click("button.start")
        await reads(page)
        paper.censor.forged[f"/{survival.FILE}"] = ("text/javascript", (FORGED + HASTE).encode())
        await paper.censor.be("forged")
        await page.evaluate(UPDATE)
        assert "another program" in await page.locator(".replaced").inner_text()
        await page.wait_for_function(f"() => ({REGISTERED})().then((all) => all.length === 0)")
        # Browsers differ in whether a worker without a registration takes a tab that is open.
        frame = page.frame("site")
        if frame is not None:
            assert "Forged" not in await frame.evaluate(STORY_TEXT)


async def test_a_name_that_is_not_found_any_more(scene: Scene, tmp_path: Path) -> None:
    """Another day: a new browser process, with the profile of the one that was there before."""
    kind = scene.chrome.browser.browser_type
    program = find_chromium()
    flags = chromium_arguments(headless=True)
    known = await kind.launch_persistent_context(
        tmp_path, executable_path=program, args=[*flags, *scene.paper.flags], locale="en-US"
    )
    page = await known.new_page()
    await page.goto(scene.paper.site + STORY)
    await page.evaluate(READY)
    await known.close()
    lost = [flag.replace(f" {HOST}", " ~NOTFOUND") for flag in scene.paper.flags]
    later = await kind.launch_persistent_context(
        tmp_path, executable_path=program, args=[*flags, *lost], locale="en-US"
    )
    page = await later.new_page()
    await page.goto(scene.paper.site + STORY)
    await page.click("button.start")
    await reads(page)
    await later.close()


async def test_it_goes_on_in_firefox() -> None:
    """By plain HTTP, which browsers trust on this computer only."""
    # The newspaper itself is behind the IPv6 address, where only the exit goes.
    preferences = {"network.dns.disableIPv6": True}
    async with surviving() as paper, chromium() as chrome, open_firefox(preferences) as firefox:
        await flip(await chrome.open(paper.volunteers))
        paper.install()
        page = await firefox.open(paper.site + STORY)
        await page.evaluate(READY)
        story = f"{SHOWN}?.querySelector('h1')?.innerText === 'A late harvest'"
        for way in ("refused", "forged", "silent"):
            await paper.censor.be(way)
            await page.goto(paper.site + STORY)
            if way == "refused":
                await page.click("label.remember")
                await page.click("button.start")
            await page.wait_for_function(f"() => {story}")
            await paper.censor.be("open")
            await page.goto(paper.site + STORY)
            await page.wait_for_function("() => document.querySelector('h1') && !frames.length")
        withdrawn = paper.make()[survival.WITHDRAWN]
        paper.publisher.files = {survival.FILE: withdrawn}
        paper.publisher.tag = ""
        await page.goto(paper.site + "/")
        assert await page.evaluate(GONE, timeout_s=20)
