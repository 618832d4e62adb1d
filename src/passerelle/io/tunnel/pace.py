"""When the links of a session are read on: by what reading them costs, and by turns.

All sessions of a process share its processor. Whoever has had its turn in a round of the event loop
waits for the next round, so many links of one session get no more than one link of another.
"""

from __future__ import annotations

import asyncio
import time

from passerelle.core.ledger import Ledger
from passerelle.core.tunnel.session import Session

TURN_S = 0.002
"""Work of one session in a round: about as much as a turn to send costs."""
PAUSE_LEAST_S = 0.01
"""A shorter pause is not made: waking up once for each small message would cost more than it."""
MESSAGE_S = 30e-6
"""Work that a message has made before it gets here: reading the socket, WebSocket's framing."""


class Rounds:
    """Counts the rounds in which the sessions of a process receive, while any of them waits."""

    def __init__(self) -> None:
        self.number = 0
        """The number of the present round."""
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Event | None = None

    async def over(self) -> None:
        """Wait for the next round, until others have had their turn. Cancelling changes nothing."""
        if self._next is None:
            self._next = asyncio.Event()
            self._loop.call_soon(self._begin)
        await self._next.wait()

    def _begin(self) -> None:
        assert self._next is not None  # `over` sets it
        self.number += 1
        self._next.set()
        self._next = None


class Pace:
    """Charges one session's work, and makes its links wait.

    Processor time is measured around whatever the links' messages and the answers to them cost:
    `begin`, then `received` or `sent`.
    """

    def __init__(self, ledger: Ledger, rounds: Rounds, session: Session) -> None:
        self._ledger = ledger
        self._rounds = rounds
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._began_s = 0.0
        self._received_bytes = self._sent_bytes = 0
        self._round = -1
        self._spent_s = 0.0
        """Work in the present round."""

    def begin(self) -> None:
        """Work begins."""
        self._began_s = time.thread_time()

    def received(self) -> None:
        """Charge the work that a message of a link has made."""
        work_s = MESSAGE_S + time.thread_time() - self._began_s
        moved = self._session.progress - self._received_bytes
        self._received_bytes += moved
        self._begins_turn()
        self._spent_s += work_s
        self._ledger.charge_work(work_s, moved, self._loop.time())

    def sent(self) -> None:
        """Charge the work of sending what there was to send."""
        moved = self._session.sent - self._sent_bytes
        self._sent_bytes += moved
        work_s = time.thread_time() - self._began_s
        self._ledger.charge_work(work_s, moved, self._loop.time())

    async def rest(self) -> None:
        """Wait until more may be read. Cancelling changes nothing."""
        while (pause_s := self._ledger.pause_s(self._loop.time())) > PAUSE_LEAST_S:  # noqa: ASYNC110
            await asyncio.sleep(pause_s)
        # The first link that goes on begins the session's turn; those behind it look again, because
        # a link that has a message already takes it before the next one runs.
        while not self._begins_turn() and self._spent_s >= TURN_S:
            await self._rounds.over()

    def _begins_turn(self) -> bool:
        if self._round == self._rounds.number:
            return False
        self._round, self._spent_s = self._rounds.number, 0.0
        return True
