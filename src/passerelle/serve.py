"""Broker and exit of a small operator, in one process.

They share one port, or each has its own. The network's descriptor is made and signed here, and
signed anew before it expires.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import web

from passerelle import limits, serverlimits
from passerelle.broker.assets import MANIFEST, script_in
from passerelle.broker.config import CAUTIOUS, BrokerConfig
from passerelle.broker.service import Broker
from passerelle.core import embed
from passerelle.core.address.classes import AddressClass, IPNetwork, classify
from passerelle.core.address.host import join_authority
from passerelle.doorwatch import DoorWatch
from passerelle.errors import ConfigError
from passerelle.exit.announcer import Announcer
from passerelle.exit.gateway.keys import SeedSource
from passerelle.exit.service import Exit
from passerelle.exit.settings import ExitSettings
from passerelle.gatewayfile import gateway_entry
from passerelle.io.net.locations import LocationDatabase as LocationDatabase
from passerelle.io.server.bus import Bus, connect
from passerelle.io.server.metrics import Metrics, MetricsServer
from passerelle.io.server.processes import WORKER_SLACK_S, Workers
from passerelle.io.server.web import WebServer, application
from passerelle.io.server.web import tls_context as tls_context
from passerelle.io.tasks import TaskSet
from passerelle.keyring import LIFETIME_S, Keyring
from passerelle.listen import LAST_PORT, ListenAddress
from passerelle.reachability import unreachable
from passerelle.readingpage import broker_page
from passerelle.wire.bus import Subjects
from passerelle.wire.descriptor import Descriptor, GatewayEntry
from passerelle.wire.doors import door_key
from passerelle.wire.invite import Invite
from passerelle.wire.publishers import Publishers
from passerelle.wire.ways import AmpWay, DirectWay, DoorWay, Way
from passerelle.wire.websocket import LINK_PATH

BUILT_WIDGET: Final = Path(__file__).parent / "_widget"
EXIT_ID: Final = "exit-1"
WORKER_MARK: Final = "{n}"
"""The text in --exit-url that stands for a worker's number."""
STUN_GRACE_S: Final = 5.0
"""How long the STUN server may take to end: it has nothing to finish."""
RENEWAL_CHECK_S: Final = 600.0
"""Time between two looks at the descriptor's age. One timer for all its life would stand still
while the machine sleeps."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """What an operator decides about the servers of a network."""

    name: str
    """The network's name, shown to people."""
    url: str
    """Public base URL of the broker (`https:`)."""
    listen: ListenAddress
    """Where the broker accepts connections."""
    exit_listen: ListenAddress | None = None
    """Where the exit accepts connections; None if on the broker's port."""
    exit_url: str | None = None
    """Public base URL of the exit (`https:` or `wss:`); None if it is the broker's."""
    tls: ssl.SSLContext | None = None
    """Settings of TLS on these ports; None if a server in front does it."""
    settings: ExitSettings = field(default_factory=ExitSettings)
    """What the exit connects to, its quotas, its lifetimes and its site for strangers."""
    workers: int = 0
    """How many exits run as processes, on ports from `exit_listen` on; 0 for one in this
    process."""
    worker_line: Callable[[int], list[str]] | None = None
    """The command line of each by its number; it comes with `workers`."""
    worker_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables of the workers, beside this process's own."""
    metrics_listen: ListenAddress | None = None
    """Loopback address of `/metrics`, for the broker and an exit in this process."""
    bus: str | None = field(default=None, repr=False)
    """URL of the NATS server that brokers and exits share; None if this process is alone."""
    more_brokers: tuple[str, ...] = ()
    """Public base URLs of the network's other brokers; they have the same keys."""
    has_exit: bool = True
    """Whether exits run here; if not, they run elsewhere, at `exit_url`."""
    stun: tuple[str, ...] = ()
    """STUN servers of others, as `stun:host:port`."""
    stun_listen: ListenAddress | None = None
    """Where STUN is answered, on this port and the next; None answers none."""
    ways: tuple[Way, ...] = ()
    """Ways to the broker beside its own address, for readers whose network blocks it."""
    doors: tuple[str, ...] = ()
    """Base URLs of web servers of others that pass sealed messages on to broker and exits."""
    gateway_seed: SeedSource | None = None
    """The seed of the gateways' keys; None if exits have none."""
    direct: bool = False
    """Whether readers who find no volunteer may reach the exit without one."""
    private_candidates: bool = False
    """Whether peers may name private addresses. They always may where the broker's own address is
    private, because such a network is a laboratory."""
    widget_dir: Path | None = None
    """Folder of the built widget; None serves none."""
    kept_dir: Path | None = None
    """Folder where builds of the widget are kept for pages that pin one; None keeps none."""
    extensions: embed.Extensions = field(default_factory=embed.Extensions)
    """Where the network's browser extension is, for the tags that publishers take."""
    publishers: Callable[[], Publishers] = Publishers
    """Returns the publishers that may see figures of their volunteers, as they are now."""
    counts_file: Path | None = None
    """Where the counts behind these figures outlive a restart; None keeps none."""
    places: LocationDatabase = field(default_factory=LocationDatabase)
    """Tells the countries and networks of readers and volunteers."""
    cautious: frozenset[str] = CAUTIOUS
    """Countries whose volunteers are asked a second time before anybody comes to them."""
    trusted_proxies: tuple[IPNetwork, ...] = ()
    """Proxies whose X-Forwarded-For is believed."""
    front_networks: tuple[IPNetwork, ...] = ()
    """Networks of caches and fronts that do not say for whom they ask."""
    network_volunteers: int = serverlimits.DISCLOSED_VOLUNTEERS
    """Volunteers that one client network learns of in a day, at most."""
    minimum: tuple[int, int, int] | None = None
    """The oldest release of client and widget that is let in; None lets any in."""
    lifetime_s: int = LIFETIME_S
    """Life of a descriptor."""


