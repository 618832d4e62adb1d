"""A volunteer's program that helps nobody does next to nothing."""

from __future__ import annotations

import asyncio
import gc
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.chrome import needs_chrome
from tests.network import network
from tests.rig.skipping import SkippingLoop, watched
from tests.volunteer.rig import volunteering

LEAST_S: Final = 15
"""No timer of an idle program is shorter."""
WARM_S: Final = 300.0
BLOCKS: Final = 50
"""Objects by which memory may differ: what caches hold at one moment and not at another. A day made
a difference of one; one that was kept for each question to the broker would make 5,760."""


def blocks() -> int:
    """Return how many objects the program holds."""
    gc.collect()
    return sys.getallocatedblocks()


@needs_chrome
@pytest.mark.parametrize(
    "hours",
    [
        pytest.param(1 / 3, id="20 minutes"),
        pytest.param(24, id="a day", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
def test_nobody_to_help_wakes_it_rarely_and_fills_no_memory(hours: float) -> None:
    """The time is simulated, with a real broker on the same clock."""
    begun = datetime(2026, 11, 29, 12, tzinfo=UTC)
    span_s = 3600 * hours

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SkippingLoop)
        began_s = loop.time()

        def clock() -> datetime:
            return begun + timedelta(seconds=loop.time() - began_s)

        async with network() as net:
            with watched():
                async with volunteering(net, clock=clock) as volunteer:
                    # The exit would wake the loop each second, and has nothing to do.
                    await net.exit.close()
                    with loop.skipping():
                        await asyncio.sleep(WARM_S)
                        before = blocks()
                        loop.waits_s.clear()
                        await asyncio.sleep(span_s)
                        after = blocks()
                        waits_s = dict(loop.waits_s)
                    assert {status.state for status in volunteer.shown} <= {"connecting", "waiting"}
                    assert volunteer.program.status().state == "waiting"
        assert min(waits_s) >= LEAST_S, waits_s
        assert sum(waits_s.values()) < span_s / 9, waits_s
        assert waits_s[LEAST_S] > span_s / 16, "the broker is asked"
        assert after - before < BLOCKS

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(wait())
