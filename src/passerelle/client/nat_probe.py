"""The STUN servers that a client's offers use, and what NAT the client is behind."""

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
"""A link that fails within this time of the last probe is no reason for another one."""


class NatProbe:
    """Asks STUN servers in the background what NAT the client is behind."""

    def __init__(self, servers: Callable[[], tuple[str, ...]], observe: Observe) -> None:
        """`servers` tells all STUN servers of the network; a random pair is used at a time."""
        self._servers = servers
        self._observe = observe
        self._tasks = TaskSet("nat_probe", limit=1)
        self._probed_s: float | None = None
        """When the last probe began, in monotonic seconds."""
        self._pair = self._random_pair()
        self.nat = NatClass.UNKNOWN
        """What the last probe found."""

    def server(self, number: int) -> tuple[str, ...]:
        """Return the STUN server of the `number`th of several offers, if there is any.

        Offers made together use both servers, so that one that is down does not fail them all.
        """
        return self._pair[number % len(self._pair) :][:1] if self._pair else ()

    def probe(self) -> None:
        """Find out the NAT's class in the background, unless that was done a moment ago.

        Each probe but the first uses another random pair: a link has failed since, so the network
        may be another, or a server may be down. Without a probe the servers of the pair change
        places, so that the next offer, if it is the only one, asks the other.
        """
        now = time.monotonic()
        if self._probed_s is not None:
            if now - self._probed_s < FRESH_S or self._tasks.full:
                self._pair = (*self._pair[1:], *self._pair[:1])
                return
            self._pair = self._random_pair()
        self._probed_s = now
        self._tasks.spawn(self._find_class(), "probe")

    async def close(self) -> None:
        """Break a probe off. Idempotent."""
        await self._tasks.close()

    async def _find_class(self) -> None:
        found = await find_class(self._pair)
        if found is not self.nat:
            self.nat = found
            self._observe(NatFound(found))

    def _random_pair(self) -> tuple[str, ...]:
        servers = self._servers()
        return tuple(random.sample(servers, min(SERVERS, len(servers))))
