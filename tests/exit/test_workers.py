"""Two exit workers as processes, which are restarted under load, and killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from passerelle.client.config import ClientConfig
from passerelle.client.notices import LinkUp
from passerelle.client.service import Client
from passerelle.io.server.web import WebServer
from passerelle.wire import descriptor, invite
from tests.network import HOST, Watch
from tests.program import Program, passerelle
from tests.rig.ports import free_port
from tests.volunteer import Volunteer

pytestmark = pytest.mark.timeout(120)
VOLUNTEERS = 3
SHORT_S = 0.1
LONG_PARTS = 60


class World:
    """Broker and two workers, volunteers without browsers, a reader and a site."""

    def __init__(self, program: Program, http: aiohttp.ClientSession, metrics_port: int) -> None:
        self.program = program
        self.client: Client
        self.watch = Watch()
        self._http = http
        self._metrics_port = metrics_port
        self.site_url = ""
        self.broker_url = ""

    async def fetch(self, path: str = "/", begun: asyncio.Event | None = None) -> str:
        """Fetch a page of the site through the reader's proxy, on a connection of its own.

        `begun` is set when the first byte has come.
        """
        proxy = f"http://{HOST}:{self.client.port}"
        headers = {"Connection": "close"}
        async with self._http.get(self.site_url + path, proxy=proxy, headers=headers) as answer:
            assert answer.status == 200, answer.status
            first = await answer.content.readexactly(1)
            if begun is not None:
                begun.set()
            return (first + await answer.content.read()).decode()

    async def health(self) -> int:
        """Return the status of the broker's own answer."""
        async with self._http.get(f"{self.broker_url}/healthz") as answer:
            return answer.status

    async def holder(self) -> int:
        """Return the number of the worker that has the reader's session."""
        (number,) = await self.holders()
        return number

    async def holders(self) -> list[int]:
        """Return the numbers of the workers that have sessions."""
        found = []
        for number in (1, 2):
            url = f"http://{HOST}:{self._metrics_port + number - 1}/metrics"
            async with self._http.get(url) as answer:
                if "passerelle_exit_sessions 8.0" in await answer.text():
                    found.append(number)
        return found

    def pid(self, number: int) -> int:
        """Return the process id of a worker."""
        for pid in self.program.descendants():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[-3:-1] == [b"--worker", str(number).encode()]:
                return pid
        raise AssertionError(f"worker {number} does not run")


async def page(_request: web.Request) -> web.Response:
    await asyncio.sleep(SHORT_S)
    return web.Response(text="page")


async def slow(request: web.Request) -> web.StreamResponse:
    """Answer within three seconds, piece by piece."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(LONG_PARTS):
        await response.write(b"x")
        await asyncio.sleep(3 / LONG_PARTS)
    return response


@asynccontextmanager
async def world(tmp_path: Path, workers: int = 2) -> AsyncIterator[World]:
    """Run a network with so many workers; with 0, its exit is in the broker's process."""
    port, exit_port, metrics_port = free_port(), two_free_ports(), two_free_ports()
    site = web.Application()
    site.router.add_get("/", page)
    site.router.add_get("/slow", slow)
    async with AsyncExitStack() as stack:
        site_port = (await stack.enter_async_context(WebServer(site, HOST, 0))).port
        words = ["serve", "--state", str(tmp_path / "state"), "--url", f"http://{HOST}:{port}"]
        words += ["--listen", f"{HOST}:{port}"]
        at = f"{HOST}:{exit_port}"
        if workers:
            words += ["--workers", str(workers), "--exit-listen", at, "--exit-url", f"http://{at}"]
        words += ["--metrics-listen", f"{HOST}:{metrics_port}"]
        words += ["--allow", "127.0.0.0/8", "--exit-port", str(site_port)]
        program = await stack.enter_async_context(passerelle(words))
        await program.until("Invite")
        await program.until("http")
        text = program.output.split()[-1]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        made = World(program, http, metrics_port)
        made.broker_url = f"http://{HOST}:{port}"
        made.site_url = f"http://{HOST}:{site_port}"
        network = invite.parse(text)
        async with http.get(f"{network.url}/v1/network") as answer:
            document = await answer.read()
        found = descriptor.verify(document, network.operator_key, now_s=time.time())
        assert [entry.id for entry in found.exits] == [
            f"exit-{n}" for n in range(1, max(1, workers) + 1)
        ]
        urls = {entry.id: entry.url for entry in found.exits}
        for _ in range(VOLUNTEERS):
            await stack.enter_async_context(Volunteer(network.url, urls, free=5))
        config = ClientConfig(
            network, listen_port=0, links=3, retry_s=(0.1, 0.5), spare_retry_s=(0.2, 0.5)
        )
        made.client = Client(config, made.watch)
        stack.push_async_callback(made.client.close)
        await made.client.start()
        for _ in range(VOLUNTEERS):
            await made.watch.until(LinkUp)
        yield made


def two_free_ports() -> int:
    """Return a free port whose next one is free too."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.create_server((HOST, port + 1)):
            return port


async def test_a_rolling_restart_breaks_no_short_request(tmp_path: Path) -> None:
    """Requests go on while both workers are replaced, one of some seconds too."""
    async with world(tmp_path) as here:
        before = {number: here.pid(number) for number in (1, 2)}
        assert await here.fetch() == "page"
        long = asyncio.ensure_future(here.fetch("/slow"))
        await asyncio.sleep(0.5)
        here.program.process.send_signal(signal.SIGUSR2)
        count = 0
        async with asyncio.timeout(60):
            while not await replaced(here, before):
                assert await here.fetch() == "page"
                count += 1
        assert await long == LONG_PARTS * "x"
        assert count > 5
        assert await here.fetch() == "page"


async def fetched(here: World) -> bool:
    """Whether a request succeeds; one that the dead worker held fails."""
    try:
        return await here.fetch() == "page"
    except AssertionError:
        return False


async def replaced(here: World, before: dict[int, int]) -> bool:
    """Whether new processes have replaced these workers, and serve."""
    try:
        if any(here.pid(number) == pid for number, pid in before.items()):
            return False
        await here.holders()
    except (AssertionError, aiohttp.ClientConnectionError):
        return False
    return True


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_network_that_ends_serves_on_while_something_moves(
    tmp_path: Path, workers: int
) -> None:
    """After SIGTERM a download arrives whole, and until then everything else is served too."""
    async with world(tmp_path, workers) as here:
        begun = asyncio.Event()
        long = asyncio.ensure_future(here.fetch("/slow", begun))
        await begun.wait()
        here.program.process.send_signal(signal.SIGTERM)
        await here.program.until("the exit serves on until they rest")
        assert await here.health() == 200
        assert await here.fetch() == "page"
        assert not long.done()
        assert await long == LONG_PARTS * "x"
        start_s = time.monotonic()
        assert await here.program.ended() == 0, here.program.output
        assert time.monotonic() - start_s < 15, "drain_s is not waited for when nothing moves"


async def test_readers_survive_the_death_of_their_worker(tmp_path: Path) -> None:
    """Requests come through the other worker, and the dead one is started again."""
    async with world(tmp_path) as here:
        assert await here.fetch() == "page"
        number = await here.holder()
        killed = here.pid(number)
        os.kill(killed, signal.SIGKILL)
        start_s = time.monotonic()
        async with asyncio.timeout(20):
            while not await fetched(here):
                pass
        print(f"back after {time.monotonic() - start_s:.2f} s")
        async with asyncio.timeout(30):
            while not await replaced(here, {number: killed}):  # noqa: ASYNC110 (processes)
                await asyncio.sleep(0.05)
        assert await here.holder() != number