class Servers:
    """The servers of a network, running for the length of an `async with`.

    Leaving lets exits serve on until nothing moves through them, for `drain_s` at most, while the
    broker goes on. Then it sends volunteers and clients away in good order, and closes the ports.
    Cancelling it does not wait.
    """

    def __init__(
        self, config: ServeConfig, keys: Keyring, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` tells Unix time. Raises ConfigError when the network cannot be described."""
        self._config = config
        self._keys = keys
        self._clock = clock
        self._exit_urls = exit_urls(config)
        self._doors = DoorWatch(config.doors, keys, EXIT_ID, changed=self._describe_again)
        doors = tuple(DoorWay(url) for url in config.doors)
        ways = (*config.ways, *doors)[: limits.WAYS]
        self.invite: Invite = keys.invite(config.url.rstrip("/"), ways)
        """The invite for readers; volunteers get it without its ways."""
        self._descriptor, self.document = self._describe()
        """The signed descriptor, as it was at the start."""
        self._metrics = Metrics()
        self._broker = Broker(
            BrokerConfig(
                seal_key=keys.broker_seal,
                ticket_key=keys.broker_ticket,
                document=self.document,
                descriptor=self._descriptor,
                widget_dir=config.widget_dir,
                kept_dir=config.kept_dir,
                extensions=config.extensions,
                publishers=config.publishers,
                counts_file=config.counts_file,
                front=not _has_face(config),
                places=config.places,
                cautious=config.cautious,
                invite=str(self.invite.plain),
                reading_page=broker_page(str(self.invite.plain), self._descriptor),
                trusted_proxies=config.trusted_proxies,
                amp=any(isinstance(way, AmpWay) for way in config.ways),
                front_networks=config.front_networks,
                doors=config.doors,
                network_volunteers=config.network_volunteers,
                minimum=config.minimum,
            ),
            clock=clock,
            metrics=self._metrics,
        )
        self._metrics.gauges(
            "broker_door_up", "Whether a door works.", "door", lambda: self._doors.states
        )
        self._metrics.gauge(
            "broker_doors", "Doors that work.", lambda: len(self._doors.working), exact=True
        )
        self._workers: Workers | None = None
        self._exit: Exit | None = None
        self._stack = AsyncExitStack()

    @property
    def tag(self) -> str | None:
        """The tag that a publisher pastes into a page; None if no widget is served."""
        if self._config.widget_dir is None:
            return None
        choices = embed.Choices(extensions=self._config.extensions)
        return widget_tag(self._config.widget_dir, self.invite.plain, choices)

    async def unreachable(self) -> list[str]:
        """Return a sentence for each public address that does not lead here or to an exit.

        An exit at the broker's own address needs no look of its own. Cancelling ends the search.
        """
        elsewhere = self._exit_urls if self._config.exit_url is not None else {}
        return await unreachable(self.invite.url, elsewhere, self._keys)

    @property
    def stun(self) -> tuple[str, ...]:
        """The STUN servers that the network's descriptor names."""
        return self._descriptor.stun

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError when a port or the bus cannot be opened."""
        async with AsyncExitStack() as stack:
            config = self._config
            app = application()
            if config.metrics_listen is not None:
                at = config.metrics_listen
                await stack.enter_async_context(MetricsServer(self._metrics, at.host, at.port))
            channel = await connect(config.bus, name="serve")
            stack.push_async_callback(channel.close)
            await self._broker.start(channel)
            self._broker.add_routes(app)
            if config.has_exit and config.workers:
                await self._start_workers(stack)
            elif config.has_exit:
                await self._start_exit(stack, app, channel)
            await stack.enter_async_context(_server(app, config.listen, config))
            if config.stun_listen is not None:
                await stack.enter_async_context(_stun_process(config.stun_listen))
            # The stack unwinds from its end: the goodbye is said while the ports are still open.
            if self._exit is not None:
                # Links that nothing ends would keep the web server's ports closed, and the process
                # waiting, for the whole of its grace time.
                stack.push_async_callback(self._exit.close)
            stack.push_async_callback(self._broker.close)
            # Every exit of the network ends now, so nobody could take over what one of them has.
            if self._workers is not None:
                stack.push_async_callback(self._workers.finish)
            if self._exit is not None:
                stack.push_async_callback(self._exit.finish)
            tasks = await stack.enter_async_context(TaskSet("serve"))
            tasks.spawn(self._keep_fresh(), "renewal")
            tasks.spawn(self._doors.run(), "doors")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _start_exit(self, stack: AsyncExitStack, app: web.Application, channel: Bus) -> None:
        config = self._config
        settings = config.settings
        keys = (self._keys.broker_ticket.public_key(),)
        told = settings.config(
            EXIT_ID,
            self._keys.exit_link,
            keys,
            direct=config.direct or bool(config.doors),
            trusted_proxies=config.trusted_proxies,
            gateway_seed=config.gateway_seed,
        )
        announcer = Announcer(channel, Subjects(*keys), self._keys.exit_link.signing_key)
        stack.push_async_callback(announcer.close)
        self._exit = exit_ = Exit(
            told,
            reporter=announcer,
            metrics=self._metrics,
            ask_broker=self._broker.introduce,
            doors={key: url for url, key in self.door_keys.items()},
        )
        announcer.announce(exit_.load)
        stack.push_async_callback(exit_.close)
        if config.exit_listen is None:
            exit_.add_routes(app)
            return
        own = application()
        exit_.add_routes(own)
        await stack.enter_async_context(_server(own, config.exit_listen, config))

    async def _start_workers(self, stack: AsyncExitStack) -> None:
        config = self._config
        assert config.worker_line is not None  # given with `workers`
        grace_s = config.settings.lifetimes.drain_s + WORKER_SLACK_S
        self._workers = Workers(
            config.worker_line,
            config.workers,
            grace_s=grace_s,
            environment=config.worker_environment,
        )
        await stack.enter_async_context(self._workers)

    def restart_workers(self) -> None:
        """Restart the exit's workers one by one, in the background."""
        if self._workers is not None:
            self._workers.restart_soon()

    def renew(self) -> bool:
        """Sign the descriptor anew if half of its life is over; return whether it was."""
        age_s = self._clock() - self._descriptor.issued_s
        if age_s < self._config.lifetime_s / 2:
            return False
        self._describe_again()
        _log.info("the network's descriptor was signed anew")
        return True

    @property
    def door_keys(self) -> dict[str, str]:
        """The key of each door, by its URL: it belongs into the door's own settings."""
        return {url: door_key(self._keys.broker_seal, url) for url in self._config.doors}

    def _describe_again(self) -> None:
        self._descriptor, document = self._describe()
        self._broker.publish(document)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(min(RENEWAL_CHECK_S, self._config.lifetime_s / 4))
            self.renew()
            if self._config.gateway_seed is not None:
                # The seed of the day before yesterday must not stay on the disk.
                self._config.gateway_seed(self._clock())

    def _describe(self) -> tuple[Descriptor, bytes]:
        return self._keys.descriptor(
            self._config.name,
            broker_url=self.invite.url,
            exit_url=self._exit_urls[EXIT_ID],
            exit_id=EXIT_ID,
            more_brokers=self._config.more_brokers,
            more_exits=self._exit_urls,
            stun=(*self._config.stun, *_own_stun(self._config)),
            ways=(DirectWay(), *self._config.ways) if self._config.ways else (),
            direct=self._config.direct,
            private_candidates=self._config.private_candidates or is_laboratory(self.invite.url),
            gateways=self._gateways(),
            doors=self._doors.working,
            now_s=self._clock(),
            lifetime_s=self._config.lifetime_s,
        )

    def _gateways(self) -> dict[str, GatewayEntry]:
        source, sites = self._config.gateway_seed, self._config.settings.policy.sites
        if source is None or sites is None:
            return {}
        seed = source(self._clock())
        return {
            exit_id: gateway_entry(seed, exit_id, sites, self._config.lifetime_s)
            for exit_id in self._exit_urls
        }


def exit_url(config: ServeConfig) -> str:
    """Return the URL that volunteers open links to. Raises ConfigError."""
    own = link_url(config.url)
    return link_url(config.exit_url) if config.exit_url else own


def link_url(base: str) -> str:
    """Return the URL of links at an exit's public address. Raises ConfigError."""
    scheme, colon, rest = base.partition("://")
    wanted = {"https": "wss", "wss": "wss", "http": "ws", "ws": "ws"}.get(scheme.lower())
    if not colon or wanted is None or not rest.strip("/") or set(rest) & set("?#@ "):
        raise ConfigError(
            f"{base!r} is no public address. Write a URL such as https://bridge.example."
        )
    return f"{wanted}://{rest.rstrip('/')}{LINK_PATH}"


def exit_urls(config: ServeConfig) -> dict[str, str]:
    """Return the URL of each exit by its id. Raises ConfigError."""
    first = exit_url(config)
    if config.workers < 2:
        return {EXIT_ID: first}
    parts = urlsplit(first)
    numbers = range(1, config.workers + 1)
    if WORKER_MARK in first:
        return {f"exit-{n}": first.replace(WORKER_MARK, str(n)) for n in numbers}
    if parts.port is None:
        raise ConfigError(
            f"{config.exit_url or config.url!r} says nothing about workers. Give --exit-url a "
            "port, which the first worker has and the next ones count up from, or {n} where the "
            "worker's number belongs, for example https://exit-{n}.bridge.example."
        )
    host = parts.netloc.rpartition(":")[0]
    return {
        f"exit-{n}": parts._replace(netloc=f"{host}:{parts.port + n - 1}").geturl() for n in numbers
    }


def stun_ports(listen: ListenAddress) -> tuple[int, int]:
    """Return the two ports that STUN is answered on. Raises ConfigError."""
    if listen.port == LAST_PORT:
        raise ConfigError(
            f"A STUN server takes two ports, and there is none after {LAST_PORT}. Choose a lower "
            "one; 3478 is the usual one."
        )
    return listen.port, listen.port + 1


def _stun_process(listen: ListenAddress) -> Workers:
    """Return the STUN server as a process of its own.

    Anybody may forge requests to it, so a flood of them must not take this process's time.
    """
    where = f"{join_authority(listen.host, listen.port)}" if listen.host else f":{listen.port}"
    line = [sys.executable, "-m", "passerelle", "stun", "--listen", where, "--worker"]
    return Workers(lambda _number: line, 1, grace_s=STUN_GRACE_S, name="STUN server")


def _own_stun(config: ServeConfig) -> Iterator[str]:
    """Yield the URLs of the STUN server beside this process."""
    if config.stun_listen is not None:
        host = urlsplit(config.url).hostname or ""
        for port in stun_ports(config.stun_listen):
            yield f"stun:{join_authority(host, port)}"


def widget_tag(widget_dir: Path, invite: Invite, choices: embed.Choices | None = None) -> str:
    """Return the tag for a publisher's page, with the script's exact hash in it.

    Raises ConfigError when the widget was not built.
    """
    return embed.tag(widget_script(widget_dir), invite, choices)


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


def is_laboratory(url: str) -> bool:
    """Whether nobody outside this machine or site can reach the host in `url`."""
    host = urlsplit(url).hostname or ""
    try:
        return classify(ipaddress.ip_address(host)) is not AddressClass.PUBLIC
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_reachable_by_browsers(url: str) -> bool:
    """Whether pages may use `url`: browsers demand https, except on the machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or host in {"localhost", "::1"} or host.startswith("127.")


def _has_face(config: ServeConfig) -> bool:
    """Whether an exit shows the operator's own site at the broker's address."""
    is_here = config.has_exit and not config.workers and config.exit_listen is None
    return is_here and config.settings.face is not None


def _server(app: web.Application, listen: ListenAddress, config: ServeConfig) -> WebServer:
    return WebServer(app, listen.host, listen.port, tls=config.tls, trusted=config.trusted_proxies)
