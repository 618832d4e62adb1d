"""Servers that are restarted while a reader is connected through a real browser."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from passerelle.client.config import ClientConfig
from passerelle.client.notices import LinkUp
from passerelle.client.service import Client
from passerelle.wire.invite import parse
from tests.client.test_service import curl
from tests.network import Watch
from tests.rig.ports import free_port
from tests.rig.program import Program, client, invite_of, serve
from tests.rig.publisher import Publisher
from tests.rig.site import PAGE, Site
from tests.rig.volunteer import Chromium, flip
from tests.rig.way import HOST, Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

SOON_S = 5.0
"""The longest time from the moment that a server serves again to a page."""
HANGING_S = 16.0
"""The same where an exit hangs: 5 s of silence end the link, the volunteer is thought to be the
cause first, and then the exit gets 4 s to answer by another link."""
START_S = 1.5
"""Time that `serve` needs to start on a machine with nothing else to do."""
AWAY_S = 6.0
"""A restart takes so long. Waits that double would have become long by then."""


class Slowness:
    """How slow the machine is now, by the start of the same servers; 1 for one that is at rest."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def factor(self) -> float:
        """Return the factor, once the servers serve."""
        return max(1.0, (time.monotonic() - self._began_s) / START_S)


async def page(port: int, site: Site) -> None:
    """Fetch a page as an application that tries again until it comes."""
    proxy = "--fail", "--socks5-hostname", f"{HOST}:{port}"
    while await curl(*proxy, f"http://{HOST}:{site.port}/") != (0, PAGE.encode()):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


@asynccontextmanager
async def connected(invite: str, chrome: Chromium) -> AsyncIterator[int]:
    """Open a page, flip its switch, and yield the port of a client that is connected."""
    port = free_port()
    async with Publisher(invite) as publisher, client(invite, port) as program:
        tab = await chrome.open(publisher.url)
        await flip(tab)
        await program.expect("Connected")
        yield port
        await tab.context.close()


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
    at = free_port()
    policy = "--allow", "127.0.0.0/8", "--exit-port", str(site.port)
    slowness = Slowness()
    async with serve(tmp_path, HOST, at, *policy) as first:
        invite = await invite_of(first)
        slow = slowness.factor()
        async with connected(invite, chrome) as port:
            await page(port, site)
            await first.stop(how)
            await used_while_away(port, site)
            async with serve(tmp_path, HOST, at, *policy) as second:
                await invite_of(second)
                began_s = time.monotonic()
                await page(port, site)
                assert time.monotonic() - began_s < SOON_S * slow


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
        slowness = Slowness()
        await way.restart_exit()
        slow, began_s = slowness.factor(), time.monotonic()
        await page(port, site)
        assert time.monotonic() - began_s < SOON_S * slow


async def test_servers_with_idle_links_end_at_once(
    tmp_path: Path, chrome: Chromium, site: Site
) -> None:
    """Nothing moves, so no grace time is waited for: a restart is as short as a start."""
    at = free_port()
    policy = "--allow", "127.0.0.0/8", "--exit-port", str(site.port)
    slowness = Slowness()
    async with serve(tmp_path, HOST, at, *policy) as servers:
        invite = await invite_of(servers)
        slow = slowness.factor()
        async with connected(invite, chrome):
            began_s = time.monotonic()
            await servers.stop()
            assert time.monotonic() - began_s < 2.0 * slow


@pytest.mark.parametrize(
    ("how", "most_s"), [(signal.SIGKILL, SOON_S), (signal.SIGSTOP, HANGING_S)], ids=["dead", "hung"]
)
async def test_a_page_comes_soon_from_another_exit(
    how: signal.Signals, most_s: float, tmp_path: Path, chrome: Chromium, site: Site
) -> None:
    """The only volunteer is there and gets nothing from the first: the reader goes to the other."""
    at, exits = free_port(), free_port()
    policy = "--allow", "127.0.0.0/8", "--exit-port", str(site.port)
    workers = "--workers", "2", "--exit-listen", f"{HOST}:{exits}"
    where = "--exit-url", f"http://{HOST}:{exits}"
    slowness = Slowness()
    async with serve(tmp_path, HOST, at, *policy, *workers, *where) as servers:
        invite = await invite_of(servers)
        slow = slowness.factor()
        async with Publisher(invite) as publisher:
            tab = await chrome.open(publisher.url)
            await flip(tab)
            watch = Watch()
            reader = Client(ClientConfig(parse(invite), listen_port=0), watch)
            await reader.start()
            await watch.until(LinkUp)
            await page(reader.port, site)
            worker = workers_of(servers)[exit_number(reader) - 1]
            os.kill(worker, how)
            try:
                began_s = time.monotonic()
                # The link itself is not waited for: while nobody asks for anything, 15 s may pass
                # until it is asked for a sign of life.
                await page(reader.port, site)
                assert time.monotonic() - began_s < most_s * slow
            finally:
                if how is signal.SIGSTOP:
                    os.kill(worker, signal.SIGCONT)
                await reader.close()
            await tab.context.close()


def workers_of(servers: Program) -> list[int]:
    """Return the process ids of the exit's workers, in the order of their numbers."""
    children = Path(f"/proc/{servers.pid}/task/{servers.pid}/children").read_text()
    return [int(number) for number in children.split()]


def exit_number(reader: Client) -> int:
    """Return the number of the worker that has the reader's session."""
    assert reader._supervisor is not None
    exit_id = reader._supervisor._sessions.present.exit_id
    assert exit_id is not None
    return int(exit_id.rpartition("-")[2])
