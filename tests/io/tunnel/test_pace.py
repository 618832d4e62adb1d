from __future__ import annotations

import asyncio
import time
from collections import Counter

from passerelle.core.ledger import WORK_BURST_S, WORK_S_PER_BYTE, WORK_SHARE, Ledger
from passerelle.core.tunnel.session import Session
from passerelle.io.tunnel.pace import TURN_S, Pace, Rounds
from passerelle.wire.frames import Data


def work(seconds: float) -> None:
    """Use the processor."""
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


async def test_many_links_of_one_session_get_one_turn() -> None:
    """Sixteen links of a session receive no more in a round than one link of another."""
    rounds = Rounds()
    paces = {links: Pace(Ledger(), rounds, Session()) for links in (1, 16)}
    done: Counter[int] = Counter()

    async def receive(links: int) -> None:
        while sum(done.values()) < 40:
            paces[links].begin()
            work(TURN_S)
            paces[links].received()
            done[links] += 1
            await paces[links].rest()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for links in paces:
            for _ in range(links):
                group.create_task(receive(links))
    # Each of sixteen links has a message before the first turn of all ends.
    assert done[1] >= 0.8 * (40 - 16) / 2


async def test_a_lone_session_hardly_waits() -> None:
    """A turn that is over is followed by the next one at once when nobody else wants one."""
    pace = Pace(Ledger(), Rounds(), Session())
    for _ in range(20):
        pace.begin()
        work(TURN_S)
        pace.received()
        async with asyncio.timeout(5):
            await pace.rest()


async def test_who_has_no_allowance_waits() -> None:
    """Work that no bytes have paid for is paid for by time."""
    ledger = Ledger()
    pace = Pace(ledger, Rounds(), Session())
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    ledger.charge_work(WORK_BURST_S + 0.02, 0, start_s)
    await pace.rest()
    assert loop.time() - start_s >= 0.02 / WORK_SHARE


async def test_bytes_that_arrive_pay() -> None:
    """A session whose bytes arrive in order is charged nothing for as much work as they pay for."""
    ledger, session = Ledger(), Session()
    pace = Pace(ledger, Rounds(), session)
    session.add_link(1, 0.0)
    loop = asyncio.get_running_loop()
    ledger.charge_work(WORK_BURST_S, 0, loop.time())
    owed_s = ledger.pause_s(loop.time())
    for number in range(10):
        pace.begin()
        session.receive(1, Data(10_000 * number, bytes(10_000)), 0.0)
        work(5_000 * WORK_S_PER_BYTE)
        pace.received()
    assert ledger.pause_s(loop.time()) <= owed_s
