"""Large files for the reading page, in the frames of a video between two real browsers.

Where one of the two is a Firefox they come whole, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page

from passerelle.demo.reading import SHOWN
from tests.chrome import needs_chrome
from tests.rig.firefox import Firefox
from tests.rig.firefox import flip as flip_in_firefox
from tests.rig.program import PASSERELLE, Program
from tests.rig.reading import PATIENCE_S, Reading, open_firefox
from tests.rig.volunteer import Chromium, flip

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]

FILM: Final = random.Random(1).randbytes(5_000_000)
TRAILER: Final = FILM[:1_000_000]
WATCH: Final = """
if (top === self) {
  globalThis.connections = [];
  const Browser = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Browser {
    constructor(...given) { super(...given); connections.push(this); }
  };
}
"""
"""Lets a test ask a page's connections what came and went by which way."""
BY_VIDEO: Final = """async () => {
  let bytes = 0;
  for (const connection of connections.filter((each) => each.connectionState === 'connected')) {
    (await connection.getStats()).forEach((entry) => {
      if (entry.type === 'inbound-rtp') bytes += entry.bytesReceived;
      if (entry.type === 'outbound-rtp') bytes += entry.bytesSent;
    });
  }
  return bytes;
}"""
"""Bytes that a page received and sent as video."""
LEAVE_OTHERS: Final = """() => {
  for (const each of connections.filter((each) => each.getTransceivers().length === 0)) {
    each.close();
    each.dispatchEvent(new Event('connectionstatechange'));
  }
}"""
"""Ends the links without a video, with which a first visit begins."""
OPEN_AGAIN: Final = "() => connections.some((each) => each.connectionState === 'connected')"
STORY: Final = f"() => {SHOWN}?.body?.innerText.includes('A late harvest')"
FETCH: Final = """async () => {
  const body = await (await frames[0].fetch('/page/film')).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}"""
SPOIL: Final = """
const make = RTCRtpSender.prototype.createEncodedStreams;
RTCRtpSender.prototype.createEncodedStreams = function () {
  const { readable, writable } = make.call(this);
  let count = 0;
  const spoil = new TransformStream({
    transform(frame, onward) {
      SPOILED
      onward.enqueue(frame);
    },
  });
  spoil.readable.pipeTo(writable);
  return { readable, writable: spoil.writable };
};
"""
"""A volunteer's page whose frames are spoiled on their way out."""


def digest(film: bytes) -> str:
    """Return what the page's script returns of a film that came whole."""
    return hashlib.sha256(film).hexdigest()


