"""Broker and exit of a small operator, in one process.

They share one port, or each has its own. The network's descriptor is made and signed here, and
signed anew before it expires.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import web

from passerelle.broker.assets import MANIFEST, script_in
from passerelle.broker.config import BrokerConfig
from passerelle.broker.service import Broker
from passerelle.core import embed
from passerelle.core.policy import Policy
from passerelle.errors import ConfigError
from passerelle.exit.config import ExitConfig
from passerelle.exit.service import Exit
from passerelle.io.tasks import TaskSet
from passerelle.io.web import WebServer, application
from passerelle.keyring import LIFETIME_S, Keyring
from passerelle.listen import Listen
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.invite import Invite

BUILT_WIDGET: Final = Path(__file__).parent / "_widget"
EXIT_ID: Final = "exit-1"
LINK_PATH: Final = "/v1/link"
RENEWAL_CHECK_S: Final = 600.0
"""The age of the descriptor is looked at so often. A timer for the whole time would stand still
while the machine sleeps."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """What a small operator decides."""

    name: str
    """The network's name, shown to people."""
    url: str
    """Public base URL of the broker, https://…"""
    listen: Listen
    exit_listen: Listen | None = None
    """Where the exit listens; None: on the broker's port."""
    exit_url: str | None = None
    """Public base URL of the exit, https://… or wss://…; None: the broker's."""
    tls: ssl.SSLContext | None = None
    """For TLS on the listening ports; None when something in front of them does it."""
    policy: Policy = field(default_factory=Policy)
    stun: tuple[str, ...] = ()
    direct: bool = False
    """Whether readers may reach the exit without a volunteer when they find none."""
    widget_dir: Path | None = None
    """The built widget; None serves none."""
    lifetime_s: int = LIFETIME_S
    """How long a descriptor is good."""


class Servers:
    """Broker and exit, running for the length of an `async with`.

    Leaving sends volunteers and clients away in good order, then stops listening.
    """

    def __init__(
        self, config: ServeConfig, keys: Keyring, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` tells Unix time. Raises ConfigError when the network cannot be described."""
        self._config = config
        self._keys = keys
        self._clock = clock
        self._exit_url = exit_url(config)
        self.invite: Invite = keys.invite(config.url.rstrip("/"))
        self._descriptor, document = self._describe()
        self._broker = Broker(
            BrokerConfig(
                seal_key=keys.broker_seal,
                ticket_key=keys.broker_ticket,
                document=document,
                descriptor=self._descriptor,
                widget_dir=config.widget_dir,
                invite=self.invite,
            ),
            clock=clock,
        )
        self._exit = Exit(
            ExitConfig(
                exit_id=EXIT_ID,
                identity=keys.exit_link,
                ticket_keys=(keys.broker_ticket.public_key(),),
                policy=config.policy,
                direct=config.direct,
            )
        )
        self._stack = AsyncExitStack()

    @property
    def tag(self) -> str | None:
        """What a publisher pastes into a page; None when no widget is served."""
        if self._config.widget_dir is None:
            return None
        return widget_tag(self._config.widget_dir, self.invite)

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError when a port cannot be opened."""
        async with AsyncExitStack() as stack:
            config = self._config
            app = application()
            self._broker.add_routes(app)
            if config.exit_listen is None:
                self._exit.add_routes(app)
            else:
                own = application()
                self._exit.add_routes(own)
                await stack.enter_async_context(_server(own, config.exit_listen, config.tls))
            await stack.enter_async_context(_server(app, config.listen, config.tls))
            # The other way round on the way out: say goodbye while the ports are still open.
            stack.push_async_callback(self._exit.close)
            stack.push_async_callback(self._broker.close)
            tasks = await stack.enter_async_context(TaskSet("serve"))
            tasks.spawn(self._keep_fresh(), "renewal")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def renew(self) -> bool:
        """Sign the descriptor anew if half of its life is over; tell whether it was."""
        age_s = self._clock() - self._descriptor.issued_s
        if age_s < self._config.lifetime_s / 2:
            return False
        self._descriptor, document = self._describe()
        self._broker.publish(document)
        _log.info("the network's descriptor was signed anew")
        return True

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(min(RENEWAL_CHECK_S, self._config.lifetime_s / 4))
            self.renew()

    def _describe(self) -> tuple[Descriptor, bytes]:
        return self._keys.descriptor(
            self._config.name,
            broker_url=self.invite.url,
            exit_url=self._exit_url,
            exit_id=EXIT_ID,
            stun=self._config.stun,
            direct=self._config.direct,
            now_s=self._clock(),
            lifetime_s=self._config.lifetime_s,
        )


def exit_url(config: ServeConfig) -> str:
    """Return the URL that volunteers open links to. Raises ConfigError."""
    return link_url(config.exit_url or config.url)


def link_url(base: str) -> str:
    """Return the URL of links at an exit's public address. Raises ConfigError."""
    scheme, colon, rest = base.partition("://")
    wanted = {"https": "wss", "wss": "wss", "http": "ws", "ws": "ws"}.get(scheme.lower())
    if not colon or wanted is None:
        raise ConfigError(
            f"{base!r} is no public address. Write a URL such as https://bridge.example."
        )
    return f"{wanted}://{rest.rstrip('/')}{LINK_PATH}"


def widget_tag(widget_dir: Path, invite: Invite) -> str:
    """Return the tag for a publisher's page, with the script's exact hash in it.

    Raises ConfigError when the widget was not built.
    """
    return embed.tag(widget_script(widget_dir), invite)


def widget_script(widget_dir: Path) -> embed.Script:
    """Return the script that pages load. Raises ConfigError when the widget was not built."""
    try:
        script = script_in((widget_dir / MANIFEST).read_bytes())
    except OSError:
        script = None
    if script is None:
        raise ConfigError(
            f"The widget in {widget_dir} cannot be read. Build it with `make widget`."
        )
    return script


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the settings to serve TLS with. Raises ConfigError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ConfigError(
            f"The TLS certificate {certificate} and its key {key} cannot be used "
            f"({error.strerror or error}). Give PEM files that belong together: the whole chain "
            "with --tls-cert, its private key with --tls-key."
        ) from error
    return context


def is_reachable_by_browsers(url: str) -> bool:
    """Whether pages may use `url`: browsers want https, except on the machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or host in {"localhost", "::1"} or host.startswith("127.")


def _server(app: web.Application, listen: Listen, tls: ssl.SSLContext | None) -> WebServer:
    return WebServer(app, listen.host, listen.port, tls=tls)
