"""A volunteer with two places, and readers who take and leave them, in real browsers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Page

from passerelle.demo.reading import SHOWN
from tests.e2e.test_loss import crash
from tests.rig.firefox import Firefox, FirefoxPage
from tests.rig.firefox import flip as flip_in_firefox
from tests.rig.reading import Reading, open_firefox
from tests.rig.volunteer import STATE, Chromium, flip

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

PREPARE = """() => {
  document.querySelector('passerelle-switch').setAttribute('people', '2');
  const Plain = RTCPeerConnection;
  window.seen = [];
  window.RTCPeerConnection = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener('connectionstatechange', () => window.seen.push(this.connectionState));
    }
    close() {
      window.seen.push('given up');
      super.close();
    }
  };
}"""
"""JavaScript that has the switch help two people, and notes in `seen` what its connections go
through."""
BOTH = f"() => ({STATE})().people === 2"
ALONE = f"() => ({STATE})().people === 0"
KINDS = ("chromium", "firefox")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with open_firefox() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def networks(
    open_chrome: Chromium, firefox: Firefox
) -> AsyncIterator[dict[str, tuple[Reading, Page | FirefoxPage]]]:
    """Yield two networks, each with the page of its only volunteer, by the kind of its browser."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Reading(open_chrome))
        page = await open_chrome.open(first.publisher)
        stack.push_async_callback(page.context.close)
        await page.evaluate(PREPARE)
        await flip(page)
        second = await stack.enter_async_context(Reading(open_chrome))
        other = await firefox.open(second.publisher)
        await other.evaluate(PREPARE)
        await flip_in_firefox(other)
        yield {"chromium": (first, page), "firefox": (second, other)}


async def read(
    reader: str, network: tuple[Reading, Page | FirefoxPage], firefox: Firefox
) -> Page | FirefoxPage:
    """Open the reading page in a profile of its own, and wait for its second link, too.

    A reading page takes a place for each of its links.
    """
    reading, volunteer = network
    page: Page | FirefoxPage
    await volunteer.evaluate("() => { window.seen = []; }")
    if reader == "chromium":
        page = await reading.reader()
    else:
        page = await firefox.open(reading.url)
        await page.click("button.start")
    await page.wait_for_function(f"() => {SHOWN}?.body?.innerText.includes('A late harvest')")
    await volunteer.wait_for_function(BOTH)
    return page


@pytest.mark.parametrize("volunteer", KINDS)
@pytest.mark.parametrize("reader", KINDS)
async def test_a_reader_takes_no_place_in_vain_and_leaves_at_once(
    reader: str,
    volunteer: str,
    networks: dict[str, tuple[Reading, Page | FirefoxPage]],
    firefox: Firefox,
) -> None:
    """Each connection that was asked for comes about, and none has to time out at the end."""
    _, helping = networks[volunteer]
    page = await read(reader, networks[volunteer], firefox)
    await page.close()
    await helping.wait_for_function(ALONE)
    seen = await helping.evaluate("() => window.seen")
    assert (seen.count("connecting"), seen.count("connected")) == (2, 2)
    assert "disconnected" not in seen


@pytest.mark.parametrize("volunteer", KINDS)
async def test_a_reader_who_crashes_keeps_nobody_out(
    volunteer: str,
    networks: dict[str, tuple[Reading, Page | FirefoxPage]],
    firefox: Firefox,
) -> None:
    """The broker is told of a place while the volunteer still waits whether they come back."""
    reading, helping = networks[volunteer]
    pool = reading.servers._broker.volunteers.pool
    page = await read("chromium", networks[volunteer], firefox)
    assert isinstance(page, Page)
    assert pool.available == 0
    await crash(page)
    async with asyncio.timeout(30):
        while pool.available == 0:  # noqa: ASYNC110 (no event)
            await asyncio.sleep(0.01)
    seen = await helping.evaluate("() => window.seen")
    assert "disconnected" in seen
    assert "given up" not in seen
    await helping.wait_for_function(ALONE)
    await page.context.close()
