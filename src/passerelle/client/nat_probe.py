"""What a client knows of the network it is in: two STUN servers, and what NAT it is behind."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from passerelle.client.notices import NatFound, Observe
from passerelle.io.net.stun import find_class
from passerelle.io.tasks import TaskSet
from passerelle.wire.signalling import NatClass

SERVERS: Final = 2
"""As many as comparing mappings takes."""
FRESH_S: Final = 60.0
"""A failure within this time of the last look is no reason for another."""


class NatProbe:
    """Looks around in the background; `nat` is what is known so far."""

    def __init__(self, stun: Callable[[], tuple[str, ...]], observe: Observe) -> None:
        """`stun` tells all that the network has now; a random pair of them is used at a time."""
        self._all = stun
        self._observe = observe
        self._tasks = TaskSet("nat_probe", limit=1)
        self._looked_s: float | None = None
        self._pair = self._choose()
        self.nat = NatClass.UNKNOWN

    def server(self, number: int) -> tuple[str, ...]:
        """Return the STUN server of the `number`th of several offers, if there is any.

        Offers made together use both, so that one which is down does not fail them all.
        """
        return self._pair[number % len(self._pair) :][:1] if self._pair else ()

    def look(self) -> None:
        """Find out the class, with another pair than before, unless that was done just now."""
        now = time.monotonic()
        if self._looked_s is not None:
            if now - self._looked_s < FRESH_S or self._tasks.full:
                return
            # A link failed since: the network may be another, or a server may be down.
            self._pair = self._choose()
        self._looked_s = now
        self._tasks.spawn(self._look(), "look")

    async def close(self) -> None:
        """Stop looking. Idempotent."""
        await self._tasks.close()

    async def _look(self) -> None:
        found = await find_class(self._pair)
        if found is not self.nat:
            self.nat = found
            self._observe(NatFound(found))

    def _choose(self) -> tuple[str, ...]:
        servers = self._all()
        return tuple(random.sample(servers, min(SERVERS, len(servers))))
