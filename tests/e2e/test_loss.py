"""Volunteers and brokers come and go while an application downloads."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Error, Page

from passerelle.client.config import ClientConfig
from passerelle.client.service import Client
from passerelle.wire.invite import parse
from tests.rig.curl import Fetch, Proxy, fetch
from tests.rig.site import PAGE, Site, blob, digest
from tests.rig.volunteer import first_of, until
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

SIZE = 16_000_000
FAST_BYTES = 1_000_000
"""After so many bytes the site is slow, until the volunteer is gone."""

Leave = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Download:
    """A download that cannot end before `finish` lets it."""

    site: Site
    curl: Fetch

    async def finish(self) -> str:
        """Let the site send the rest; return the digest of all that arrived."""
        assert self.curl.running, "it ended too early"
        self.site.gate.set()
        got = await self.curl.result()
        assert (got.code, got.status) == (0, 200), got.text
        return digest(got.body)


@asynccontextmanager
async def download(site: Site, port: int, folder: Path) -> AsyncIterator[Download]:
    """Start a download of `blob(SIZE)` through the client at `port`."""
    site.gate.clear()
    url = f"http://127.0.0.1:{site.port}/bytes/{SIZE}?slow={FAST_BYTES}"
    try:
        async with Fetch(Proxy.SOCKS, port, folder / "file", url) as curl:
            yield Download(site, curl)
    finally:
        site.gate.set()


async def carrier(*pages: Page) -> Page:
    """Return the page that carries the download, once it has carried a good part of it."""
    return await first_of(pages, f"s.totals.bytes > {FAST_BYTES}")


async def close(page: Page) -> None:
    """Close the tab."""
    await page.close()


async def crash(page: Page) -> None:
    """Make the page's process crash, so that the page cannot close its connections."""
    with pytest.raises(Error):
        await page.goto("chrome://crash")


async def switch_off(page: Page) -> None:
    """Click the switch off."""
    await page.get_by_role("switch").click()
    await until(page, "s.phase === 'off'")


@pytest.mark.parametrize("leave", [close, crash, switch_off])
async def test_a_download_goes_on_without_its_volunteer(
    leave: Leave, way: Way, site: Site, tmp_path: Path
) -> None:
    """With a second volunteer, the application notices nothing of the loss."""
    async with (
        way.volunteer() as one,
        way.volunteer() as other,
        way.client() as (client, port),
    ):
        await client.expect(r"\(link 1,(.|\n)*\(link 2,|\(link 2,(.|\n)*\(link 1,")
        async with download(site, port, tmp_path) as running:
            await leave(await carrier(one, other))
            assert await running.finish() == digest(blob(SIZE))
        await client.expect(r"Link \d ended")


@pytest.mark.parametrize("leave", [close, switch_off])
async def test_a_download_waits_for_the_next_volunteer(
    leave: Leave, way: Way, site: Site, tmp_path: Path
) -> None:
    """For a moment there is no volunteer at all, and the session survives it."""
    async with (
        way.volunteer() as page,
        way.client() as (client, port),
        download(site, port, tmp_path) as running,
    ):
        await leave(await carrier(page))
        await client.expect("Link 1 ended")
        await client.expect("No volunteer is available")
        async with way.volunteer():
            assert await running.finish() == digest(blob(SIZE))


async def test_links_outlive_their_broker(way: Way, site: Site, tmp_path: Path) -> None:
    """Links survive the end of their broker; the switch finds the broker when it is back."""
    url = f"http://127.0.0.1:{site.port}/"
    async with way.volunteer() as page, way.client() as (client, port):
        await client.expect(r"\(link 1,")
        async with download(site, port, tmp_path) as running:
            await carrier(page)
            await way.broker.stop(signal.SIGKILL)
            await until(page, "s.reason !== null && s.phase === 'helping'")
            got = await fetch(Proxy.HTTP, port, tmp_path / "page", url)
            assert got.body.decode() == PAGE, got.text
            await way.restart_broker()
            await until(page, "s.reason === null")
            assert await running.finish() == digest(blob(SIZE))
        async with way.client() as (_, newcomers_port):
            got = await fetch(Proxy.SOCKS, newcomers_port, tmp_path / "new", url)
            assert got.body.decode() == PAGE, "a newcomer is introduced to the same volunteer"


async def test_without_volunteers_an_application_is_told_so(
    way: Way, site: Site, tmp_path: Path
) -> None:
    """Without volunteers SOCKS gets a general failure, and HTTP a page for the reader."""
    url = f"http://127.0.0.1:{site.port}/"
    client = Client(ClientConfig(parse(way.invite), listen_port=0, patience_s=0.5))
    try:
        await client.start()
        page = await fetch(Proxy.HTTP, client.port, tmp_path / "page", url)
        assert (page.code, page.status) == (0, 503), page.text
        assert b"No volunteer is available right now" in page.body
        socks = await fetch(Proxy.SOCKS, client.port, tmp_path / "socks", url)
        assert (socks.code, socks.socks_reply) == (97, 1), socks.text
    finally:
        await client.close()


async def test_a_request_waits_for_the_first_volunteer(
    way: Way, site: Site, tmp_path: Path
) -> None:
    """A request made before there is a volunteer is answered when one comes."""
    async with way.client() as (client, port):
        await client.expect("No volunteer is available")
        url = f"http://127.0.0.1:{site.port}/"
        async with Fetch(Proxy.SOCKS, port, tmp_path / "page", url) as curl, way.volunteer():
            got = await curl.result()
        assert got.body.decode() == PAGE, got.text
