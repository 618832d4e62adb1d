import asyncio
import contextlib
import logging
import socket
import ssl
from ipaddress import ip_address, ip_network

import aiohttp
import pytest
from aiohttp import web

from passerelle import serverlimits
from passerelle.core.address.prefix import origin
from passerelle.errors import LocalError
from passerelle.io.server.web import WebServer, application, disconnected
from passerelle.io.tasks import TaskSet

SECRET = "192.0.2.7"
HEAVY, LIGHT = b"4abc", b"4xyz"
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def fail(_request: web.Request) -> web.Response:
    raise RuntimeError(f"about {SECRET}")


async def echo_size(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


def app() -> web.Application:
    made = application()
    made.router.add_get("/", hello)
    made.router.add_get("/fail", fail)
    made.router.add_post("/size", echo_size)
    return made


async def test_it_serves_on_a_port_the_system_chose() -> None:
    async with (
        WebServer(app(), "127.0.0.1", 0) as server,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}/") as response,
    ):
        assert await response.text() == "hello"
    with pytest.raises(RuntimeError):
        _ = server.port


async def test_no_response_names_its_server() -> None:
    async with WebServer(app(), "127.0.0.1", 0) as server, aiohttp.ClientSession() as http:
        for path in ("/", "/fail", "/nothing"):
            async with http.get(f"http://127.0.0.1:{server.port}{path}") as response:
                assert "Server" not in response.headers


async def test_a_taken_port_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port} .* another program .* choose another"):
            async with WebServer(app(), "127.0.0.1", port):
                pytest.fail("it started")


async def test_a_foreign_address_is_told_in_a_sentence() -> None:
    with pytest.raises(LocalError, match="does not have that address"):
        async with WebServer(app(), "192.0.2.1", 0):
            pytest.fail("it started")


async def test_a_body_beyond_the_limit_is_refused() -> None:
    async with WebServer(app(), "127.0.0.1", 0) as server, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.port}/size"
        async with http.post(url, data=bytes(serverlimits.HTTP_BODY_BYTES)) as response:
            assert await response.text() == str(serverlimits.HTTP_BODY_BYTES)
        async with http.post(url, data=bytes(serverlimits.HTTP_BODY_BYTES + 1)) as response:
            assert response.status == 413


async def test_a_compressed_body_is_not_unpacked() -> None:
    async with WebServer(app(), "127.0.0.1", 0) as server, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.port}/size"
        async with http.post(url, data=bytes(20_000), compress="gzip") as response:
            assert int(await response.text()) < 1000


async def raw(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * (serverlimits.HTTP_FIELD_BYTES + 1) + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * (serverlimits.HTTP_FIELD_BYTES + 1) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (serverlimits.HTTP_HEADERS + 8) + b"\r\n",
        b"\x16\x03\x01 this is not HTTP\r\n\r\n",
    ],
)
async def test_a_bad_request_head_ends_one_connection_only(head: bytes) -> None:
    async with WebServer(app(), "127.0.0.1", 0) as server:
        answer = await raw(server.port, head)
        assert b" 400 " in answer.split(b"\r\n")[0]
        assert b"aiohttp" not in answer
        fine = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await raw(server.port, fine)).endswith(b"hello")


async def test_what_is_logged_of_a_failure_holds_no_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        WebServer(app(), "127.0.0.1", 0) as server,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}/fail") as response,
    ):
        assert response.status == 500
        assert SECRET not in await response.text()
    failures = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(failures) == 1
    text = logging.Formatter().format(failures[0])
    assert "RuntimeError" in text
    assert "127.0.0.1" not in text
    assert SECRET not in text


async def test_leaving_ends_handlers_within_the_grace() -> None:
    reached = asyncio.Event()
    ended = asyncio.Event()

    async def stuck(_request: web.Request) -> web.Response:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    made = application()
    made.router.add_get("/", stuck)
    async with TaskSet("test") as tasks, asyncio.timeout(5):
        async with WebServer(made, "127.0.0.1", 0, grace_s=0.05) as server:
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            client = tasks.start(raw(server.port, request), "client")
            await reached.wait()
        assert ended.is_set()
        assert await client == b""


async def test_a_handler_can_wait_for_its_clients_disconnection() -> None:
    reached = asyncio.Event()
    noticed = asyncio.Event()

    async def watch(request: web.Request) -> web.Response:
        reached.set()
        await disconnected(request)
        noticed.set()
        return web.Response()

    made = application()
    made.router.add_get("/", watch)
    async with WebServer(made, "127.0.0.1", 0) as server, asyncio.timeout(5):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reached.wait()
        writer.transport.abort()
        await noticed.wait()


