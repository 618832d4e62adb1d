from __future__ import annotations

import asyncio

import pytest

from passerelle.core.tunnel.roundrobin import QUANTUM_MOST_BYTES
from passerelle.io.tunnel.fairturns import FairTurns


class Party:
    """Sends all it may, as often as it may."""

    def __init__(self, turns: FairTurns, rounds: int) -> None:
        self.sent: list[int] = []
        self.done = asyncio.Event()
        self._turns = turns
        self._rounds = rounds

    def resume(self, quantum_bytes: int) -> None:
        self.sent.append(quantum_bytes)
        self._turns.spend(quantum_bytes)
        if len(self.sent) < self._rounds:
            self._turns.wait(self)
        else:
            self.done.set()


async def test_a_lone_party_may_send_at_once() -> None:
    """Nobody waits for a line in which nobody stands."""
    turns = FairTurns()
    assert turns.ask(Party(turns, 1)) == QUANTUM_MOST_BYTES
    turns.close()


async def test_parties_take_turns() -> None:
    """Who has had one waits until the others have."""
    turns = FairTurns()
    parties = [Party(turns, 5) for _ in range(3)]
    for party in parties:
        turns.wait(party)
    assert turns.ask(Party(turns, 1)) == 0
    async with asyncio.timeout(5):
        await parties[0].done.wait()
    assert all(len(party.sent) >= 4 for party in parties)
    turns.close()
    turns.close()


async def test_the_rate_is_kept() -> None:
    """Turns come when what was sent before has had its time."""
    loop = asyncio.get_running_loop()
    turns = FairTurns(1_000_000)
    party = Party(turns, 12)
    start_s = loop.time()
    turns.wait(party)
    async with asyncio.timeout(10):
        await party.done.wait()
    size = sum(party.sent)
    assert loop.time() - start_s >= 0.8 * (size - 3 * party.sent[0]) / 1_000_000
    turns.close()


async def test_who_left_gets_no_turn() -> None:
    """A tunnel that ended is not resumed."""
    turns = FairTurns(1_000_000)
    party, other = Party(turns, 1), Party(turns, 1)
    turns.wait(party)
    turns.wait(other)
    turns.leave(party)
    async with asyncio.timeout(5):
        await other.done.wait()
    assert party.sent == []
    turns.close()


@pytest.mark.parametrize("rate", [None, 1_000_000.0])
async def test_nobody_is_resumed_after_the_end(rate: float | None) -> None:
    """Closing stops the clock."""
    turns = FairTurns(rate)
    party = Party(turns, 1)
    turns.wait(party)
    turns.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert party.sent == []
