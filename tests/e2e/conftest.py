"""Browsers, one site and one whole path, shared by all tests that leave them unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.rig.certificate import Certificate
from tests.rig.firefox import Firefox
from tests.rig.ports import free_port
from tests.rig.program import RECENT, Program
from tests.rig.reading import chromium
from tests.rig.site import Site, digest
from tests.rig.volunteer import Chromium
from tests.rig.way import Way

SHOWN_LINES = 80


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of reading pages."""
    for item in items:
        if item.path.name.startswith("test_reading"):
            item.add_marker("reading")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last lines of the programs' output to the report of a failure."""
    report = yield
    if report.failed:
        for program in RECENT:
            report.sections.append((str(program), program.story(SHOWN_LINES)))
    return report


@dataclass(frozen=True, slots=True)
class Path:
    """A whole path with one volunteer, connected and working."""

    way: Way
    client: Program
    port: int
    """The client's local port."""
    page: Page
    """The volunteer's page."""
    closed_port: int
    """A port that the exit may connect to, where nothing listens."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome() -> AsyncIterator[Chromium]:
    async with Chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_chrome() -> AsyncIterator[Chromium]:
    """Yield one whose pages name their addresses on this computer, as reading pages need here."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with Firefox() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site() -> AsyncIterator[Site]:
    async with Site() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tls_site(certificate: Certificate) -> AsyncIterator[Site]:
    async with Site(tls=certificate.context()) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def patient_port() -> AsyncIterator[int]:
    """Yield the port of a server that answers only after its client's end, with a SHA-256."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(digest(await reader.read()).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def path(
    tmp_path_factory: pytest.TempPathFactory,
    chrome: Chromium,
    site: Site,
    tls_site: Site,
    patient_port: int,
) -> AsyncIterator[Path]:
    closed_port = free_port()
    ports = (site.port, tls_site.port, patient_port, closed_port)
    policy = [word for port in ports for word in ("--exit-port", str(port))]
    networks = ("--allow", "127.0.0.0/8", "--allow", "255.255.255.255/32")
    folder = tmp_path_factory.mktemp("path")
    async with (
        Way(folder, chrome, *networks, *policy) as way,
        way.volunteer() as page,
        way.client() as (client, port),
    ):
        await client.expect("Connected through a volunteer")
        yield Path(way, client, port, page, closed_port)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def way(
    tmp_path_factory: pytest.TempPathFactory, chrome: Chromium, site: Site
) -> AsyncIterator[Way]:
    """Yield servers without volunteers and clients, for tests that bring their own."""
    policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
    async with Way(tmp_path_factory.mktemp("way"), chrome, *policy) as running:
        yield running
