"""What ordinary sites do, in the reading page in a real Chromium."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Frame, Page

from passerelle.demo.run import HOST
from tests.rig.film import SECONDS
from tests.rig.ordinary import BIG_BYTES, NAMES, OUTSIDE, SOUND_S, Ordinary
from tests.rig.reading import Reading, shown
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

MAIN, FRENCH = NAMES
RED, BLUE = "rgb(200, 0, 0)", "rgb(0, 0, 200)"


class Visit:
    """A reader of the site."""

    def __init__(self, page: Page, reading: Reading, site: Ordinary) -> None:
        self.page = page
        self.reading = reading
        self.site = site

    @property
    def frame(self) -> Frame:
        frame = self.page.frame("site")
        assert frame is not None
        return frame

    @property
    def path(self) -> str:
        """What the address bar shows, without the mirror's origin."""
        return self.page.url.removeprefix(self.reading.url)

    async def open(self, path: str, words: str = "") -> None:
        await self.page.goto(self.reading.url + path)
        await self.headline(words)

    async def headline(self, words: str) -> None:
        """Wait until a headline with these words is shown."""
        await shown(self.page).locator("h1", has_text=words).first.wait_for()

    async def click(self, selector: str) -> None:
        await shown(self.page).locator(selector).click()

    async def leads(self, selector: str, path: str) -> None:
        """Click, and wait until the page at `path` is there."""
        await self.click(selector)
        await self.page.wait_for_url(self.reading.url + path)
        await self.headline("")

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true in the site's page."""
        await self.frame.wait_for_function(condition)

    async def asks_about(self, host: str) -> None:
        """Wait for the question about an address outside the site, and decide to go back."""
        dialog = self.page.locator("dialog")
        await dialog.get_by_text(f"{host} is not part of").wait_for()
        await dialog.get_by_role("button", name="Go back").click()

    def asked(self, path: str, host: str = MAIN, method: str = "GET") -> int:
        return self.site.asked[f"{method} {host}{path}"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reader(open_chrome: Chromium) -> AsyncIterator[Visit]:
    """One reader for all tests; no request of theirs comes past the exit."""
    site = Ordinary()
    touched: list[int] = []

    async def touch(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        touched.append(1)
        writer.close()

    other = await asyncio.start_server(touch, HOST, 0)
    site.other_port = other.sockets[0].getsockname()[1]
    async with other, Reading(open_chrome, site.app, NAMES) as reading:
        await reading.volunteer()
        visit = Visit(await reading.reader("/page/plain"), reading, site)
        await visit.headline("plain")
        yield visit
        site.release()
        assert site.direct == []
        assert touched == []
        foreign = [path for path in reading.mirror_paths if not path.startswith("/passerelle")]
        assert set(foreign) <= {"/page/plain", "/favicon.ico"}


@pytest.fixture
def visit(reader: Visit) -> Visit:
    reader.site.asked.clear()
    return reader


async def test_what_scripts_ask_is_answered(visit: Visit) -> None:
    """All ways of asking work, with the site's own addresses too; what leaves the site does not."""
    await visit.open("/page/apis", "{")
    found = json.loads(await shown(visit.page).locator("h1").inner_text())
    assert found == {
        "written": "written",
        "absolute": {"method": "GET", "mine": "yes"},
        "posted": {"method": "POST", "mine": None, "a": 1},
        "xhr": "GET",
        "stream": ["first", " and last"],
        "events": ["one", "two"],
        "beacon": True,
        "head": [200, str(BIG_BYTES)],
        "none": 204,
        "same": 304,
        "teapot": 418,
        "odd": "error",
        "named": [200, len("attachment; filename*=UTF-8''") + 5 * 6 + len(".txt")],
        "zipped": {"zipped": True},
        "big": BIG_BYTES,
        "imported": "imported",
        "blob": 64,
        "absolutePicture": 64,
        "canvas": True,
        "worker": False,
        "geolocation": False,
        "fullscreen": True,
        "own": "error",
        "outImage": "error",
        "outFetch": 403,
        "push": "?pushed",
    }
    assert visit.asked("/beacon", method="POST") == 1
    fields = visit.site.fields["/json"]
    assert fields["Referer"] == f"{visit.reading.site}/page/apis"
    assert "Chrome" in fields["User-Agent"]
    assert fields["Accept-Language"] == "en-US"
    posted = visit.site.fields["/beacon"]
    assert posted["Origin"] == visit.reading.site


async def test_frames_of_the_site_are_inside(visit: Visit) -> None:
    """However a page makes them, and whatever host of the site they name."""
    await visit.open("/page/frames")
    kinds = ("relative", "absolute", "sister", "made", "set")
    names = [*(f"?{kind}" for kind in kinds), "srcdoc", "written"]
    await visit.until(f"() => Object.keys(told).length === {len(names)}")
    assert await visit.frame.evaluate("() => told") == dict.fromkeys(names, "undefined")
    # A link for the whole page leads there from a frame, too.
    inside = visit.page.frame("relative")
    assert inside is not None
    await inside.locator("a").click()
    await visit.page.wait_for_url("**/page/plain?by-frame")


async def test_links_lead_on_within_the_page(visit: Visit) -> None:
    await visit.open("/page/plain")
    for name in ("relative", "main", "quiet", "top"):
        await visit.leads(f"#{name}", f"/page/plain?{name}")
    for name in ("blank", "opener"):
        async with visit.page.context.expect_page() as opening:
            await visit.click(f"#{name}")
        tab = await opening.value
        if name == "blank":
            await tab.click("button.start")
        await shown(tab).locator("h1").wait_for()
        assert tab.url == f"{visit.reading.url}/page/plain?{name}"
        await tab.close()


async def test_forms_are_sent_once(visit: Visit) -> None:
    """By a button and by a script, to the site's own address; and back leads to the form."""
    await visit.open("/page/plain")
    await visit.click("#asks button")
    await visit.headline("asked q=a b")
    assert visit.path == "/asks?q=a+b"
    await visit.open("/page/plain")
    await visit.click("#posts button")
    await visit.headline("asked posted=Ana")
    assert visit.path == "/asks?posted=Ana"
    assert visit.asked("/posts", method="POST") == 1
    assert visit.site.fields["/posts"]["Origin"] == visit.reading.site
    await visit.page.go_back()
    await visit.headline("plain")
    await visit.frame.evaluate(
        """() => {
            const form = document.createElement('form');
            form.method = 'post';
            form.innerHTML = '<input name="name" value="Bo">';
            form.action = document.querySelector('#posts').action;
            document.body.append(form);
            form.submit();
        }"""
    )
    await visit.headline("asked posted=Bo")
    assert visit.asked("/posts", method="POST") == 2


async def test_what_the_site_sends_elsewhere_is_for_the_reader_to_decide(visit: Visit) -> None:
    """A redirect out of the site, after a link or a form, leaves the page as it is, and asks."""
    await visit.open("/page/plain")
    entries = await visit.page.evaluate("() => history.length")
    for selector in ("#leaves", "#pays button"):
        await visit.click(selector)
        await visit.asks_about(OUTSIDE)
        assert visit.path == "/page/plain"
        await visit.headline("plain")
    assert visit.asked("/pays", method="POST") == 1
    assert await visit.page.evaluate("() => history.length") == entries
    # A picture that is elsewhere is left out, and nobody is asked.
    await visit.frame.evaluate(
        "() => document.body.append(Object.assign(new Image(), { id: 'gone', src: '/leaves' }))"
    )
    await visit.until("() => document.querySelector('#gone').complete")
    assert await visit.page.locator("dialog").count() == 0
    await visit.page.locator(".chip .head").click()
    await visit.page.locator(".chip li", has_text=OUTSIDE).wait_for()
    await visit.page.locator(".chip .head").click()
    for path in ("/page/refreshout", "/refreshed?out"):
        await visit.page.goto(visit.reading.url + path)
        await visit.asks_about(OUTSIDE)


async def test_pages_that_move_by_themselves(visit: Visit) -> None:
    for path, query in (("/page/refresh", "refreshed"), ("/refreshed", "header")):
        await visit.page.goto(visit.reading.url + path)
        await visit.page.wait_for_url(f"**/page/plain?{query}")
        await visit.headline("plain")
    # A script that sends strangers' names to the site's own does so once, and not for ever.
    await visit.open("/page/hostname")
    await visit.until("() => document.title === 'caught'")
    assert visit.asked("/page/hostname") == 1
    await visit.open("/page/reopened", "reopened")
    await visit.click("#out")
    await visit.asks_about(OUTSIDE)
    await visit.leads("a:not(#out)", "/page/plain?reopened")


async def test_a_base_and_a_policy_of_the_site(visit: Visit) -> None:
    """Its own name as the base of all links, and a policy that names no mirror and no script."""
    await visit.open("/page/base", "base GET")
    assert await visit.frame.evaluate("() => document.images[0].naturalWidth") == 64
    await visit.leads("a", "/deep/er/page")
    await visit.open("/page/policy", "policy GET")
    assert await visit.frame.evaluate("() => document.images[0].naturalWidth") == 64
    await shown(visit.page).get_by_text("inserted").wait_for()


async def test_a_router_in_the_page(visit: Visit) -> None:
    await visit.open("/page/router", "view")
    for name in ("a", "b"):
        await shown(visit.page).locator("a", has_text=name).click()
        await visit.headline(f"view ?{name}")
        await visit.page.wait_for_function(f"() => document.title === 'view ?{name}'")
        assert visit.path == f"/page/router?{name}"
    assert visit.asked("/page/router?a") == 0
    await visit.page.go_back()
    await visit.headline("view ?a")
    await visit.page.wait_for_url("**/page/router?a")
    await visit.page.go_forward()
    await visit.headline("view ?b")


async def test_editions_on_hosts_of_their_own(visit: Visit) -> None:
    """Each page has its own host's styles and cookies; what lies above both is for both."""
    told = """() => [getComputedStyle(document.querySelector('h1')).color,
                     document.cookie.split('; ').sort().join('; ')]"""
    french = f"/passerelle.reader/at/{FRENCH}:{visit.reading.site.rpartition(':')[2]}/page/plain"
    of_main, of_french = [RED, "all=both; edition=www"], [BLUE, "all=both; edition=fr"]

    async def shows(path: str, expected: list[str]) -> None:
        await visit.page.wait_for_url(visit.reading.url + path)
        await visit.headline("plain")
        await visit.until(f"() => location.pathname + location.search === '{path}'")
        await visit.until("() => document.readyState === 'complete'")
        assert await visit.frame.evaluate(told) == expected

    await visit.open("/page/plain")
    await shows("/page/plain", of_main)
    for name, path, expected in (
        ("french", f"{french}?french", of_french),
        ("relative", f"{french}?relative", of_french),
        ("quiet", f"{french}?quiet", of_french),
        ("main", "/page/plain?main", of_main),
    ):
        await visit.click(f"#{name}")
        await shows(path, expected)
    await visit.page.go_back()
    await shows(f"{french}?quiet", of_french)
    await visit.page.reload()
    await shows(f"{french}?quiet", of_french)
    cookies = "() => fetch('/cookies').then((answer) => answer.json())"
    assert (await visit.frame.evaluate(cookies))["edition"] == "fr"
    await visit.page.go_forward()
    await shows("/page/plain?main", of_main)


async def test_files_and_documents_that_are_no_pages(visit: Visit) -> None:
    """A file is kept and the page stays; what a browser shows is shown, without scripts."""
    await visit.open("/page/plain")
    for name, file in (("attached", "отчёт.txt"), ("pdf", "paper.pdf")):
        async with visit.page.expect_download() as coming:
            await visit.click(f"#{name}")
        download = await coming.value
        assert download.suggested_filename == file
        assert len(await asyncio.to_thread(Path(await download.path()).read_bytes)) > 0
        assert visit.path == "/page/plain"
    for name, path, text in (
        ("feed", "/feed", "feed"),
        ("drawing", "/drawing.svg", "drawn"),
        ("image", "/picture/1.png", ""),
    ):
        await visit.click(f"#{name}")
        await visit.page.wait_for_url(visit.reading.url + path)
        assert text in await visit.frame.evaluate("() => document.documentElement.textContent")
        await visit.page.go_back()
        await visit.headline("plain")
        await visit.page.wait_for_url("**/page/plain")
    await visit.open("/page/nothing", "not here")


async def test_encodings_and_slow_pages(visit: Visit) -> None:
    """Whatever the encoding, the inner script stands in front; a page is shown while it comes."""
    for how in ("header", "meta", "wide"):
        await visit.open(f"/cyrillic/{how}", "новости")
        assert await visit.frame.evaluate("() => typeof RTCPeerConnection") == "undefined"
        await visit.page.wait_for_function("() => document.title === 'новости'")
    await visit.open("/trickle", "begun")
    assert await shown(visit.page).locator("h2").count() == 0
    visit.site.release()
    await shown(visit.page).locator("h2").wait_for()


async def test_pictures(visit: Visit) -> None:
    """Three hundred at once, in sets, by need, and drawn from a sheet."""
    await visit.open("/page/many")
    await visit.until("() => document.images.length === 300")
    loaded = "() => [...document.images].every((image) => image.naturalWidth === 64)"
    await visit.until(loaded)
    assert await visit.page.locator(".chip .trouble").count() == 0
    await visit.open("/page/pictures")
    await visit.until("() => [...document.images].slice(0, 2).every((one) => one.naturalWidth > 0)")
    drawn = "() => document.querySelector('use').getBoundingClientRect().width"
    await visit.until(drawn)
    assert visit.asked("/picture/400.png") == 0
    await visit.frame.evaluate("() => document.querySelector('#lazy').scrollIntoView()")
    await visit.until("() => document.querySelector('#lazy').naturalWidth === 64")


async def test_a_service_worker_of_the_site_is_never_ours(visit: Visit) -> None:
    """Scripts that look for workers find none; those that do not look fail alone."""
    await visit.open("/page/worker", "went on to the end")
    await visit.page.wait_for_function("() => document.title === 'end'")
    assert await visit.frame.evaluate("() => window.tried") is False
    assert visit.asked("/page/worker") == 1
    assert visit.asked("/sw.js") == 0
    workers = """async () => (await navigator.serviceWorker.getRegistrations())
                 .map(({ active }) => new URL(active.scriptURL).pathname)"""
    assert await visit.page.evaluate(workers) == ["/passerelle-reader.js"]


async def test_films_and_sounds_are_sought_where_the_site_knows_parts(visit: Visit) -> None:
    """Otherwise they play from their beginning, as on the site itself."""
    await visit.open("/page/media")
    seek = """(media, at_s) => new Promise((resolve, reject) => {
        const go = () => {
            media.onseeked = () => resolve([media.duration, media.currentTime]);
            media.currentTime = at_s;
        };
        media.onerror = () => reject(media.error);
        if (media.readyState > 0) go();
        else media.onloadedmetadata = go;
    })"""
    for name, file, length_s in (
        ("ranged", "/sound.wav", SOUND_S),
        ("film", "/film.webm", SECONDS),
    ):
        media = shown(visit.page).locator(f"#{name}")
        assert await media.evaluate(seek, length_s - 10) == [length_s, length_s - 10]
        first, *others = visit.site.ranges[file]
        assert first == "bytes=0-"
        assert others
    whole = shown(visit.page).locator("#whole")
    await whole.evaluate("(sound) => { sound.muted = true; return sound.play(); }")
    await visit.until("() => document.querySelector('#whole').currentTime > 0.1")
