"""Draw one download through volunteers who leave: `python -m bench.plot_transfer [FILE]`.

Without FILE it writes `docs/transfer.svg`. Servers, site and Chromium are processes of their own.
The client runs in this process, so that each link's bytes can be read while they come.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Error, Page

from bench import steady
from bench.command import COULD_NOT, MEASURED, say
from bench.drawing import Sample, TransferRecord, draw
from bench.errors import Unmeasured
from bench.host import ThisMachine
from passerelle.client.config import ClientConfig
from passerelle.client.notices import LinkUp, Notice
from passerelle.client.service import Client
from passerelle.wire.invite import parse
from tests.lab import LabError
from tests.rig.ports import free_port
from tests.rig.volunteer import Chromium, state
from tests.rig.way import HOST, Way

PICTURE = Path(__file__).parents[1] / "docs" / "transfer.svg"
VOLUNTEERS = 6
LINKS = 3
RATE = 3_000_000
"""Rate of the download, in bytes a second."""
SIZE = 48_000_000
ENDS_AT = (0.25, 0.5, 0.75)
"""When volunteers leave, as parts of the transfer."""
SAMPLE_S = 0.05
LINK_S = 30.0
TRANSFER_S = 120.0
READ_BYTES = 1 << 16
SOCKS_ANSWER_BYTES = 12


async def _close(page: Page) -> None:
    await page.close()


async def _crash(page: Page) -> None:
    try:
        await page.goto("chrome://crash")
    except Error:
        return  # nothing is left that could answer, as it should be


async def _switch_off(page: Page) -> None:
    await page.get_by_role("switch").click()


WAYS_TO_LEAVE: tuple[tuple[str, Callable[[Page], Awaitable[None]]], ...] = (
    ("switch turned off", _switch_off),
    ("tab closed", _close),
    ("page crashed", _crash),
)


class Download:
    """The application: it reads, counts, and checks the bytes at the end."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.longest_s = 0.0
        """Longest time without a byte."""

    async def run(self, proxy_port: int, site_port: int) -> None:
        """Download SIZE bytes at RATE. Raises Unmeasured if other bytes come."""
        reader, writer = await asyncio.open_connection(HOST, proxy_port)
        try:
            name = bytes([len(HOST)]) + HOST.encode() + site_port.to_bytes(2, "big")
            writer.write(b"\x05\x01\x00\x05\x01\x00\x03" + name)
            await reader.readexactly(SOCKS_ANSWER_BYTES)
            writer.write(f"pull {SIZE} {RATE}\n".encode())
            last_s = time.monotonic()
            while len(self.data) < SIZE and (more := await reader.read(READ_BYTES)):
                self.longest_s = max(self.longest_s, time.monotonic() - last_s)
                last_s = time.monotonic()
                self.data += more
        finally:
            writer.close()
        if self.data != steady.content(SIZE):
            raise Unmeasured("the download is not what the site sent")


class LocalNetwork:
    """Servers, site, volunteers and client of the download."""

    def __init__(self, client: Client, pages: list[Page], site_port: int) -> None:
        self._client = client
        self._pages = pages
        self._site_port = site_port

    async def play(self) -> tuple[TransferRecord, Download]:
        """Download while volunteers leave; return what happened."""
        story, download = TransferRecord(), Download()
        before = self._client.received_bytes
        start_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(TRANSFER_S):
            transfer = tasks.create_task(download.run(self._client.port, self._site_port))
            leaving = tasks.create_task(self._leave(story, download, start_s))
            links: dict[int, int] = {}
            while not transfer.done():
                for link, count in self._client.received_bytes.items():
                    links[link] = count - before.get(link, 0)
                passed_s = time.monotonic() - start_s
                story.samples.append(Sample(passed_s, len(download.data), dict(links)))
                await asyncio.sleep(SAMPLE_S)
            leaving.cancel()
        return story, download

    async def _leave(self, story: TransferRecord, download: Download, start_s: float) -> None:
        for part, (how, leave) in zip(ENDS_AT, WAYS_TO_LEAVE, strict=True):
            relayed = [await self._relayed(page) for page in self._pages]
            while len(download.data) < part * SIZE:  # noqa: ASYNC110 - nothing to wait for
                await asyncio.sleep(SAMPLE_S)
            grown = [await self._relayed(page) for page in self._pages]
            gains = [now - then for now, then in zip(grown, relayed, strict=True)]
            page = self._pages.pop(gains.index(max(gains)))
            story.ends.append((time.monotonic() - start_s, how))
            await leave(page)
            say(f"{how} after {len(download.data) / 1e6:.0f} MB")

    async def _relayed(self, page: Page) -> int:
        return int((await state(page))["totals"]["bytes"])


async def _perform() -> tuple[TransferRecord, Download]:
    up = asyncio.Event()
    links_up = 0

    def observe(notice: Notice) -> None:
        nonlocal links_up
        links_up += isinstance(notice, LinkUp)
        if links_up >= LINKS:
            up.set()

    async with AsyncExitStack() as stack:
        here = stack.enter_context(ThisMachine())
        site_port = free_port()
        site = here.python("-m", "bench.site", HOST, str(site_port))
        await asyncio.to_thread(site.wait_for, "ready", timeout_s=LINK_S)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chromium = await stack.enter_async_context(Chromium())
        policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site_port))
        way = await stack.enter_async_context(Way(folder, chromium, *policy))
        pages = [await stack.enter_async_context(way.volunteer()) for _ in range(VOLUNTEERS)]
        client = Client(ClientConfig(parse(way.invite), listen_port=0, links=LINKS), observe)
        await client.start()
        stack.push_async_callback(client.close)
        async with asyncio.timeout(LINK_S):
            await up.wait()
        return await LocalNetwork(client, pages, site_port).play()


def main() -> None:
    """Measure, draw, and write the picture."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    try:
        story, download = asyncio.run(_perform())
    except (Unmeasured, LabError, AssertionError, TimeoutError) as error:
        say(f"bench.plot_transfer could not measure: {error}")
        sys.exit(COULD_NOT)
    gap_ms = 1e3 * download.longest_s
    title = f"{SIZE / 1e6:.0f} MB at {RATE * 8 / 1e6:.0f} Mbit/s while three volunteers leave"
    target.write_text(draw(story, f"{title}: longest pause {gap_ms:.0f} ms"), encoding="utf-8")
    say(f"wrote {target}")
    sys.exit(MEASURED)


if __name__ == "__main__":
    main()
