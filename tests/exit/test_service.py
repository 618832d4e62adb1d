from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest

from passerelle import limits
from passerelle.errors import LinkCode
from passerelle.exit.config import Lifetimes
from passerelle.exit.reports import LinkReport, Reporter
from passerelle.exit.service import Exit
from passerelle.io.server.metrics import Metrics
from passerelle.io.server.web import WebServer, application
from passerelle.io.tunnel.websocket import SUBPROTOCOL
from passerelle.wire.tickets import Ticket, TicketKind, sign
from passerelle.wire.websocket import CLOSE_CODE_BASE
from tests.network import EXIT_ID, HOST, KEYS, exit_config, ticket

VOLATILE = {"date"}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Scene:
    """A running exit, asked by strangers and volunteers."""

    def __init__(self, exit_: Exit, url: str, http: aiohttp.ClientSession) -> None:
        self.exit = exit_
        self.url = url
        self.http = http

    async def answer(
        self, verb: str, path: str, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body that a stranger gets."""
        async with self.http.request(verb, self.url + path, headers=headers) as response:
            seen = {k.lower(): v for k, v in response.headers.items() if k.lower() not in VOLATILE}
            return response.status, seen, await response.read()

    async def open(self, link_ticket: str, **headers: str) -> aiohttp.ClientWebSocketResponse:
        return await self.http.ws_connect(
            self.url + "/v1/link", protocols=(SUBPROTOCOL, link_ticket), headers=headers
        )


@asynccontextmanager
async def scene(
    *, reporter: Reporter | None = None, metrics: Metrics | None = None, **changes: object
) -> AsyncIterator[Scene]:
    exit_ = Exit(exit_config(**changes), reporter=reporter, metrics=metrics)
    app = application()
    exit_.add_routes(app)
    async with WebServer(app, HOST, 0, grace_s=0.2) as server, aiohttp.ClientSession() as http:
        try:
            yield Scene(exit_, f"http://{HOST}:{server.port}", http)
        finally:
            await exit_.close()


STRANGERS = {
    "nothing": None,
    "no ticket": SUBPROTOCOL,
    "no protocol": ticket(TicketKind.LINK),
    "garbage": f"{SUBPROTOCOL}, nonsense",
    "expired": f"{SUBPROTOCOL}, {ticket(TicketKind.LINK, life_s=-5)}",
    "too long a life": f"{SUBPROTOCOL}, {ticket(TicketKind.LINK, life_s=86_400)}",
    "another exit's": f"{SUBPROTOCOL}, {ticket(TicketKind.LINK, exit_id='other')}",
    "a client's": f"{SUBPROTOCOL}, {ticket(TicketKind.CLIENT)}",
    "another signer's": f"{SUBPROTOCOL}, {ticket(TicketKind.LINK, key=KEYS.operator)}",
    "three parts": f"{SUBPROTOCOL}, {ticket(TicketKind.LINK)}, more",
}


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("kind", STRANGERS)
async def test_strangers_see_what_any_path_answers(kind: str, verb: str) -> None:
    """Status, headers and body are those of a path that does not exist."""
    protocols = STRANGERS[kind]
    headers = UPGRADE if protocols is None else {**UPGRADE, "Sec-WebSocket-Protocol": protocols}
    async with scene() as made:
        seen = await made.answer(verb, "/v1/link", **headers)
        assert seen[0] == 404
        assert seen == await made.answer(verb, "/kjsdhf", **headers)


async def test_link_ticket_is_good_once() -> None:
    """A ticket's second use is answered as a stranger's request."""
    async with scene() as made:
        text = ticket(TicketKind.LINK)
        socket = await made.open(text)
        assert socket.protocol == SUBPROTOCOL
        headers = {**UPGRADE, "Sec-WebSocket-Protocol": f"{SUBPROTOCOL}, {text}"}
        seen = await made.answer("GET", "/v1/link", **headers)
        assert seen == await made.answer("GET", "/other", **headers)
        await socket.close()


@pytest.mark.parametrize("full", ["links", "tickets"])
async def test_one_networks_links_lock_no_other_network_out(
    full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has most loses its newest link, and is itself refused while it has most."""
    if full == "tickets":
        monkeypatch.setattr(limits, "LINK_TICKETS_USED", 3)
    trusted = (ip_network(f"{HOST}/32"),)
    changes: dict[str, Any] = {"links": 3} if full == "links" else {}
    async with scene(trusted_proxies=trusted, **changes) as made:
        heavy, honest = ({"X-Forwarded-For": each} for each in ("8.8.8.8", "9.9.9.9"))
        held = [await made.open(ticket(TicketKind.LINK), **heavy) for _ in range(3)]
        held.append(await made.open(ticket(TicketKind.LINK), **honest))
        if full == "links":
            await held[2].receive()
            assert held[2].close_code == 4000 + LinkCode.LIMIT
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await made.open(ticket(TicketKind.LINK), **heavy)
        assert not held[3].closed
        for socket in held:
            await socket.close()


async def test_client_that_does_not_introduce_itself_is_not_waited_for() -> None:
    """The WebSocket is closed with TIMEOUT, and the link is forgotten."""
    async with scene(lifetimes=Lifetimes(handshake_s=0.02)) as made:
        socket = await made.open(ticket(TicketKind.LINK))
        async with asyncio.timeout(5):
            await socket.receive()
            assert socket.close_code == CLOSE_CODE_BASE + LinkCode.TIMEOUT
            while made.exit._links:  # noqa: ASYNC110  (a set has nothing to wait for)
                await asyncio.sleep(0.001)


@pytest.mark.parametrize("message", [b"", b"\xff\xff", b"\x00\x06oops!!"])
async def test_garbage_ends_the_link_with_a_code(message: bytes) -> None:
    """Bytes that are no link message close the WebSocket."""
    async with scene() as made:
        socket = await made.open(ticket(TicketKind.LINK))
        await socket.send_bytes(message)
        async with asyncio.timeout(5):
            await socket.receive()
        assert (socket.close_code or 0) > CLOSE_CODE_BASE


async def test_full_exit_looks_like_none() -> None:
    """Beyond its links an exit answers as to a stranger, and the ticket stays good."""
    async with scene(links=1) as made:
        socket = await made.open(ticket(TicketKind.LINK))
        text = ticket(TicketKind.LINK)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await made.open(text)
        assert caught.value.status == 404
        await socket.close()
        async with asyncio.timeout(5):
            while made.exit._links:  # noqa: ASYNC110  (a set has nothing to wait for)
                await asyncio.sleep(0.001)
        await (await made.open(text)).close()


async def test_closing_exit_sends_links_away() -> None:
    """Links are told, later ones are refused, and closing twice does nothing."""
    async with scene() as made:
        socket = await made.open(ticket(TicketKind.LINK))
        await made.exit.close()
        await made.exit.close()
        async with asyncio.timeout(5):
            await socket.receive()
        assert socket.close_code == CLOSE_CODE_BASE + LinkCode.DRAINING
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await made.open(ticket(TicketKind.LINK))


class Reports:
    """A Reporter that keeps what it gets."""

    def __init__(self) -> None:
        self.made: list[LinkReport] = []
        self.news = asyncio.Event()

    def link_ended(self, report: LinkReport) -> None:
        self.made.append(report)
        self.news.set()


async def test_links_are_reported_when_they_end() -> None:
    """Each link of a volunteer is reported once, with its ticket's id; a direct one is not."""
    reports, metrics = Reports(), Metrics()
    made = Ticket(TicketKind.LINK, EXIT_ID, int(time.time()) + 60, secrets.token_bytes(16))
    async with scene(reporter=reports, metrics=metrics, direct=True) as here:
        socket = await here.open(sign(made, KEYS.broker_ticket))
        direct = await here.open(ticket(TicketKind.CLIENT))
        assert "passerelle_exit_links 8.0" in metrics.text().decode()
        await socket.send_bytes(b"\0\5hello")
        async with asyncio.timeout(5):
            await reports.news.wait()
        await direct.close()
    (report,) = reports.made
    assert report.ticket_id == made.id
    assert report.exit_id == EXIT_ID
    assert (report.joined, report.rate_bytes_s, report.rtt_s) == (False, 0.0, 0.0)
    assert report.received_bytes == 7
    assert report.duration_s >= 0
    assert report.reason is LinkCode.TRANSPORT
    assert made.id.hex() not in repr(report)
    text = metrics.text().decode()
    assert 'passerelle_exit_links_ended_total{reason="transport"} 8.0' in text


async def test_strangers_are_counted() -> None:
    """Strangers are counted, without their addresses."""
    metrics = Metrics()
    async with scene(metrics=metrics) as here:
        await here.answer("GET", "/v1/link")
    assert "passerelle_exit_strangers_total 8.0" in metrics.text().decode()
    assert HOST not in metrics.text().decode()


async def test_a_bad_handshake_leaves_the_ticket_good_for_nothing_else() -> None:
    """A ticket without a WebSocket is answered as a stranger's request."""
    async with scene() as here:
        headers = {"Sec-WebSocket-Protocol": f"{SUBPROTOCOL}, {ticket(TicketKind.LINK)}"}
        assert (await here.answer("GET", "/v1/link", **headers))[0] == 404
