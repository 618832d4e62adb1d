"""Offers that wait for a volunteer, because none has a free slot for them."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from passerelle.broker.config import BrokerConfig
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.matching.pool import Pick
from passerelle.core.origin import UNKNOWN
from passerelle.core.shares import ShareTable

_SERVED: Final = 8
"""Most waiting offers that one freed slot is tried for: a search that finds nothing costs time."""


PickVolunteer = Callable[[ClientProfile, set[bytes], bytes | None], Pick | None]
"""Reserves a slot for a client: see `Volunteers.pick`."""


@dataclass(slots=True, eq=False)
class _Waiting:
    client: ClientProfile
    asked: set[bytes]
    only: bytes | None
    picked: asyncio.Future[Pick | None]
    """A volunteer, or None if the offer had to give way to another client's."""


class WaitingQueue:
    """The waiting offers; the one that waits longest is served first."""

    def __init__(
        self, config: BrokerConfig, *, pick: PickVolunteer, put_back: Callable[[Pick], None]
    ) -> None:
        """`pick` reserves a slot for an offer, and `put_back` gives it back."""
        self._config = config
        self._pick = pick
        self._put_back = put_back
        self._queue: OrderedDict[_Waiting, None] = OrderedDict()
        self._shares: ShareTable[_Waiting] = ShareTable(config.waiting)

    def __len__(self) -> int:
        """Return how many offers wait."""
        return len(self._queue)

    async def wait(
        self, client: ClientProfile, asked: set[bytes], only: bytes | None, deadline: float
    ) -> Pick | None:
        """Return a volunteer as soon as there is one that suits; it is added to `asked`.

        `asked` and `only` as in `Volunteers.pick`. Return None when there is none by `deadline`,
        which is the event loop's time, and at once when too many of this client's network wait
        already. When too many wait in all, one of whoever has most gives way. Cancelling gives back
        what was picked meanwhile.
        """
        origin = UNKNOWN if client.key is None else client.key
        picked: asyncio.Future[Pick | None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(client, asked, only, picked)
        if self._shares.load(origin) >= self._config.waiting_of_network:
            return None
        gone = self._shares.add(waiting, origin)
        if gone is waiting:
            return None
        if gone is not None:
            self._queue.pop(gone, None)
            if not gone.picked.done():
                gone.picked.set_result(None)
        self._queue[waiting] = None
        try:
            async with asyncio.timeout_at(deadline):
                return await picked
        except TimeoutError:
            self._give_back(picked)
            return None
        except asyncio.CancelledError:
            self._give_back(picked)
            raise
        finally:
            self._queue.pop(waiting, None)
            self._shares.discard(waiting)

    def serve(self) -> None:
        """Try the slots that are free for those that wait longest.

        An offer that no volunteer suits goes to the end of the queue, so that it does not hold up
        the others.
        """
        # An offer that gave up earlier in this turn of the event loop is still in the queue: its
        # future is cancelled, and its task removes it in the next turn.
        present = (waiting for waiting in self._queue if not waiting.picked.done())
        for waiting in list(itertools.islice(present, _SERVED)):
            pick = self._pick(waiting.client, waiting.asked, waiting.only)
            if pick is None:
                self._queue.move_to_end(waiting)
                continue
            waiting.asked.add(pick.volunteer)
            del self._queue[waiting]
            self._shares.discard(waiting)
            waiting.picked.set_result(pick)

    def _give_back(self, picked: asyncio.Future[Pick | None]) -> None:
        """Put back what was picked in the turn of the event loop in which its offer gave up."""
        if picked.done() and not picked.cancelled() and (pick := picked.result()) is not None:
            self._put_back(pick)
