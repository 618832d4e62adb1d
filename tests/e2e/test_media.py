"""Downloads that come as video, by real browsers, in the foreground and hidden."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.async_api import Error, Page

from passerelle.browser import find_chromium
from tests.chrome import needs_chrome
from tests.rig import firefox as fox
from tests.rig import volunteer as chromium
from tests.rig.curl import Fetch, Proxy, fetch
from tests.rig.firefox import Firefox
from tests.rig.program import Program
from tests.rig.site import Site, blob, digest
from tests.rig.volunteer import Chromium
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

SIZE = 6_000_000
FAST_BYTES = 2_000_000
SOON_S = 8.0
"""Twice the time after which a silent volunteer is given up, because the machine may be busy."""
HIDDEN = Path(__file__).parents[1] / "rig" / "hidden.mjs"

KEEP = """() => {
  globalThis.kept = [];
  const Plain = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Plain {
    constructor(...options) {
      super(...options);
      globalThis.kept.push(this);
    }
  };
}"""
"""JavaScript that lets a test look at the connections of the switch."""
VIDEO_BYTES = """async () => {
  let sent = 0;
  for (const connection of globalThis.kept) {
    for (const report of (await connection.getStats()).values()) {
      if (report.type === 'outbound-rtp') sent += report.bytesSent;
    }
  }
  return sent;
}"""
VIDEO_RECEIVED = VIDEO_BYTES.replace("outbound-rtp", "inbound-rtp").replace(
    "bytesSent", "bytesReceived"
)
ENGINES = pytest.mark.parametrize("engine", ["python", pytest.param("chrome", marks=needs_chrome)])
WITHOUT_VIDEO = """() => {
  delete RTCRtpSender.prototype.createEncodedStreams;
  delete globalThis.RTCRtpScriptTransform;
}"""
"""JavaScript that makes a browser unable to put data into video frames."""
OLDER_VIDEO = """() => {
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return set.call(this, { type, sdp: sdp.replace('a=sendrecv', 'a=recvonly') });
  };
}"""
"""JavaScript that makes a page do what one of an older build does: it reads an offer of a video
both ways as one of a video to the client, and answers that."""
PAUSE = """async () => {
  for (const connection of globalThis.kept) {
    for (const sender of connection.getSenders()) {
      globalThis.track ??= sender.track;
      await sender.replaceTrack(null);
    }
  }
}"""
GO_ON = """async () => {
  for (const connection of globalThis.kept) {
    for (const sender of connection.getSenders()) await sender.replaceTrack(globalThis.track);
  }
}"""


class Tab(Protocol):
    """The methods that a page of either browser has."""

    async def evaluate(self, expression: str) -> Any: ...


@asynccontextmanager
async def opened(
    browser: Chromium | Firefox, url: str, *before: str
) -> AsyncIterator[Page | fox.FirefoxPage]:
    """Open the publisher's page, run scripts in it, and flip the switch."""
    page = await browser.open(url)
    for script in (KEEP, *before):
        await page.evaluate(f"({script})()")
    if isinstance(page, fox.FirefoxPage):
        await fox.flip(page)
    else:
        await chromium.flip(page)
    try:
        yield page
    finally:
        await (page.close() if isinstance(page, fox.FirefoxPage) else page.context.close())


async def video_bytes(page: Tab) -> int:
    return int(await page.evaluate(f"({VIDEO_BYTES})()"))


async def get(site: Site, port: int, folder: Path, size: int = SIZE) -> None:
    """Download a file and compare it."""
    url = f"http://127.0.0.1:{site.port}/bytes/{size}"
    got = await fetch(Proxy.SOCKS, port, folder / "file", url)
    assert (got.code, got.status) == (0, 200), got.text
    assert digest(got.body) == digest(blob(size))


@asynccontextmanager
async def held(site: Site, port: int, folder: Path) -> AsyncIterator[Fetch]:
    """Start a download that stops after `FAST_BYTES` until the site's gate is opened."""
    site.gate.clear()
    url = f"http://127.0.0.1:{site.port}/bytes/{SIZE}?slow={FAST_BYTES}"
    try:
        async with Fetch(Proxy.SOCKS, port, folder / "held", url) as curl:
            yield curl
    finally:
        site.gate.set()


