"""A front door to a network's real broker, which reads what is asked and can be shut."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from passerelle.io.server.web import WebServer, application
from passerelle.wire import rendezvous, ways
from passerelle.wire.descriptor import DoorEntry
from passerelle.wire.rendezvous import RendezvousRequest
from tests.network import EXIT_ID, HOST, KEYS, Network


class Gateway:
    """Hands each sealed request on to the broker, and remembers what was in it."""

    def __init__(self, net: Network, http: aiohttp.ClientSession) -> None:
        self._net = net
        self._http = http
        self.requests: list[RendezvousRequest] = []
        self.is_shut = False
        """Answer nothing but 503."""
        self.document: bytes
        """The network's descriptor, with this as its broker."""

    def describe(self, url: str, *, direct: bool, doors: Sequence[DoorEntry]) -> None:
        """Sign a descriptor that names `url` as the network's broker."""
        more = {each: at for each, at in self._net.exit_urls.items() if each != EXIT_ID}
        _, self.document = KEYS.descriptor(
            "test",
            broker_url=url,
            exit_url=self._net.exit_urls[EXIT_ID],
            exit_id=EXIT_ID,
            more_exits=more,
            now_s=time.time(),
            lifetime_s=3600,
            direct=direct,
            doors=doors,
            private_candidates=True,
        )

    async def handle(self, request: web.Request) -> web.Response:
        if self.is_shut:
            return web.Response(status=503)
        sealed = await request.read()
        self.requests.append(rendezvous.open_request(sealed, KEYS.broker_seal))
        url = f"{self._net.url}{ways.RENDEZVOUS_PATH}"
        async with self._http.post(url, data=sealed) as answer:
            return web.Response(status=answer.status, body=await answer.read())


@asynccontextmanager
async def gateway(
    net: Network, *, direct: bool = False, doors: Sequence[DoorEntry] = ()
) -> AsyncIterator[Gateway]:
    """A gateway to `net`; `direct` as in `Network.start`, `doors` as in a descriptor."""
    async with aiohttp.ClientSession() as http:
        made = Gateway(net, http)
        app = application()
        app.router.add_post(ways.RENDEZVOUS_PATH, made.handle)
        async with WebServer(app, HOST, 0, grace_s=0.1) as server:
            made.describe(f"http://{HOST}:{server.port}", direct=direct, doors=doors)
            yield made


def udp_sockets() -> int:
    """How many UDP sockets this process holds: what WebRTC offers have gathered."""
    tables = (Path(f"/proc/self/net/{name}").read_text("ascii") for name in ("udp", "udp6"))
    inodes = {line.split()[9] for table in tables for line in table.splitlines()[1:]}
    count = 0
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the handle that lists them
            count += str(handle.readlink()).removeprefix("socket:[").removesuffix("]") in inodes
    return count
