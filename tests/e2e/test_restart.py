"""Servers that are restarted while a reader is connected through a real browser."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.client.test_service import curl
from tests.rig.ports import free_port
from tests.rig.program import client, invite_of, serve
from tests.rig.publisher import Publisher
from tests.rig.site import PAGE, Site
from tests.rig.volunteer import Chromium, flip
from tests.rig.way import HOST, Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

SOON_S = 5.0
"""The longest time from the moment that a server serves again to a page."""
AWAY_S = 6.0
"""A restart takes so long. Waits that double would have become long by then."""


async def page(port: int, site: Site) -> None:
    """Fetch a page as an application that tries again until it comes."""
    proxy = "--fail", "--socks5-hostname", f"{HOST}:{port}"
    while await curl(*proxy, f"http://{HOST}:{site.port}/") != (0, PAGE.encode()):
        await asyncio.sleep(0.1)


async def used_while_away(port: int, site: Site) -> None:
    """Let a reader ask for pages in vain for as long as the restart takes."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(AWAY_S):
            await page(port, site)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_page_comes_soon_after_a_network_was_restarted(
    how: signal.Signals, tmp_path: Path, chrome: Chromium, site: Site
) -> None:
    """Broker and exit are one process: the volunteer calls again and the client asks again."""
    at, port = free_port(), free_port()
    policy = "--allow", "127.0.0.0/8", "--exit-port", str(site.port)
    async with serve(tmp_path, HOST, at, *policy) as first:
        invite = await invite_of(first)
        async with Publisher(invite) as publisher, client(invite, port) as program:
            tab = await chrome.open(publisher.url)
            await flip(tab)
            await program.expect("Connected")
            await page(port, site)
            await first.stop(how)
            await used_while_away(port, site)
            async with serve(tmp_path, HOST, at, *policy) as second:
                await invite_of(second)
                began_s = time.monotonic()
                await page(port, site)
                assert time.monotonic() - began_s < SOON_S
            await tab.context.close()


async def test_a_page_comes_soon_after_an_exit_was_restarted(
    tmp_path: Path, chrome: Chromium, site: Site
) -> None:
    """The broker and its volunteer stay, and the links through it fail until the exit is back."""
    policy = "--allow", "127.0.0.0/8", "--exit-port", str(site.port)
    async with (
        Way(tmp_path, chrome, *policy) as way,
        way.volunteer(),
        way.client() as (program, port),
    ):
        await program.expect("Connected")
        await page(port, site)
        await way.exit.stop(signal.SIGKILL)
        await used_while_away(port, site)
        await way.restart_exit()
        began_s = time.monotonic()
        await page(port, site)
        assert time.monotonic() - began_s < SOON_S


async def test_servers_with_idle_links_end_at_once(
    tmp_path: Path, chrome: Chromium, site: Site
) -> None:
    """Nothing moves, so no grace time is waited for: a restart is as short as a start."""
    at, port = free_port(), free_port()
    policy = "--allow", "127.0.0.0/8", "--exit-port", str(site.port)
    async with serve(tmp_path, HOST, at, *policy) as servers:
        invite = await invite_of(servers)
        async with Publisher(invite) as publisher, client(invite, port) as program:
            tab = await chrome.open(publisher.url)
            await flip(tab)
            await program.expect("Connected")
            began_s = time.monotonic()
            await servers.stop()
            assert time.monotonic() - began_s < 2.0
            await tab.context.close()
