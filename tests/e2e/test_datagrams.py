"""UDP through a volunteer's real browser: DNS by dig, HTTP/3 by aioquic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.rig.certificate import Certificate
from tests.rig.dig import dig
from tests.rig.http3 import http3_client, http3_server
from tests.rig.nameserver import NameServer
from tests.rig.site import blob, digest
from tests.rig.udprelay import HOST, Association, Relay
from tests.rig.volunteer import Chromium, state, until
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

SIZE = 3_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole path, and the servers behind its exit."""

    port: int
    """The client's local port."""
    page: Page
    """The volunteer's page."""
    names: NameServer
    http3_port: int


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    tmp_path_factory: pytest.TempPathFactory, chrome: Chromium, certificate: Certificate
) -> AsyncIterator[Scene]:
    async with (
        NameServer({"far.example": "192.0.2.7"}) as names,
        http3_server(certificate) as http3,
    ):
        ports = [word for port in (names.port, http3) for word in ("--exit-udp-port", str(port))]
        folder = tmp_path_factory.mktemp("datagrams")
        async with (
            Way(folder, chrome, "--allow", "127.0.0.0/8", *ports) as way,
            way.volunteer() as page,
            way.client() as (client, port),
        ):
            await client.expect("Connected through a volunteer")
            yield Scene(port, page, names, http3)


async def test_a_name_is_found(scene: Scene) -> None:
    """The real dig asks over UDP, and gets its answer through the volunteer's page."""
    async with (
        Association(scene.port) as association,
        Relay(association, HOST, scene.names.port) as relay,
    ):
        assert await dig(relay.port, "far.example") == "192.0.2.7\n"
        assert scene.names.questions[-1] == "far.example"


async def test_http3_brings_a_page_and_a_large_file(scene: Scene, certificate: Certificate) -> None:
    """HTTP/3 with its own handshake and certificate goes through the volunteer's page."""
    before = (await state(scene.page))["totals"]["bytes"]
    async with (
        Association(scene.port) as association,
        Relay(association, "localhost", scene.http3_port) as relay,
        asyncio.timeout(60),
        http3_client(certificate, relay.port) as browser,
    ):
        assert await browser.fetch("/bytes/1000") == blob(1000)
        assert digest(await browser.fetch(f"/bytes/{SIZE}")) == digest(blob(SIZE))
        assert await browser.fetch("/", upload=blob(500_000)) == b"500000"
    await until(scene.page, f"s.totals.bytes >= {before + SIZE}")


@pytest.mark.parametrize(("host", "port"), [("10.1.2.3", 53), ("127.0.0.1", 9)])
async def test_denied_destinations_answer_nothing(scene: Scene, host: str, port: int) -> None:
    """A private address, or a port that is not open, gives no answer; the association goes on."""
    async with Association(scene.port) as association:
        association.send(host, port, b"canary")
        async with Relay(association, HOST, scene.names.port) as relay:
            assert await dig(relay.port, "far.example") == "192.0.2.7\n"
