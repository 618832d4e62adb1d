"""Shares the exit's way out between its tunnels, a turn at a time."""

from __future__ import annotations

import asyncio
from typing import Protocol

from passerelle.core.tunnel.roundrobin import DeficitRoundRobin
from passerelle.io.tunnel.pace import Rounds


class TurnTaker(Protocol):
    """Sends in turns."""

    def resume(self, quantum_bytes: int) -> None:
        """Send up to `quantum_bytes` now, and tell `FairTurns.spend` how many bytes were sent."""


class FairTurns:
    """The line in which all tunnels of a process wait to send."""

    def __init__(self, rate_bytes_s: float | None = None) -> None:
        """`rate_bytes_s` is the rate of the way out; None when only the processor limits."""
        self._loop = asyncio.get_running_loop()
        self._line: DeficitRoundRobin[TurnTaker] = DeficitRoundRobin(
            rate_bytes_s, self._loop.time()
        )
        self._next: asyncio.Handle | None = None
        self.rounds = Rounds()
        """The rounds in which all tunnels receive."""

    @property
    def is_rate_used_up(self) -> bool:
        """Whether parties have to wait for the rate; never without one."""
        return self._line.pause_s(self._loop.time()) > 0

    def ask(self, party: TurnTaker) -> int:
        """Return how many bytes may be sent at once. After 0, `resume` is called in time."""
        if not self._line and not self._line.pause_s(self._loop.time()):
            return self._line.quantum_bytes
        self.wait(party)
        return 0

    def wait(self, party: TurnTaker) -> None:
        """Put a party in the line: its `resume` is called in a later turn of the event loop."""
        self._line.wait(party)
        self._arm()

    def leave(self, party: TurnTaker) -> None:
        """Take a party out of the line, if it stands there."""
        self._line.leave(party)

    def spend(self, size: int) -> None:
        """Count `size` bytes that were sent."""
        self._line.spend(size, self._loop.time())

    def close(self) -> None:
        """Give no more turns. Idempotent."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _arm(self) -> None:
        if self._next is not None or not self._line:
            return
        pause_s = self._line.pause_s(self._loop.time())
        if pause_s:
            self._next = self._loop.call_later(pause_s, self._round)
        else:
            self._next = self._loop.call_soon(self._round)

    def _round(self) -> None:
        """Give each party in the line one turn, as long as the rate allows another."""
        self._next = None
        for _ in range(len(self._line)):
            party = self._line.next(self._loop.time())
            if party is None:
                break
            party.resume(self._line.quantum_bytes)
        self._arm()
