"""A whole network on loopback: a real broker, an exit, volunteers without browsers, and clients."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.broker.config import BrokerConfig
from passerelle.broker.service import Broker
from passerelle.client.config import ClientConfig
from passerelle.client.notices import Notice
from passerelle.client.service import Client
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.exit.config import ExitConfig
from passerelle.exit.service import Exit
from passerelle.io.server.web import WebServer, application
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.keyring import Keyring
from passerelle.wire.tickets import Ticket, TicketKind, sign
from tests.rig.ports import free_port
from tests.volunteer import Volunteer

HOST = "127.0.0.1"
EXIT_ID = "exit1"
SPARE_ID = "exit2"
LOOPBACK = ConnectionPolicy(
    allow=(ipaddress.ip_network("127.0.0.0/8"),), ports=None, udp_ports=None
)
KEYS = Keyring.generate()


def exit_config(**changes: Any) -> ExitConfig:
    """Return the configuration of the test network's exit, with `changes`."""
    made = ExitConfig(EXIT_ID, KEYS.exit_link, (KEYS.broker_ticket.public_key(),), LOOPBACK)
    return replace(made, **changes)


def ticket(
    kind: TicketKind,
    *,
    exit_id: str = EXIT_ID,
    life_s: int = 60,
    key: Ed25519PrivateKey = KEYS.broker_ticket,
    tags: bytes = b"",
) -> str:
    """Return a ticket, signed as the broker would sign it."""
    expires_s = int(time.time()) + life_s
    return sign(Ticket(kind, exit_id, expires_s, secrets.token_bytes(16), tags), key)


class Watch:
    """Records a client's notices, and waits for them."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self._news = asyncio.Event()

    def __call__(self, notice: Notice) -> None:
        self.notices.append(notice)
        self._news.set()

    def count(self, kind: type[Notice]) -> int:
        return sum(isinstance(notice, kind) for notice in self.notices)

    async def until(self, kind: type[Notice], count: int = 1, *, timeout_s: float = 10.0) -> Notice:
        """Return the `count`-th notice of a kind as soon as there is one; fail in the end."""
        async with asyncio.timeout(timeout_s):
            while self.count(kind) < count:
                self._news.clear()
                await self._news.wait()
        return [notice for notice in self.notices if isinstance(notice, kind)][count - 1]


class Network:
    """Broker and exit in one server; `volunteer` and `client` add volunteers and clients."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.exit: Exit
        self.spare: Exit
        """The second exit, if `start` was asked for one."""
        self.url: str
        self.document: bytes
        self.exit_urls: dict[str, str] = {}

    async def start(
        self,
        port: int = 0,
        *,
        age_s: float = 0,
        direct: bool = False,
        spare: bool = False,
        broker_changes: Mapping[str, Any] | None = None,
        **exit_changes: Any,
    ) -> None:
        """Start the server with the broker and the exit, and a second exit if `spare`."""
        port = port or free_port()  # the descriptor names it before anything listens
        self.url = f"http://{HOST}:{port}"
        self.exit_urls = {EXIT_ID: f"ws://{HOST}:{port}/v1/link"}
        if spare:
            self.exit_urls[SPARE_ID] = await self._start_spare()
        descriptor, self.document = KEYS.descriptor(
            "test",
            broker_url=self.url,
            exit_url=self.exit_urls[EXIT_ID],
            exit_id=EXIT_ID,
            more_exits={each: url for each, url in self.exit_urls.items() if each != EXIT_ID},
            now_s=time.time() - age_s,
            lifetime_s=3600,
            direct=direct,
            private_candidates=True,
        )
        broker_config = BrokerConfig(
            seal_key=KEYS.broker_seal,
            ticket_key=KEYS.broker_ticket,
            document=self.document,
            descriptor=descriptor,
            grace_s=0.2,
            amp=True,
        )
        broker = Broker(replace(broker_config, **(broker_changes or {})))
        self.exit = Exit(exit_config(direct=direct, **exit_changes))
        app = application()
        broker.add_routes(app)
        self.exit.add_routes(app)
        await self._stack.enter_async_context(WebServer(app, HOST, port, grace_s=0.2))
        self._stack.push_async_callback(self.exit.close)
        self._stack.push_async_callback(broker.close)

    async def _start_spare(self) -> str:
        self.spare = Exit(exit_config(exit_id=SPARE_ID))
        app = application()
        self.spare.add_routes(app)
        server = await self._stack.enter_async_context(WebServer(app, HOST, 0, grace_s=0.2))
        self._stack.push_async_callback(self.spare.close)
        return f"ws://{HOST}:{server.port}/v1/link"

    async def volunteer(self, **options: Any) -> Volunteer:
        made = Volunteer(self.url, self.exit_urls, **options)
        return await self._stack.enter_async_context(made)

    def client_config(self, **changes: Any) -> ClientConfig:
        made = ClientConfig(
            invite=KEYS.invite(self.url),
            listen_port=0,
            links=1,
            patience_s=10.0,
            retry_s=(0.02, 0.1),
            spare_retry_s=(0.02, 0.1),
        )
        return replace(made, **changes)

    async def client(self, **changes: Any) -> tuple[Client, Watch]:
        """Return a started client, and the record of its notices."""
        watch = Watch()
        client = Client(self.client_config(**changes), watch)
        self._stack.push_async_callback(client.close)
        await client.start()
        return client, watch


@asynccontextmanager
async def network(**options: Any) -> AsyncIterator[Network]:
    """Yield a running network, and stop it at the end."""
    async with AsyncExitStack() as stack:
        made = Network(stack)
        await made.start(**options)
        yield made


def impostor() -> dict[str, Any]:
    """Return options of an exit whose key is not the one that the descriptor names."""
    return {"identity": LinkIdentity.generate()}
