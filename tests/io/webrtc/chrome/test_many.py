"""Links in Chrome's engine, made and ended one after the other and some at a time."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

import pytest

from passerelle.errors import LinkCode
from tests.chrome import needs_chrome
from tests.io.webrtc.chrome.test_offer import connect, open_files

pytestmark = needs_chrome

AT_A_TIME = 5
SETTLE_S = 10.0
POLL_S = 0.05
GROWN_BYTES = 20_000_000
"""What the allocator may keep after the first links. A link that stays takes about 1 MB."""
FIRST, FIRST_OF_MANY = 25, 600
"""Links after which memory is compared. What the allocator keeps grows by about 15 MB over several
hundred, because the engine is asked for statistics meanwhile, and stands still then."""


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def memory_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def one_link() -> None:
    """Make a link with video, send a message each way, and end it by either side."""
    made = await connect(offered=True, answered=True)
    made.transport.send(b"up")
    assert await made.volunteer.messages.get() == bytes(4) + b"up"
    made.volunteer.channel.send(bytes(4) + b"down")
    assert await made.taker.messages.get() == b"down"
    made.transport.close(LinkCode.NORMAL)
    await made.transport.wait_closed()
    made.volunteer.connection.close()


async def settle(files: int, running: int, tasks: int) -> None:
    """Wait until no more is open than before."""
    async with asyncio.timeout(SETTLE_S):
        while open_files() > files or threads() > running or len(asyncio.all_tasks()) > tasks:
            gc.collect()
            await asyncio.sleep(POLL_S)


async def make_and_end(count: int, *, first: int) -> int:
    """Make and end `count` links, half of them `AT_A_TIME` at a time; return how memory grew."""
    for _ in range(first // AT_A_TIME):
        await asyncio.gather(*(one_link() for _ in range(AT_A_TIME)))
    await asyncio.sleep(1)  # the engine's threads end
    gc.collect()
    files, running, tasks = open_files(), threads(), len(asyncio.all_tasks())
    before = memory_bytes()
    for _ in range(count // 2):
        await one_link()
    for _ in range(count // 2 // AT_A_TIME):
        await asyncio.gather(*(one_link() for _ in range(AT_A_TIME)))
    await settle(files, running, tasks)
    return memory_bytes() - before


async def test_links_made_and_ended_leave_nothing() -> None:
    """Sockets, threads, tasks and memory are as before."""
    assert await make_and_end(40, first=FIRST) < GROWN_BYTES


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_thousand_links_leave_nothing() -> None:
    assert await make_and_end(1_000, first=FIRST_OF_MANY) < GROWN_BYTES