class Film:
    """Answers with the film or what of it is asked for, half of it at first where that is held."""

    def __init__(self, film: bytes = FILM) -> None:
        self._film = film
        self.half = asyncio.Event()
        """Set when the first half was sent."""
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.ranges: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0] or 0)
        headers = {"ETag": '"film"', "Content-Type": "video/webm", "Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(self._film) - 1}/{len(self._film)}"
        response = web.StreamResponse(status=206 if asked else 200, headers=headers)
        response.content_length = len(self._film) - start
        await response.prepare(request)
        middle = max(start, len(self._film) // 2)
        await response.write(self._film[start:middle])
        self.half.set()
        await self.go_on.wait()
        await response.write(self._film[middle:])
        return response


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with open_firefox() as running:
        yield running


async def reader(reading: Reading) -> Page:
    """Return a reader whose links all have a video."""
    page = await reading.reader(start=False)
    await page.add_init_script(WATCH)
    await page.reload()
    await page.click("button.start")
    await page.wait_for_function(STORY)
    # Playwright takes the promise of an async function for true, so it cannot wait for this.
    while not await page.evaluate(BY_VIDEO):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await page.evaluate(LEAVE_OTHERS)
    return page


async def fetch(page: Page) -> str:
    """Fetch the film in the site's page; return its digest."""
    return str(await page.evaluate(FETCH))


async def test_a_film_comes_whole_by_video(open_chrome: Chromium) -> None:
    """Every byte, in the frames of the video, with what the decoder needs left in place."""
    async with Reading(open_chrome) as reading:
        reading.newspaper.pages["film"] = Film().answer
        await reading.volunteer()
        page = await reader(reading)
        assert await fetch(page) == digest(FILM)
        assert await page.evaluate(BY_VIDEO) > len(FILM)
        await page.context.close()


@needs_chrome
async def test_a_program_without_a_screen_carries_a_film(
    open_chrome: Chromium, tmp_path: Path
) -> None:
    """`passerelle volunteer` is the only volunteer: the page comes, and the film by video."""
    async with Reading(open_chrome) as reading:
        reading.newspaper.pages["film"] = Film().answer
        words = ("--invite", str(reading.servers.invite.plain), "--state", str(tmp_path))
        async with Program(*PASSERELLE, "volunteer", *words, "--flows-a-day", "0") as program:
            await program.expect("Waiting for people")
            page = await reader(reading)
            assert await fetch(page) == digest(FILM)
            assert await page.evaluate(BY_VIDEO) > len(FILM)
            await page.context.close()


async def test_a_volunteer_lost_in_the_middle_costs_a_repeat(open_chrome: Chromium) -> None:
    """The rest is asked for over another volunteer, and what came stays."""
    film = Film()
    film.go_on.clear()
    async with Reading(open_chrome) as reading:
        reading.newspaper.pages["film"] = film.answer
        first = await reading.volunteer()
        page = await reader(reading)
        fetching = asyncio.ensure_future(fetch(page))
        await film.half.wait()
        await reading.volunteer()
        await first.context.close()
        film.go_on.set()
        assert await fetching == digest(FILM)
        assert film.ranges[0] == ""
        assert any(each.startswith("bytes=") for each in film.ranges[1:])
        await page.context.close()


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param("if (++count % 5 === 0) return;", id="dropped"),
        pytest.param("onward.enqueue(frame);", id="repeated"),
        pytest.param(
            "if (++count > 40) { const data = new Uint8Array(frame.data);"
            " data[data.length >> 1] ^= 1; frame.data = data.buffer; }",
            id="altered",
        ),
    ],
)
async def test_spoiled_frames_alter_nothing(open_chrome: Chromium, spoiled: str) -> None:
    """Frames that are left out, repeated or altered: what is shown is whole, by whatever way."""
    async with Reading(open_chrome) as reading:
        reading.newspaper.pages["film"] = Film().answer
        context = await open_chrome.browser.new_context()
        await context.add_init_script(SPOIL.replace("SPOILED", spoiled))
        hostile = await context.new_page()
        await hostile.goto(reading.publisher)
        await flip(hostile)
        page = await reader(reading)
        fetching = asyncio.ensure_future(fetch(page))
        # Somebody honest is there, too, for what the hostile one spoils.
        await reading.volunteer()
        assert await fetching == digest(FILM)
        await page.context.close()
        await context.close()


async def test_a_firefox_carries_a_film(open_chrome: Chromium, firefox: Firefox) -> None:
    """A volunteer's Firefox makes a video, too. It begins slowly, so this film is short."""
    async with Reading(open_chrome) as reading:
        reading.newspaper.pages["film"] = Film(TRAILER).answer
        volunteer = await firefox.open(reading.publisher)
        await flip_in_firefox(volunteer)
        page = await reader(reading)
        assert await fetch(page) == digest(TRAILER)
        assert await page.evaluate(BY_VIDEO) > len(TRAILER)
        await page.context.close()
        await volunteer.close()


async def test_a_firefox_gets_a_film(open_chrome: Chromium, firefox: Firefox) -> None:
    """A reader's Firefox cannot offer such a video, and goes on with DataChannels."""
    async with Reading(open_chrome) as reading:
        reading.newspaper.pages["film"] = Film(TRAILER).answer
        context = await open_chrome.browser.new_context()
        await context.add_init_script(WATCH)
        volunteer = await context.new_page()
        await volunteer.goto(reading.publisher)
        await flip(volunteer)
        page = await firefox.open(reading.url)
        await page.click("button.start", timeout_s=PATIENCE_S)
        await page.wait_for_function(STORY, timeout_s=PATIENCE_S)
        await page.wait_for_function("() => 'passerelleMedia' in window", timeout_s=PATIENCE_S)
        # Every link is made after the video was tried.
        await volunteer.evaluate("() => connections.splice(0).forEach((each) => each.close())")
        await volunteer.wait_for_function(OPEN_AGAIN)
        assert await page.evaluate(FETCH, timeout_s=PATIENCE_S) == digest(TRAILER)
        assert await volunteer.evaluate(BY_VIDEO) == 0
        await context.close()
