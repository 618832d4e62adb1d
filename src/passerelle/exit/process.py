"""One exit as a process of its own: its port, its metrics, and its shutdown."""

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
    """Where and how an exit accepts connections."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    """Settings of TLS; None if a server in front does it."""
    metrics: tuple[str, int] | None = None
    """Loopback address and port of `/metrics`; None serves none."""
    trusted_proxies: tuple[IPNetwork, ...] = ()
    """Networks of proxies whose X-Forwarded-For is believed when connections are counted."""


class ExitProcess:
    """An exit that serves for the length of an `async with`.

    Leaving drains it first, as `Exit.drain` says, unless `finish` was called before; cancelling
    ends the drain at once.
    """

    def __init__(
        self, config: ExitConfig, listen: ListenSettings, *, bus_url: str | None = None
    ) -> None:
        """Make an exit without starting it, so that no event loop is needed.

        At `bus_url` it tells brokers how it and its links do; with None it tells nobody.
        """
        self._config = config
        self._listen = listen
        self._bus_url = bus_url
        self._stack = AsyncExitStack()
        self._exit: Exit | None = None
        self._has_finished = False

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError when a port or the bus cannot be opened, ConfigError for a bad
        decoy site or a bad address of the bus.
        """
        listen = self._listen
        metrics = Metrics()
        async with AsyncExitStack() as stack:
            if listen.metrics is not None:
                await stack.enter_async_context(MetricsServer(metrics, *listen.metrics))
            channel = await connect(self._bus_url, name=self._config.exit_id)
            stack.push_async_callback(channel.close)
            subjects = Subjects(self._config.ticket_keys[0])
            announcer = Announcer(channel, subjects, self._config.identity.signing_key)
            stack.push_async_callback(announcer.close)
            self._exit = Exit(self._config, reporter=announcer, metrics=metrics)
            announcer.announce(self._exit.load)
            stack.push_async_callback(self._exit.close)
            app = application()
            self._exit.add_routes(app)
            server = WebServer(
                app,
                listen.host,
                listen.port,
                tls=listen.tls,
                trusted=listen.trusted_proxies,
            )
            await stack.enter_async_context(server)
            # The stack unwinds from its end: links end while the port is still open.
            stack.push_async_callback(self._exit.close)
            stack.push_async_callback(self._drain)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def finish(self) -> None:
        """Serve on until nothing moves, as `Exit.finish` says; leaving then drains no more."""
        assert self._exit is not None  # entered
        self._has_finished = True
        await self._exit.finish()

    async def _drain(self) -> None:
        assert self._exit is not None  # entered
        if not self._has_finished:
            await self._exit.drain()
