"""The gateway of the real program, with keys from the signed descriptor."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from passerelle.gatewayfile import GATEWAY_FILE
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.wire import descriptor
from passerelle.wire.descriptor import GatewayEntry
from passerelle.wire.gatewayframes import SUBPROTOCOL
from passerelle.wire.gatewaykeys import day_at
from passerelle.wire.oblivious import KeyConfiguration
from passerelle.wire.tickets import Ticket, TicketKind, sign
from tests.exit.gateway.scene import SITE, Publisher
from tests.network import HOST
from tests.program import passerelle
from tests.rig.pagereader import PageReader
from tests.rig.ports import free_port

EXIT_ID = "exit-1"


class Network:
    """A network that runs as a program."""

    def __init__(self, url: str, keys: Keyring, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._keys = keys
        self._http = http

    async def gateway(self) -> GatewayEntry:
        """Return what the signed descriptor says of the gateway."""
        async with self._http.get(f"{self._url}/v1/network") as answer:
            document = await answer.read()
        operator = self._keys.operator.public_key().public_bytes_raw()
        exit_ = descriptor.verify(document, operator, now_s=time.time()).exit(EXIT_ID)
        assert exit_ is not None
        assert exit_.gateway is not None
        return exit_.gateway

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[PageReader]:
        """A reader that takes the key of the day from the descriptor."""
        entry = await self.gateway()
        day = day_at(time.time() - 3600)
        configuration = KeyConfiguration.decode(entry.keys[day - entry.first_day])
        url = f"{self._url.replace('http', 'ws')}/v1/link"
        link, client = (self._ticket(kind) for kind in (TicketKind.LINK, TicketKind.CLIENT))
        socket = await self._http.ws_connect(url, protocols=(SUBPROTOCOL, link))
        assert socket.protocol == SUBPROTOCOL
        async with PageReader(socket, configuration, client) as reader:
            yield reader

    def _ticket(self, kind: TicketKind) -> str:
        made = Ticket(kind, EXIT_ID, int(time.time()) + 60, secrets.token_bytes(16))
        return sign(made, self._keys.broker_ticket)


@asynccontextmanager
async def network(state: Path, settings: Path, port: int) -> AsyncIterator[Network]:
    url = f"http://{HOST}:{port}"
    words = ["serve", "--state", str(state), "--url", url, "--listen", f"{HOST}:{port}"]
    async with (
        passerelle([*words, "--config", str(settings)]) as program,
        aiohttp.ClientSession() as http,
    ):
        await program.until("Invite for readers")
        yield Network(url, Keyring.open(state), http)


@pytest.mark.timeout(120)
async def test_a_page_reads_by_the_descriptor_alone(tmp_path: Path) -> None:
    """Names and keys come from the signed descriptor, and hold over a restart; a request that a
    volunteer kept does not."""
    publisher = Publisher()
    state, settings, port = tmp_path / "state", tmp_path / "exit.toml", free_port()
    async with WebServer(publisher.app, HOST, 0, grace_s=0.1) as site:
        url = f"http://{SITE}:{site.port}"
        settings.write_text(
            f'[policy]\nmode = "site"\nsites = ["{SITE}"]\nports = [{site.port}]\n'
            'allow = ["127.0.0.0/8"]\n[gateway]\nplain_http = true\n'
        )
        async with network(state, settings, port) as made:
            entry = await made.gateway()
            assert entry.sites == (SITE,)
            assert (state / GATEWAY_FILE).exists()
            async with made.reader() as reader:
                answer = await reader.ask("GET", f"{url}/story")
                assert (answer.status, answer.content) == (200, b"story 1")
                answer = await reader.ask("GET", f"http://{SITE}:{port}/")
                assert answer.refusal == "name"
                kept = reader.seal("POST", f"{url}/comment", content=b"once")
                assert (await reader.finish(await reader.begin(kept))).status == 200
        async with network(state, settings, port) as made:
            assert (await made.gateway()).keys == entry.keys
            async with made.reader() as reader:
                assert (await reader.ask("GET", f"{url}/story")).status == 200
                again = await reader.finish(await reader.begin(kept))
                assert again.refusal == "clock"
        assert publisher.count("/comment") == 1