async def complete(curl: Fetch) -> None:
    got = await curl.result()
    assert (got.code, got.status) == (0, 200), got.text
    assert digest(got.body) == digest(blob(SIZE))


@ENGINES
@pytest.mark.parametrize("name", ["Chromium", "Firefox"])
async def test_a_download_comes_as_video(
    chrome: Chromium,
    firefox: Firefox,
    name: str,
    engine: str,
    way: Way,
    site: Site,
    tmp_path: Path,
) -> None:
    """The whole download comes as video, unchanged, from either browser."""
    browser = chrome if name == "Chromium" else firefox
    async with (
        opened(browser, way.publisher.url) as page,
        way.client("--engine", engine) as (client, port),
    ):
        await client.expect("downloads as video")
        await get(site, port, tmp_path)
        assert await video_bytes(page) > SIZE


@needs_chrome
@pytest.mark.parametrize("name", ["Chromium", "Firefox"])
async def test_an_upload_goes_as_video_with_chromes_engine(
    chrome: Chromium, firefox: Firefox, name: str, way: Way, site: Site, tmp_path: Path
) -> None:
    """Two browsers in a call send both ways, and so do page and client."""
    browser = chrome if name == "Chromium" else firefox
    file = tmp_path / "upload"
    file.write_bytes(blob(SIZE))
    url = f"http://127.0.0.1:{site.port}/upload"
    async with (
        opened(browser, way.publisher.url) as page,
        way.client("--engine", "chrome") as (client, port),
    ):
        await client.expect("downloads as video")
        got = await fetch(Proxy.SOCKS, port, tmp_path / "told", url, "-T", str(file))
        assert (got.code, got.status) == (0, 200), got.text
        assert got.body.decode() == digest(blob(SIZE))
        assert int(await page.evaluate(f"({VIDEO_RECEIVED})()")) > SIZE


