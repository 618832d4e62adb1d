"""Volunteers come and go for minutes; no byte is lost, and no process grows.

`PASSERELLE_SOAK_S` sets how long, in seconds; the default is 600.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.rig.curl import Proxy, fetch
from tests.rig.program import Program
from tests.rig.site import Site, blob, digest
from tests.rig.volunteer import Chromium, until
from tests.rig.way import Way

DURATION_S = float(os.environ.get("PASSERELLE_SOAK_S", "600"))
pytestmark = [pytest.mark.soak, pytest.mark.timeout(DURATION_S + 240)]

CHURN_S = 10.0
VOLUNTEERS = 5
"""The number of volunteers: three help one client, and the others wait."""
SIZE = 8_000_000
PACE = "2M"
"""Bytes a second of each transfer, so that it takes several seconds and leaves the machine idle
time."""
WARM_SHARE = 0.25
"""The share of the time that is not counted, in which buffers and allocators find their size."""
LOOK_S = 1.0
GROWTH_MOST_BYTES = 12 * 1024 * 1024
"""The most that a process may grow over the rest of the time, by the slope. One link holds 10 MiB:
if links were never freed, the churn of ten minutes would leave 600."""


@dataclass(slots=True)
class Memory:
    """A process's resident memory over time."""

    name: str
    program: Program
    points: list[tuple[float, int]] = field(default_factory=list)

    def look(self, time_s: float) -> None:
        # The second field of statm is the number of resident pages (proc(5)).
        pages = int(Path(f"/proc/{self.program.pid}/statm").read_text().split()[1])
        self.points.append((time_s, pages * os.sysconf("SC_PAGE_SIZE")))

    def growth_bytes(self) -> float:
        """Return how much the straight line through the later points rises."""
        return rise([point for point in self.points if point[0] > WARM_SHARE * DURATION_S])


def rise(points: Sequence[tuple[float, float]]) -> float:
    """Return how much the least-squares line rises from the first point to the last."""
    times, values = zip(*points, strict=True)
    slope = statistics.linear_regression(times, values).slope
    return float(slope * (times[-1] - times[0]))


class Churn:
    """Volunteers, one of whom is replaced at each `turn`."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._stacks: list[tuple[Page, AsyncExitStack]] = []
        self.turns = 0

    async def open(self) -> None:
        stack = AsyncExitStack()
        self._stacks.append((await stack.enter_async_context(self._way.volunteer()), stack))

    async def turn(self) -> None:
        """Have one volunteer leave, by closing the tab or by switching off, and another come."""
        page, stack = self._stacks.pop(random.randrange(len(self._stacks)))
        if self.turns % 2:
            await page.get_by_role("switch").click()
            await until(page, "s.phase === 'off'")
        await stack.aclose()
        await self.open()
        self.turns += 1

    async def close(self) -> None:
        for _, stack in self._stacks:
            await stack.aclose()


@asynccontextmanager
async def churning(way: Way) -> AsyncIterator[Churn]:
    churn = Churn(way)
    try:
        for _ in range(VOLUNTEERS):
            await churn.open()
        yield churn
    finally:
        await churn.close()


async def transfer(port: int, site: Site, file: Path, end_s: float, *, upload: bool) -> int:
    """Move SIZE bytes again and again until the end; return how often, each time unchanged."""
    count = 0
    base = f"http://127.0.0.1:{site.port}"
    source = file.with_suffix(".source")
    source.write_bytes(blob(SIZE))
    wanted = digest(blob(SIZE))
    while time.monotonic() < end_s:
        words = ("-T", str(source), f"{base}/upload") if upload else (f"{base}/bytes/{SIZE}",)
        got = await fetch(Proxy.SOCKS, port, file, "--limit-rate", PACE, *words)
        assert (got.code, got.status) == (0, 200), got.text
        assert (got.body.decode() if upload else digest(got.body)) == wanted
        count += 1
    return count


async def watch(memories: list[Memory], end_s: float) -> None:
    start_s = time.monotonic()
    while (now_s := time.monotonic()) < end_s:
        for memory in memories:
            memory.look(now_s - start_s)
        await asyncio.sleep(LOOK_S)


async def replace(churn: Churn, end_s: float) -> None:
    while time.monotonic() + CHURN_S < end_s:
        await asyncio.sleep(CHURN_S)
        await churn.turn()


async def test_memory_stays_flat_and_bytes_intact_while_volunteers_churn(tmp_path: Path) -> None:
    """Downloads and uploads stay intact while a volunteer leaves every ten seconds."""
    async with Site() as site, Chromium() as chromium:
        policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
        async with (
            Way(tmp_path, chromium, *policy) as way,
            churning(way) as churn,
            way.client() as (client, port),
        ):
            await client.expect("Connected through a volunteer")
            memories = [
                Memory("client", client),
                Memory("exit", way.exit),
                Memory("broker", way.broker),
            ]
            end_s = time.monotonic() + DURATION_S
            async with asyncio.TaskGroup() as tasks:
                moves = [
                    tasks.create_task(
                        transfer(port, site, tmp_path / str(upload), end_s, upload=upload)
                    )
                    for upload in (False, True)
                ]
                tasks.create_task(watch(memories, end_s))
                tasks.create_task(replace(churn, end_s))
            assert churn.turns >= DURATION_S // (2 * CHURN_S)
            assert all(move.result() for move in moves)
            grown = {each.name: each.growth_bytes() for each in memories}
            print({name: f"{size / 2**20:+.1f} MiB" for name, size in grown.items()})
            assert max(grown.values()) < GROWTH_MOST_BYTES, grown


def test_a_rising_line_is_seen() -> None:
    """Noise does not count as growth, and growth is seen through noise."""
    noise = [(float(time_s), float(time_s % 2)) for time_s in range(100)]
    assert abs(rise(noise)) < 1
    assert rise([(time_s, value + 3 * time_s) for time_s, value in noise]) == pytest.approx(
        297, abs=1
    )
