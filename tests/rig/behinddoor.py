"""A newspaper's network whose own address no reader reaches, with a real door to it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from passerelle.demo import herald
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.settings import ExitSettings
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.listen import ListenAddress
from passerelle.serve import BUILT_WIDGET, ServeConfig, Servers
from passerelle.wire import descriptor
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.gatewaykeys import SEED_BYTES, GatewaySeed, day_at
from tests.network import HOST, LOOPBACK
from tests.rig.baddoor import BadDoor
from tests.rig.door import door, door_url
from tests.rig.ports import free_port


@dataclass
class BehindDoor:
    """A network whose own address no reader reaches, a door to it, and a newspaper."""

    servers: Servers
    keys: Keyring
    door: str
    own: str
    """The base URL at which the servers really are."""
    site: str
    http: aiohttp.ClientSession
    metrics: str = ""
    """Where the operator's numbers are."""

    async def document(self) -> bytes:
        """Fetch the network's signed description through the door."""
        async with self.http.get(f"{self.door}/v1/network") as answer:
            return await answer.read()

    async def description(self) -> Descriptor:
        """Return what it says."""
        document = await self.document()
        return descriptor.verify(document, self.servers.invite.operator_key, now_s=time.time())

    async def named(self) -> Descriptor:
        """Wait until the description names all doors."""
        async with asyncio.timeout(10):
            while True:
                found = await self.description()
                if len(found.doors) == len(self.servers.door_keys):
                    return found
                await asyncio.sleep(0.05)


def hidden_network(
    site_port: int,
    at: str,
    keys: Keyring,
    port: int | None = None,
    *,
    bad: str | None = None,
    metrics_port: int | None = None,
) -> tuple[Servers, str]:
    """Return a network for the newspaper at this port, and the URL at which it really is.

    Nothing answers at the addresses that its description names, unless `port` says where it is.
    The door `bad` is named before the one `at`.
    """
    told = free_port() if port is None else port
    port, seed = port or free_port(), secrets.token_bytes(SEED_BYTES)
    policy = replace(LOOPBACK, sites=(herald.NAME,), ports=frozenset({site_port}))
    config = ServeConfig(
        name="a network behind a door",
        url=f"http://{HOST}:{told}",
        listen=ListenAddress(HOST, port),
        settings=ExitSettings(policy=policy, gateway=GatewaySettings(plain_http=True)),
        gateway_seed=lambda now_s: GatewaySeed(day_at(now_s) - 1, seed),
        metrics_listen=ListenAddress(HOST, metrics_port) if metrics_port else None,
        doors=(at,) if bad is None else (bad, at),
        widget_dir=BUILT_WIDGET,
    )
    return Servers(config, keys), f"http://{HOST}:{port}"


@asynccontextmanager
async def behind_a_door(
    kind: str, folder: Path, bad: BadDoor | None = None, port: int | None = None
) -> AsyncIterator[BehindDoor]:
    """Run everything; the network names the `bad` door before the good one.

    Nothing answers at the network's own address, unless `port` says where it is.
    """
    at, metrics = free_port(), free_port()
    url = door_url(at)
    async with WebServer(herald.newspaper(), HOST, 0) as site:
        keys = Keyring.generate()
        servers, own = hidden_network(
            site.port, url, keys, port, bad=bad.url if bad else None, metrics_port=metrics
        )
        if bad is not None:
            bad.upstream = own
        key = servers.door_keys[url]
        async with door(kind, at, own, key, folder), servers, aiohttp.ClientSession() as http:
            yield BehindDoor(
                *(servers, keys, url, own, f"http://{herald.NAME}:{site.port}", http),
                metrics=f"http://{HOST}:{metrics}/metrics",
            )