async def test_with_a_tls_context_it_speaks_tls_only() -> None:
    """With a TLS context, a plain HTTP request gets no HTTP answer."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with WebServer(app(), "127.0.0.1", 0, tls=tls) as server:
        answer = await raw(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in answer


@pytest.mark.parametrize("per_network", [100, 2])
async def test_connections_beyond_the_bound_are_cut_off_and_come_back_later(
    per_network: int,
) -> None:
    """Connections beyond either bound are aborted, in all or of one network."""
    public = ip_address("93.184.216.34")
    most = 100 if per_network == 2 else 2

    async def opened(port: int) -> Pair:
        return await asyncio.open_connection("127.0.0.1", port)

    async def lives(pair: Pair) -> bool:
        reader, writer = pair
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return bool(await reader.read(1))
        except ConnectionError:
            return False

    server = WebServer(app(), "127.0.0.1", 0, connections=most, per_network=per_network)
    async with server, asyncio.timeout(10):
        if per_network == 2:
            # Loopback counts as no network, so make it count as one.
            connections = server._connections
            assert connections is not None
            connections._network = lambda _: origin(public)  # type: ignore[method-assign,assignment]
        pairs = [await opened(server.port) for _ in range(4)]
        assert [await lives(pair) for pair in pairs] == [True, True, False, False]
        pairs[0][1].close()
        while not await lives(again := await opened(server.port)):
            again[1].close()
        for _, writer in (*pairs, again):
            writer.close()


async def test_a_full_server_takes_from_whoever_has_most() -> None:
    """A connection of another network is served, and the heaviest loses its newest for it."""
    networks = iter([HEAVY] * 3 + [LIGHT, HEAVY, LIGHT])
    server = WebServer(app(), "127.0.0.1", 0, connections=3)
    async with server, asyncio.timeout(10):
        connections = server._connections
        assert connections is not None
        connections._network = lambda _: next(networks)  # type: ignore[method-assign,assignment]
        pairs = []
        for _ in range(6):
            pairs.append(await asyncio.open_connection("127.0.0.1", server.port))
            await until_counted(server, min(len(pairs), 3))
        alive = []
        for reader, writer in pairs:
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                alive.append(bool(await reader.read(1)))
            except ConnectionError:
                alive.append(False)
            writer.close()
        assert alive == [True, True, False, True, False, False]


@pytest.mark.parametrize("site_only", [True, False])
async def test_ever_new_networks_of_one_site_get_the_sites_share(site_only: bool) -> None:
    """A /48 has 65,536 times as many addresses as a /64, and still four shares only."""
    homes = iter(bytes([number // 16, number % 16]) for number in range(80))
    server = WebServer(app(), "127.0.0.1", 0, per_network=1)
    async with server, asyncio.timeout(20):
        connections = server._connections
        assert connections is not None

        def network(_: object) -> bytes:
            home = next(homes)
            return b"6" + bytes(5) + (bytes(1) + home[1:] if site_only else home)

        connections._network = network  # type: ignore[method-assign,assignment]
        pairs = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(80)]
        alive = 0
        for reader, writer in pairs:
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                alive += bool(await reader.read(1))
            writer.close()
        assert alive == (4 if site_only else 5 * 4)


async def until_counted(server: WebServer, count: int) -> None:
    """Wait until the server knows of `count` connections."""
    connections = server._connections
    assert connections is not None
    while connections._count != count:  # noqa: ASYNC110 (there is no event)
        await asyncio.sleep(0)


class Holding:
    """An application whose answers wait until they are let go, asked by way of a proxy."""

    def __init__(self) -> None:
        self.app = application()
        self.app.router.add_get("/", self._hold)
        self.free = asyncio.Event()
        self._asked: asyncio.Queue[None] = asyncio.Queue()

    async def _hold(self, _request: web.Request) -> web.Response:
        self._asked.put_nowait(None)
        await self.free.wait()
        return web.Response(text="held")

    async def ask(self, port: int, sender: str) -> Pair:
        """Send a request, as a proxy would that got it from `sender`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: {sender}"
        writer.write(f"{head}\r\n\r\n".encode())
        return reader, writer

    async def ask_and_wait(self, port: int, sender: str) -> Pair:
        """Send a request, and return when the handler has it."""
        pair = await self.ask(port, sender)
        await self._asked.get()
        return pair


async def answered(pair: Pair) -> bool:
    reader, writer = pair
    try:
        return b"held" in await reader.read()
    except ConnectionError:
        return False
    finally:
        writer.close()


async def test_behind_a_trusted_proxy_requests_count_for_the_network_it_names() -> None:
    """Beyond the bound one is cut off; another network's is not, and room comes back."""
    here = Holding()
    trusted = (ip_network("127.0.0.1/32"),)
    server = WebServer(here.app, "127.0.0.1", 0, per_network=2, trusted=trusted)
    async with server, asyncio.timeout(10):
        senders = ("8.8.8.1", "9.9.9.1, 8.8.8.2", "9.9.9.1", "9.9.9.2", "10.0.0.1")
        held = [await here.ask_and_wait(server.port, each) for each in senders]
        assert not await answered(await here.ask(server.port, "8.8.8.3"))
        assert not await answered(await here.ask(server.port, "8.8.8.1, 9.9.9.3"))
        here.free.set()
        assert all([await answered(each) for each in held])
        assert await answered(await here.ask(server.port, "8.8.8.3"))


async def test_what_an_unknown_proxy_says_counts_for_nothing() -> None:
    """Anybody can write an X-Forwarded-For."""
    here = Holding()
    server = WebServer(here.app, "127.0.0.1", 0, per_network=2)
    async with server, asyncio.timeout(10):
        held = [await here.ask_and_wait(server.port, "8.8.8.8") for _ in range(4)]
        here.free.set()
        assert all([await answered(each) for each in held])
