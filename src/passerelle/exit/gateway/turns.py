"""The turns of one reader's answers: they share the exit's way out with its sessions."""

from __future__ import annotations

import asyncio
from collections import deque

from passerelle.core.quota import Account
from passerelle.io.tunnel.fairturns import FairTurns


class Reader:
    """Whoever has requests under way with one ticket, on whatever links."""

    def __init__(self, account: Account, turns: FairTurns) -> None:
        """`turns` is the line in which everybody at this exit waits to send."""
        self.account = account
        self.requests = 0
        """Requests under way."""
        self._turns = turns
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def turn(self, size: int) -> None:
        """Wait until `size` bytes may be sent, and count them. Cancelling gives the turn up."""
        if not self._waiting and self._turns.ask(self):
            self._turns.spend(size)
            return
        entry = size, asyncio.get_running_loop().create_future()
        self._waiting.append(entry)
        self._turns.wait(self)
        try:
            await entry[1]
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
            raise

    def resume(self, quantum_bytes: int) -> None:
        """Let one answer go on, and others as far as `quantum_bytes` go; see `FairTurns`."""
        left_bytes = quantum_bytes
        while self._waiting and (left_bytes == quantum_bytes or self._waiting[0][0] <= left_bytes):
            size, done = self._waiting.popleft()
            if not done.done():
                left_bytes -= size
                self._turns.spend(size)
                done.set_result(None)
        if self._waiting:
            self._turns.wait(self)

    def close(self) -> None:
        """Leave the line: no request is under way any more."""
        self._turns.leave(self)
