"""`passerelle serve` and `passerelle exit` with workers, as real processes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from passerelle import serverlimits
from passerelle.io.server.bus import connect
from passerelle.io.tunnel.websocket import SUBPROTOCOL
from passerelle.keyring import Keyring
from passerelle.wire import bus_signature
from passerelle.wire.bus import ExitLoad, Subjects
from passerelle.wire.tickets import Ticket, TicketKind, sign
from tests.program import Program, passerelle
from tests.rig.nats import nats_server
from tests.rig.ports import free_port

pytestmark = pytest.mark.timeout(60)
HOST = "127.0.0.1"
PASSWORD = "correct-horse"
STARTED = {"serve": "Invite", "exit": "exits serve"}


@asynccontextmanager
async def workers(
    verb: str, state: Path, port: int, *words: str, **environment: str
) -> AsyncIterator[Program]:
    """Run two workers of `passerelle serve` or `passerelle exit`, the first on `port`."""
    at = f"{HOST}:{port}"
    broker = free_port()
    serve = ("--url", f"http://{HOST}:{broker}", "--listen", f"{HOST}:{broker}")
    own = {
        "serve": (*serve, "--exit-listen", at, "--exit-url", f"http://{at}"),
        "exit": ("--listen", at),
    }
    line = [verb, "--state", str(state), "--workers", "2", *own[verb], *words]
    async with passerelle(line, **environment) as program:
        await program.until(STARTED[verb])
        yield program


def link_ticket(keys: Keyring) -> str:
    made = Ticket(TicketKind.LINK, "exit-1", int(time.time()) + 60, secrets.token_bytes(16))
    return sign(made, keys.broker_ticket)


@pytest.mark.parametrize("verb", STARTED)
async def test_behind_a_trusted_proxy_links_count_for_each_network(
    tmp_path: Path, verb: str
) -> None:
    """One network fills its share of a worker, and others still come in."""
    keys, port = Keyring.open_or_create(tmp_path), free_port()

    async def link(http: aiohttp.ClientSession, sender: str) -> aiohttp.ClientWebSocketResponse:
        return await http.ws_connect(
            f"http://{HOST}:{port}/v1/link",
            protocols=(SUBPROTOCOL, link_ticket(keys)),
            headers={"X-Forwarded-For": sender},
        )

    async with (
        workers(verb, tmp_path, port, "--trust-proxy", f"{HOST}/32"),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        most = serverlimits.HTTP_CONNECTIONS_OF_NETWORK
        held = [await link(http, f"8.8.8.{number % 256}") for number in range(most)]
        with pytest.raises(aiohttp.ClientConnectionError):
            await link(http, "8.8.8.8")
        held.append(await link(http, "9.9.9.9"))
        assert not any(each.closed for each in held)


@pytest.mark.parametrize("verb", STARTED)
async def test_workers_reach_a_bus_with_a_password_that_no_command_line_shows(
    tmp_path: Path, verb: str
) -> None:
    """No process has the address, which the parent got by its environment, in its line."""
    keys = Keyring.open_or_create(tmp_path)
    heard: set[str] = set()
    news = asyncio.Event()

    subject = Subjects(keys.broker_ticket.public_key()).exit
    pins = (keys.exit_link.spki_sha256,)

    def hear(message: bytes) -> None:
        load = bus_signature.read(message, ExitLoad, subject, lambda _: pins)
        assert load is not None
        heard.add(load.exit_id)
        news.set()

    with nats_server(PASSWORD) as server:
        channel = await connect(server.url, name="test")
        try:
            await channel.subscribe(subject, hear)
            async with workers(verb, tmp_path, free_port(), PASSERELLE_BUS=server.url) as program:
                while heard != {"exit-1", "exit-2"}:
                    news.clear()
                    await news.wait()
                lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in program.descendants()]
                assert sum(b"--worker\0" in line for line in lines) == 2
                assert not any(PASSWORD.encode() in line for line in lines)
        finally:
            await channel.close()