@pytest.mark.parametrize(
    ("scripts", "options"),
    [
        ((WITHOUT_VIDEO,), ()),
        ((), ("--no-media",)),
        pytest.param((WITHOUT_VIDEO,), ("--engine", "chrome"), marks=needs_chrome),
        pytest.param((OLDER_VIDEO,), ("--engine", "chrome"), marks=needs_chrome),
        pytest.param((), ("--no-media", "--engine", "chrome"), marks=needs_chrome),
    ],
)
async def test_where_one_side_does_without_video_a_plain_link_carries_it(
    chrome: Chromium,
    way: Way,
    site: Site,
    tmp_path: Path,
    scripts: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    """If the volunteer's browser cannot do video, or the client refuses it, plain links do."""
    async with (
        opened(chrome, way.publisher.url, *scripts) as page,
        way.client(*options) as (client, port),
    ):
        await client.expect(r"Connected through a volunteer \(link \d+, set up")
        await get(site, port, tmp_path)
        assert await video_bytes(page) == 0


async def test_both_kinds_of_link_carry_one_session(
    chrome: Chromium, way: Way, site: Site, tmp_path: Path
) -> None:
    """A session has a video link and a plain link, and either can end during the download."""
    async with (
        opened(chrome, way.publisher.url) as filming,
        opened(chrome, way.publisher.url, WITHOUT_VIDEO),
        way.client() as (client, port),
    ):
        await client.expect("downloads as video")
        await client.expect(r"Connected through a volunteer \(link \d+, set up")
        await get(site, port, tmp_path)
        async with held(site, port, tmp_path) as curl:
            assert isinstance(filming, Page)
            await filming.context.close()
            site.gate.set()
            await complete(curl)


@ENGINES
async def test_a_volunteer_that_dies_in_the_middle_of_a_frame_costs_nothing(
    chrome: Chromium, engine: str, way: Way, site: Site, tmp_path: Path
) -> None:
    """What a crashed volunteer had not delivered comes over the other link."""
    async with (
        opened(chrome, way.publisher.url) as one,
        opened(chrome, way.publisher.url) as other,
        way.client("--engine", engine) as (client, port),
    ):
        await client.expect("downloads as video(.|\n)*downloads as video")
        curl_size = 3 * SIZE
        url = f"http://127.0.0.1:{site.port}/bytes/{curl_size}"
        async with Fetch(Proxy.SOCKS, port, tmp_path / "file", url) as curl:
            sent = dict.fromkeys((one, other), 0)
            while max(sent.values()) < SIZE // 2:
                assert curl.running, "it ended too early"
                for page in sent:
                    sent[page] = await video_bytes(page)
            busiest = max(sent, key=lambda page: sent[page])
            assert isinstance(busiest, Page)
            with pytest.raises(Error):
                await busiest.goto("chrome://crash")
            got = await curl.result()
        assert (got.code, got.status) == (0, 200), got.text
        assert digest(got.body) == digest(blob(curl_size))


@ENGINES
async def test_a_volunteer_that_dies_while_nothing_is_sent_is_noticed_soon(
    chrome: Chromium, engine: str, way: Way
) -> None:
    """A browser that dies says nothing, and its channel stays open."""
    async with (
        opened(chrome, way.publisher.url) as page,
        way.client("--engine", engine) as (client, _),
    ):
        await client.expect("downloads as video")
        assert isinstance(page, Page)
        with pytest.raises(Error):
            await page.goto("chrome://crash")
        await client.expect("the volunteer fell silent", timeout_s=SOON_S)


async def test_without_frames_everything_takes_the_data_channel_and_comes_back(
    chrome: Chromium, way: Way, site: Site, tmp_path: Path
) -> None:
    """If the browser stops sending frames, the DataChannel carries all until they are back."""
    async with (
        opened(chrome, way.publisher.url) as page,
        way.client() as (client, port),
    ):
        await client.expect("downloads as video")
        async with held(site, port, tmp_path) as curl:
            while await video_bytes(page) < FAST_BYTES:
                assert curl.running, "it ended too early"
                await asyncio.sleep(0.05)
            await page.evaluate(f"({PAUSE})()")
            site.gate.set()
            before = await video_bytes(page)
            await complete(curl)
            assert await video_bytes(page) < before + SIZE // 4
        await page.evaluate(f"({GO_ON})()")
        await asyncio.sleep(2)  # frames must come for a while before they are relied on
        before = await video_bytes(page)
        await get(site, port, tmp_path)
        assert await video_bytes(page) > before + SIZE // 2


async def test_a_hidden_tab_goes_on(way: Way, site: Site, tmp_path: Path) -> None:
    """A hidden tab goes on, because frames need no timer of the page and no drawing."""
    words = ("xvfb-run", "-a", shutil.which("node") or "node", str(HIDDEN))
    async with Program(*words, str(find_chromium()), way.publisher.url) as browser:
        await browser.expect("ready")
        async with way.client() as (client, port):
            await client.expect("downloads as video")
            await browser.say("hide")
            found = await browser.expect(r'\{"visibility":"hidden".*\}')
            before = json.loads(found.group())["video"]
            await get(site, port, tmp_path, 2 * SIZE)
            browser.forget()
            await browser.say("look")
            found = await browser.expect(r'\{"visibility":"hidden".*\}')
            assert json.loads(found.group())["video"] > before + 2 * SIZE
        await browser.end()


async def test_a_hidden_tab_of_firefox_goes_on(
    firefox: Firefox, way: Way, site: Site, tmp_path: Path
) -> None:
    """A hidden tab of Firefox goes on behind another tab."""
    async with opened(firefox, way.publisher.url) as page, way.client() as (client, port):
        assert isinstance(page, fox.FirefoxPage)
        await client.expect("downloads as video")
        other = await page.another("about:blank")
        await other.bring_to_front()
        await page.wait_for_function("document.visibilityState === 'hidden'")
        before = await video_bytes(page)
        await get(site, port, tmp_path, 2 * SIZE)
        assert await video_bytes(page) > before + SIZE
        assert await page.evaluate("document.visibilityState") == "hidden"
        await other.close()
