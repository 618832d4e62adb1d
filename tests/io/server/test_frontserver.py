"""What a web server in front does wrong is said in the log, once in a while."""

from __future__ import annotations

import ipaddress
import logging

import aiohttp
import pytest

from passerelle.exit.service import Exit
from passerelle.io.server.web import WebServer, application
from passerelle.io.tunnel.websocket import SUBPROTOCOL
from passerelle.wire.tickets import TicketKind
from passerelle.wire.websocket import LINK_PATH
from tests.broker.parties import scene
from tests.network import HOST, exit_config, ticket

HANDSHAKE = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
"""What is left of a browser's handshake behind a proxy that forwards no `Upgrade`."""
NO_UPGRADE = "arrive without their `Upgrade` header"
UNNAMED = "that no --trust-proxy names"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


async def get(http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> int:
    async with http.get(url, headers=headers) as response:
        return response.status


async def test_a_socket_without_upgrade_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Three volunteers behind a plain `proxy_pass` are one line, which names the likely cause."""
    async with scene() as here:
        for _ in range(3):
            assert await get(here.http, f"{here.url}/v1/volunteer", HANDSHAKE) == 400
    (line,) = warnings(caplog)
    assert NO_UPGRADE in line
    assert "docs/OPERATIONS.md" in line
    assert "127.0.0.1" not in line


async def test_a_link_without_upgrade_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    """The exit's log has the same line, and the volunteer sees what a stranger does."""
    app = application()
    exit_ = Exit(exit_config())
    exit_.add_routes(app)
    async with WebServer(app, HOST, 0) as server, aiohttp.ClientSession() as http:
        url = f"http://{HOST}:{server.port}{LINK_PATH}"
        for text in ("nonsense", ticket(TicketKind.LINK), ticket(TicketKind.LINK)):
            offered = {"Sec-WebSocket-Protocol": f"{SUBPROTOCOL}, {text}"}
            assert await get(http, url, HANDSHAKE | offered) == 404
            assert bool(warnings(caplog)) is (text != "nonsense")
        await exit_.close()
    (line,) = warnings(caplog)
    assert NO_UPGRADE in line


async def test_a_curious_visitor_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody who opens the volunteers' address as a page is no fault of a proxy."""
    async with scene() as here:
        assert await get(here.http, f"{here.url}/v1/volunteer", {}) == 400
    assert not warnings(caplog)


@pytest.mark.parametrize(("trusted", "told"), [((), True), (("127.0.0.0/8",), False)])
async def test_a_proxy_that_was_not_named_is_logged_once(
    caplog: pytest.LogCaptureFixture, trusted: tuple[str, ...], told: bool
) -> None:
    """Without --trust-proxy readers share one network's limits, which the log says."""
    proxies = tuple(map(ipaddress.ip_network, trusted))
    async with scene(trusted_proxies=proxies) as here:
        here.http.headers["X-Forwarded-For"] = "8.8.8.8"
        await here.volunteer()
        await here.volunteer()
    assert [UNNAMED in line for line in warnings(caplog)] == [True] * told
    assert "8.8.8.8" not in caplog.text
