"""The client: a local proxy whose traffic leaves through volunteers."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.client.datagrams import UdpAssociations
from passerelle.client.notices import BrokerUnreachable, NetworkLoaded, Notice, Observe, PortOpen
from passerelle.client.proxy import LocalProxy
from passerelle.client.rendezvous import BrokerSilent
from passerelle.client.supervisor import LinkSupervisor
from passerelle.core.backoff import Backoff
from passerelle.errors import Failure, StreamFailed
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.wire.descriptor import Descriptor


def _ignore(_notice: Notice) -> None:
    pass


class Client:
    """One client: `start`, then `run` until it is told to stop, then `close`."""

    def __init__(self, config: ClientConfig, observe: Observe = _ignore) -> None:
        self._config = config
        self._watcher = observe
        self._brokers = Brokers(config)
        associations = UdpAssociations(self._offers_flows, self._open_flow, config.flow_idle_s)
        self._proxy = LocalProxy(self._open, associations, config.login)
        self._supervisor: LinkSupervisor | None = None
        self._loaded = asyncio.Event()
        self._waiting = 0
        """Applications' requests that wait for the descriptor."""
        self._wanted = asyncio.Event()
        """Set by each of them, because the pause until the next attempt may be shorter now."""
        self._stack = AsyncExitStack()
        self._tasks = TaskSet("client")
        self._supervising: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The local port."""
        return self._proxy.port

    @property
    def link_count(self) -> int:
        """How many links can carry new data."""
        return self._supervisor.link_count if self._supervisor is not None else 0

    @property
    def received_bytes(self) -> dict[int, int]:
        """Bytes that each link has brought so far, by its number."""
        return self._supervisor.received_bytes if self._supervisor is not None else {}

    async def start(self) -> None:
        """Load the engine, open the local port and ask for the network's descriptor.

        Brokers that do not answer are asked again in the background. Raises LocalError (port
        taken) and ConfigError (the descriptor is not what the invite promises).
        """
        self._stack.push_async_callback(self._config.engine.close)
        await self._stack.enter_async_context(self._brokers)
        self._stack.push_async_callback(self._tasks.close)
        try:
            await self._config.engine.prepare()
            await self._proxy.start(self._config.listen_host, self._config.listen_port)
            self._stack.push_async_callback(self._proxy.close)
            self._observe(PortOpen(self._config.listen_host, self.port))
            backoff = Backoff(*self._config.retry_s)
            found = await self._load(backoff)
        except BaseException:
            await self._stack.aclose()
            raise
        self._supervising = self._tasks.start(self._supervise(found, backoff), "supervisor")

    async def run(self) -> None:
        """Wait as long as the client works, which is until `close`.

        Raises ConfigError when it cannot go on. Cancelling stops the waiting only.
        """
        assert self._supervising is not None  # started
        await asyncio.shield(self._supervising)

    async def close(self) -> None:
        """Close the port, break off connections, end the session and its links. Idempotent."""
        await self._stack.aclose()

    async def _supervise(self, found: Descriptor | float, backoff: Backoff) -> None:
        """Keep links; `found` is what the first `_load` has returned."""
        while isinstance(found, float):
            await self._pause(found)
            found = await self._load(backoff)
        self._observe(NetworkLoaded(found.name))
        self._supervisor = LinkSupervisor(self._config, self._brokers, self._observe)
        self._tasks.spawn(self._brokers.keep_fresh(), "descriptor")
        self._loaded.set()
        try:
            await self._supervisor.run()
        finally:
            await self._supervisor.close()

    def _observe(self, notice: Notice) -> None:
        self._proxy.heed(notice)
        self._watcher(notice)

    async def _load(self, backoff: Backoff) -> Descriptor | float:
        """Return the descriptor; or tell why there is none, and return the seconds to wait."""
        try:
            return await self._brokers.load()
        except BrokerSilent as error:
            retry_s = backoff.next_s(random.random())  # noqa: S311  (jitter)
            self._observe(BrokerUnreachable(str(error), retry_s))
            return retry_s

    async def _pause(self, pause_s: float) -> None:
        """Wait until a broker is asked again; not long while an application waits."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while True:
            most_s = min(pause_s, self._config.urgent_retry_s) if self._waiting else pause_s
            self._wanted.clear()
            try:
                async with asyncio.timeout_at(began_s + most_s):
                    await self._wanted.wait()
            except TimeoutError:
                return

    async def _open(self, host: str, port: int) -> TunnelStream:
        return await (await self._loaded_supervisor()).open(host, port)

    async def _open_flow(self, host: str, port: int) -> TunnelStream:
        return await (await self._loaded_supervisor()).open_flow(host, port)

    async def _offers_flows(self) -> bool:
        return await (await self._loaded_supervisor()).offers_flows()

    async def _loaded_supervisor(self) -> LinkSupervisor:
        """Return the supervisor once the network's descriptor is there.

        Raises StreamFailed(NO_VOLUNTEER) after `patience_s`.
        """
        self._waiting += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(self._config.patience_s):
                await self._loaded.wait()
        except TimeoutError:
            raise StreamFailed(Failure.NO_VOLUNTEER) from None
        finally:
            self._waiting -= 1
        assert self._supervisor is not None  # loaded
        return self._supervisor
