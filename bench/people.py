"""Many people who are helped by one volunteer: real clients in this process, with their servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.errors import Unmeasured
from passerelle.client.notices import LinkUp
from passerelle.io.webrtc.engine import Engine, LinkOffer, chrome_engine
from tests.network import KEYS, Network, Watch, network

AT_ONCE = 4
"""Clients that look for their first link at the same time."""
LINKED_S = 120.0
RETRY_S = (0.5, 2.0)
"""Pause of a client between its requests: a volunteer takes 64 offers at once, and two a second."""
_UNLIMITED = 2**32


class SharedEngine:
    """Chrome's engine for many clients, so that each needs no process of its own."""

    def __init__(self) -> None:
        self._engine: Engine = chrome_engine(call=False)

    async def gather(
        self, stun: tuple[str, ...] = (), *, private: bool = False, media: bool = False
    ) -> LinkOffer:
        """See `Engine.gather`."""
        return await self._engine.gather(stun, private=private, media=media)

    async def close(self) -> None:
        """Do nothing, because other clients go on using the engine."""

    async def end(self) -> None:
        """End the engine's process."""
        await self._engine.close()


class People:
    """Clients with one link each, which carry nothing."""

    def __init__(self, net: Network, engine: SharedEngine) -> None:
        self._net = net
        self._engine = engine
        self._watches: list[Watch] = []

    @property
    def invite(self) -> str:
        """The invite to their network."""
        return str(KEYS.invite(self._net.url))

    async def connect(self, count: int) -> None:
        """Have `count` more people connected. Raises Unmeasured where somebody finds no link."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with places:
                _client, watch = await self._net.client(engine=self._engine, retry_s=RETRY_S)
                self._watches.append(watch)
                try:
                    await watch.until(LinkUp, timeout_s=LINKED_S)
                except TimeoutError:
                    raise Unmeasured(f"a client found no link within {LINKED_S:.0f} s") from None

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(one())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


@asynccontextmanager
async def people() -> AsyncIterator[People]:
    """Yield a network that takes any number of readers from this machine."""
    engine = SharedEngine()
    limitless = {
        "network_volunteers": None,
        "network_offers": _UNLIMITED,
        "network_requests": (_UNLIMITED, _UNLIMITED),
        "network_flood": (_UNLIMITED, _UNLIMITED),
        "waiting_of_network": _UNLIMITED,
    }
    try:
        async with network(broker_changes=limitless) as net:
            yield People(net, engine)
    finally:
        await engine.end()
