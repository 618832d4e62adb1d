"""Programs that keep their connection to the HTTP proxy, through a whole network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from passerelle.client.notices import LinkUp
from passerelle.client.service import Client
from passerelle.io.server.web import WebServer, application
from tests.network import HOST, network
from tests.rig.holding import holding_site

FORMAT = r"%{http_code} %{num_connects}\n"
PATIENCE_S = 20.0


@asynccontextmanager
async def working() -> AsyncIterator[Client]:
    """Yield a client with a link."""
    async with network() as net:
        await net.volunteer()
        client, watch = await net.client()
        await watch.until(LinkUp)
        yield client


async def run(*command: str) -> tuple[int, bytes]:
    """Run a program; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out


async def curl(client: Client, *transfers: tuple[str, ...]) -> list[bytes]:
    """Run one curl for several transfers; return status and new connections of each."""
    proxy = ("-sS", "--max-time", "5", "--noproxy", "", "-x", f"http://{HOST}:{client.port}")
    words = [word for each in transfers for word in ("--next", *proxy, "-w", FORMAT, *each)]
    code, out = await run("curl", "-q", *words[1:])
    assert code == 0, out
    return out.splitlines()


async def test_curl_asks_many_times_on_one_connection(tmp_path: Path) -> None:
    """Answers of every kind leave the connection usable, at a site that holds its own."""
    ok = b"HTTP/1.1 200 OK\r\n"
    answers = {
        b"/length": ok + b"Content-Length: 5\r\n\r\ntulip",
        b"/chunks": ok + b"Transfer-Encoding: chunked\r\n\r\n5\r\ntulip\r\n0\r\nX: 1\r\n\r\n",
        b"/head": ok + b"Content-Length: 5\r\n\r\n",
        b"/nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
        b"/known": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        b"/hint": b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok + b"Content-Length: 0\r\n\r\n",
        b"/caf\xe9": ok + b"Content-Length: 0\r\nX_y: caf\xe9\r\n\r\n",
    }
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(2_000_000))
    out = ("-o", str(tmp_path / "out"))
    async with working() as client, holding_site(answers) as url, holding_site(answers) as other:
        told = await curl(
            client,
            (*out, f"{url}/length"),
            (*out, f"{other}/chunks"),
            (*out, "-I", f"{url}/head"),
            (*out, f"{url}/nothing"),
            (*out, f"{url}/known"),
            (*out, f"{url}/hint"),
            (*out, "-d", "hello", f"{url}/post"),
            (*out, "-T", str(upload), "-H", "Expect: 100-continue", f"{other}/put"),
            (*out, f"{url}/length"),
        )
    statuses = [b"200", b"200", b"200", b"204", b"304", b"200", b"200", b"200", b"200"]
    assert told == [b"%b %d" % (status, not at) for at, status in enumerate(statuses)]
    assert (tmp_path / "out").read_bytes() == b"tulip"


async def test_git_clones_by_plain_http(tmp_path: Path) -> None:
    """git, which asks for many files on one connection, gets a repository."""
    source, bare, clone = (str(tmp_path / name) for name in ("source", "bare", "clone"))
    me = ("-c", "user.name=tulip", "-c", "user.email=tulip@example.net")
    for command in (
        ("init", "-q", source),
        *(
            ("-C", source, *me, "commit", "-q", "--allow-empty", "-m", f"tulip {number}")
            for number in range(5)
        ),
        ("clone", "-q", "--bare", source, bare),
        ("-C", bare, "update-server-info"),
    ):
        assert await run("git", *command) == (0, b"")
    app = application()
    app.router.add_static("/", bare)
    async with working() as client, WebServer(app, HOST, 0, grace_s=0.1) as server:
        proxy = f"http.proxy=http://{HOST}:{client.port}"
        url = f"http://{HOST}:{server.port}/"
        assert await run("git", "-c", proxy, "clone", "-q", url, clone) == (0, b"")
    code, log = await run("git", "-C", clone, "log", "--format=%s")
    assert (code, len(log.splitlines())) == (0, 5)


async def test_a_websocket_in_absolute_form() -> None:
    """`GET ws://` is taken like `GET http://`, and its bytes pass both ways."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = application()
    app.router.add_get("/", echo)
    async with working() as client, WebServer(app, HOST, 0, grace_s=0.1) as server:
        reader, writer = await asyncio.open_connection(HOST, client.port)
        site = f"{HOST}:{server.port}"
        writer.write(
            f"GET ws://{site}/ HTTP/1.1\r\nHost: {site}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dHVsaXB0dWxpcHR1bGlwIQ==\r\n\r\n".encode()
        )
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            # A masked text frame (RFC 6455 §5.2) with a mask of zeros, and its echo.
            writer.write(b"\x81\x85\0\0\0\0tulip")
            assert await reader.readexactly(7) == b"\x81\x05tulip"
        writer.close()
