from __future__ import annotations

import asyncio

import pytest

from passerelle.core.tunnel.roundrobin import QUANTUM_MOST_BYTES
from passerelle.io.tunnel.fairturns import FairTurns


class Party:
    """Sends all it may, as often as it may."""

    def __init__(self, pace: FairTurns, rounds: int) -> None:
        self.sent: list[int] = []
        self.done = asyncio.Event()
        self._pace = pace
        self._rounds = rounds

    def resume(self, quantum_bytes: int) -> None:
        self.sent.append(quantum_bytes)
        self._pace.spend(quantum_bytes)
        if len(self.sent) < self._rounds:
            self._pace.wait(self)
        else:
            self.done.set()


async def test_a_lone_party_may_send_at_once() -> None:
    """Nobody waits for a line in which nobody stands."""
    pace = FairTurns()
    assert pace.ask(Party(pace, 1)) == QUANTUM_MOST_BYTES
    pace.close()


async def test_parties_take_turns() -> None:
    """Who has had one waits until the others have."""
    pace = FairTurns()
    parties = [Party(pace, 5) for _ in range(3)]
    for party in parties:
        pace.wait(party)
    assert pace.ask(Party(pace, 1)) == 0
    async with asyncio.timeout(5):
        await parties[0].done.wait()
    assert all(len(party.sent) >= 4 for party in parties)
    pace.close()
    pace.close()


async def test_the_rate_is_kept() -> None:
    """Turns come when what was sent before has had its time."""
    loop = asyncio.get_running_loop()
    pace = FairTurns(1_000_000)
    party = Party(pace, 12)
    start_s = loop.time()
    pace.wait(party)
    async with asyncio.timeout(10):
        await party.done.wait()
    size = sum(party.sent)
    assert loop.time() - start_s >= 0.8 * (size - 3 * party.sent[0]) / 1_000_000
    pace.close()


async def test_who_left_gets_no_turn() -> None:
    """A tunnel that ended is not resumed."""
    pace = FairTurns(1_000_000)
    party, other = Party(pace, 1), Party(pace, 1)
    pace.wait(party)
    pace.wait(other)
    pace.leave(party)
    async with asyncio.timeout(5):
        await other.done.wait()
    assert party.sent == []
    pace.close()


@pytest.mark.parametrize("rate", [None, 1_000_000.0])
async def test_nobody_is_resumed_after_the_end(rate: float | None) -> None:
    """Closing stops the clock."""
    pace = FairTurns(rate)
    party = Party(pace, 1)
    pace.wait(party)
    pace.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert party.sent == []
