"""`passerelle serve` says at its start which public address leads nowhere."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from passerelle.io.server.web import WebServer, application
from passerelle.keyring import Keyring
from passerelle.reachability import unreachable
from tests.network import HOST, KEYS, network
from tests.program import passerelle
from tests.rig.certificate import Certificate
from tests.rig.ports import free_port

NO_PAUSES = ()


async def test_servers_that_are_there_are_not_complained_of() -> None:
    """A broker and an exit that let volunteers in are fine, and a second look finds them so."""
    async with network() as here:
        for _ in range(2):
            assert await unreachable(here.url, here.exit_urls, KEYS, NO_PAUSES) == []


async def test_an_exit_where_nothing_listens_is_named() -> None:
    """The sentence has the option, the exit and its address."""
    url = f"ws://{HOST}:{free_port()}/v1/link"
    async with network() as here:
        (found,) = await unreachable(here.url, {"exit-2": url}, KEYS, NO_PAUSES)
    assert found.startswith(f"--exit-url (exit-2) does not work from this machine: at {url} ")
    assert "nothing answers" in found


async def test_the_exit_of_another_network_is_none_of_ours() -> None:
    """Something that answers as a web server does, as an exit with other keys does too."""
    async with network() as here:
        (found,) = await unreachable(here.url, here.exit_urls, Keyring.generate(), NO_PAUSES)
    assert "answers 404, which is not this network's server" in found


async def test_a_server_that_starts_a_little_later_is_found() -> None:
    """Servers that a service manager starts together are ready one after the other."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    assert len(await unreachable(url, {}, KEYS, NO_PAUSES)) == 1
    looking = asyncio.ensure_future(unreachable(url, {}, KEYS, [0.05] * 100))
    async with network(port=port):
        assert await looking == []


@pytest.mark.parametrize(
    ("status", "sentence"), [(502, "it finds nothing behind it"), (400, "passes no WebSockets on")]
)
async def test_a_web_server_in_front_that_is_set_up_wrongly(status: int, sentence: str) -> None:
    """The sentence names the likely cause, and where to read."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    app = application()
    app.router.add_get("/{path:.*}", answer)
    async with WebServer(app, HOST, 0) as server:
        (found,) = await unreachable(f"http://{HOST}:{server.port}", {}, KEYS, NO_PAUSES)
    assert sentence in found
    assert "docs/OPERATIONS.md" in found


async def test_a_certificate_that_no_browser_accepts(tmp_path: Path) -> None:
    """A self-signed certificate lets nobody in, so the operator hears of it first."""
    made = Certificate.make(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.pem, made.key)
    async with WebServer(application(), HOST, 0, tls=context) as server:
        (found,) = await unreachable(f"https://{HOST}:{server.port}", {}, KEYS, NO_PAUSES)
    assert "the certificate is none that browsers accept" in found


@pytest.mark.timeout(40)
async def test_serve_says_that_nothing_listens_at_exit_url(tmp_path: Path) -> None:
    """The operator reads it at the start, and the server goes on."""
    at, away = f"{HOST}:{free_port()}", f"http://{HOST}:{free_port()}"
    words = ["serve", "--state", str(tmp_path), "--listen", at, "--url", f"http://{at}"]
    async with passerelle([*words, "--no-exit", "--exit-url", away]) as program:
        line = await program.until("does not work from this machine")
        assert re.match(r"Note: --exit-url \(exit-1\)", line), line
        program.process.terminate()
        assert await program.ended() == 0, program.output


@pytest.mark.timeout(40)
async def test_serve_says_that_browsers_use_no_http(tmp_path: Path) -> None:
    """It names the option and the address, and where to read what to do."""
    at = f"{HOST}:{free_port()}"
    words = ["serve", "--state", str(tmp_path), "--listen", at, "--url", "http://broker.invalid"]
    async with passerelle([*words, "--no-exit", "--exit-url", "http://exit.invalid"]) as program:
        for address in ("--url http://broker.invalid", "--exit-url http://exit.invalid"):
            line = await program.until(f"Note: {address} has no https://")
            assert "docs/OPERATIONS.md" in line
        program.process.terminate()
        assert await program.ended() == 0, program.output
