"""One exit as a process of its own: its port, its metrics, and leaving in good order."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from passerelle.core.address.classes import IPNetwork
from passerelle.exit.announcer import Announcer
from passerelle.exit.config import ExitConfig
from passerelle.exit.service import Exit
from passerelle.io.server.bus import connect
from passerelle.io.server.metrics import Metrics, MetricsServer
from passerelle.io.server.web import WebServer, application
from passerelle.wire.bus import Subjects


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where an exit listens."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    """None when something in front does it."""
    metrics: tuple[str, int] | None = None
    """Loopback address and port of `/metrics`; None serves none."""
    trusted_proxies: tuple[IPNetwork, ...] = ()
    """Networks of proxies whose X-Forwarded-For is believed when connections are counted."""


class ExitProcess:
    """An exit that serves for the length of an `async with`.

    Leaving drains it first: see `Exit.drain`. Cancelling that goes on to the end at once.
    """

    def __init__(
        self, config: ExitConfig, addresses: ListenSettings, *, bus_url: str | None = None
    ) -> None:
        """Make nothing yet: it needs a running event loop.

        At `bus_url` it tells brokers how it and its links do; None: nobody.
        """
        self._config = config
        self._addresses = addresses
        self._bus_url = bus_url
        self._stack = AsyncExitStack()
        self._exit: Exit | None = None

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError when a port or the bus cannot be opened, ConfigError for a bad
        face or a bad address of the bus.
        """
        addresses = self._addresses
        metrics = Metrics()
        async with AsyncExitStack() as stack:
            if addresses.metrics is not None:
                await stack.enter_async_context(MetricsServer(metrics, *addresses.metrics))
            channel = await connect(self._bus_url, name=self._config.exit_id)
            stack.push_async_callback(channel.close)
            announcer = Announcer(channel, Subjects(self._config.ticket_keys[0]))
            stack.push_async_callback(announcer.close)
            self._exit = Exit(self._config, reporter=announcer, metrics=metrics)
            announcer.announce(self._exit.load)
            stack.push_async_callback(self._exit.close)
            app = application()
            self._exit.add_routes(app)
            server = WebServer(
                app,
                addresses.host,
                addresses.port,
                tls=addresses.tls,
                trusted=addresses.trusted_proxies,
            )
            await stack.enter_async_context(server)
            # The other way round on the way out: links end while the port is still open.
            stack.push_async_callback(self._exit.close)
            stack.push_async_callback(self._exit.drain)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
