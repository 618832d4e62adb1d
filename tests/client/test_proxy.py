from __future__ import annotations

import asyncio
import contextlib
import html
import socket
from collections.abc import AsyncIterator

import pytest

from passerelle import limits
from passerelle.client import proxy
from passerelle.client.notices import (
    BrokerUnreachable,
    LinkUp,
    NetworkLoaded,
    Notice,
    NoVolunteer,
    Searching,
)
from passerelle.client.proxy import LocalProxy
from passerelle.errors import FAILURES, Failure, LocalError
from tests.client import scene as scenes
from tests.client.scene import Scene

GREETING = b"\x05\x01\x00"
CONNECT = b"\x05\x01\x00\x03\x0bexample.net\x01\xbb"


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with scenes.scene() as made:
        yield made


async def test_early_data_goes_ahead_of_the_answer(scene: Scene) -> None:
    """What an application sends behind its request reaches the site without a round trip."""
    reader, writer = await scene.connect()
    writer.write(GREETING + CONNECT + b"early")
    assert await reader.readexactly(2) == b"\x05\x00"
    far = await scene.requested()
    assert await far.read() == b"early"
    far.accept()
    await far.write(b"answer")
    far.write_end()
    writer.write_eof()
    answer = await reader.read()
    assert answer[:2] == b"\x05\x00"
    assert answer.endswith(b"answer")
    writer.close()


@pytest.mark.parametrize("failure", list(Failure))
async def test_every_failure_has_its_reply(scene: Scene, failure: Failure) -> None:
    """A stream that cannot be had is told as SOCKS knows it, and the connection ends."""
    scene.failure = failure
    reader, writer = await scene.connect()
    writer.write(GREETING + CONNECT)
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer[:3] == b"\x05\x00\x05"
    assert answer[3] != 0
    writer.close()


@pytest.mark.parametrize("nonsense", [b"\x04\x01", b"\x16\x03\x01", b"GET /\r\n\r\n", b"\x05\x00"])
async def test_what_is_no_request_is_closed(scene: Scene, nonsense: bytes) -> None:
    """A request that cannot be served opens no stream."""
    reader, writer = await scene.connect()
    writer.write(nonsense)
    async with asyncio.timeout(5):
        await reader.read()
    assert scene.tunnels.client.stream_count == 0
    writer.close()


async def test_application_that_says_nothing_is_not_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time for its request the connection is broken off."""
    monkeypatch.setattr(proxy, "HANDSHAKE_TIMEOUT_S", 0.02)
    reader, writer = await scene.connect()
    writer.write(b"\x05")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_one_connection_too_many_is_told_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One more than the limit is refused in its own protocol, and logged; the others are served."""
    monkeypatch.setattr(limits, "CLIENT_CONNECTIONS", 1)
    first = await scene.connect()
    first[1].write(GREETING)
    assert await first[0].readexactly(2) == b"\x05\x00"
    async with asyncio.timeout(10):
        for _ in range(2):
            reader, writer = await scene.connect()
            writer.write(GREETING + CONNECT)
            assert (await reader.readexactly(4))[:4] == b"\x05\x00\x05\x01"
            writer.close()
        reader, writer = await scene.connect()
        writer.write(b"GET http://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        writer.close()
    assert sum("more are refused" in record.message for record in caplog.records) == 1
    first[1].write(CONNECT)
    await scene.requested()
    first[1].close()


async def test_one_machine_cannot_take_all_connections(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others reach the proxy, whoever has most gives way, with a login or without."""
    monkeypatch.setattr(limits, "CLIENT_CONNECTIONS", 4)
    many = []
    async with asyncio.timeout(10):
        for _ in range(4):
            # All of 127.0.0.0/8 is this machine.
            made = await asyncio.open_connection(
                "127.0.0.1", scene.proxy.port, local_addr=("127.0.0.2", 0)
            )
            made[1].write(GREETING)
            assert await made[0].readexactly(2) == b"\x05\x00"
            many.append(made)
        reader, writer = await scene.connect()
        writer.write(GREETING)
        assert await reader.readexactly(2) == b"\x05\x00"
        with contextlib.suppress(ConnectionResetError):
            assert await many[-1][0].read() == b""
        writer.write(CONNECT)
        await scene.requested()
    for _, each in (*many, (reader, writer)):
        each.close()


async def test_refusals_have_a_bound_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it a connection is cut off at once."""
    monkeypatch.setattr(limits, "CLIENT_CONNECTIONS", 1)
    monkeypatch.setattr(limits, "CLIENT_REFUSALS", 0)
    first = await scene.connect()
    first[1].write(GREETING)
    assert await first[0].readexactly(2) == b"\x05\x00"
    reader, writer = await scene.connect()
    writer.write(GREETING)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    for each in (first[1], writer):
        each.close()


async def test_close_breaks_off_and_frees_the_port(scene: Scene) -> None:
    """Connections in every state end, their streams too; closing again does nothing."""
    waiting = await scene.connect()
    opening = await scene.connect()
    opening[1].write(GREETING + CONNECT)
    far = await scene.requested()
    async with asyncio.timeout(5):
        await scene.proxy.close()
        await scene.proxy.close()
        assert await far.broken() is Failure.SESSION_LOST
    assert scene.tunnels.client.stream_count == 0
    for _, writer in (waiting, opening):
        writer.close()


async def test_taken_port_is_told(scene: Scene) -> None:
    """The LocalError for a taken port names the port and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port}"):
            await LocalProxy(scene.open, scene.associations).start("127.0.0.1", port)


HTTP = b"GET http://example.net/ HTTP/1.1\r\nHost: example.net\r\n\r\n"
TUNNEL = b"CONNECT example.net:443 HTTP/1.1\r\nHost: example.net\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (GREETING + CONNECT, b"\x05\x00\x05\x03"),
        (HTTP, b"HTTP/1.1 503 "),
        (TUNNEL, b"HTTP/1.1 503 "),
    ],
)
async def test_without_a_link_an_application_is_told_in_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, said: bytes, answer: bytes
) -> None:
    """It does not wait for a volunteer longer than a person waits for a page."""
    assert proxy.LINK_PATIENCE_S <= 10
    monkeypatch.setattr(proxy, "LINK_PATIENCE_S", 0.02)
    scene.linked.clear()
    reader, writer = await scene.connect(said)
    async with asyncio.timeout(5):
        told = await reader.read()
    assert told.startswith(answer)
    if said == HTTP:
        assert b"\r\nRefresh: " in told
    writer.close()


@pytest.mark.parametrize(
    ("notices", "failure"),
    [
        ([], Failure.NO_BROKER),
        ([BrokerUnreachable("silent", 1)], Failure.NO_BROKER),
        ([NetworkLoaded("test"), Searching()], Failure.NO_VOLUNTEER),
        ([BrokerUnreachable("silent", 1), NoVolunteer(1)], Failure.NO_VOLUNTEER),
        ([BrokerUnreachable("silent", 1), LinkUp(1, ())], Failure.NO_VOLUNTEER),
        ([LinkUp(1, ()), BrokerUnreachable("silent", 1)], Failure.NO_BROKER),
    ],
)
async def test_the_page_says_why(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, notices: list[Notice], failure: Failure
) -> None:
    """Whether servers or volunteers are missing makes a difference to what a reader can do."""
    monkeypatch.setattr(proxy, "LINK_PATIENCE_S", 0.02)
    scene.linked.clear()
    for notice in notices:
        scene.proxy.heed(notice)
    reader, writer = await scene.connect(HTTP)
    async with asyncio.timeout(5):
        told = html.unescape((await reader.read()).decode())
    assert FAILURES[failure].sentence in told
    writer.close()


@pytest.mark.parametrize(
    ("said", "answer"),
    [(GREETING + CONNECT, b"\x05\x00\x05\x01"), (TUNNEL, b"HTTP/1.1 502 ")],
)
async def test_links_that_bring_no_answer_are_told_in_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, said: bytes, answer: bytes
) -> None:
    """An exit that says nothing at all is not waited for longer than it may dial a site."""
    monkeypatch.setattr(proxy, "ANSWER_PATIENCE_S", 0.02)
    reader, writer = await scene.connect(said)
    far = await scene.requested()
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(answer)
        assert await far.broken() is Failure.SESSION_LOST
    writer.close()


async def test_a_refusal_can_be_read_while_a_body_comes(scene: Scene) -> None:
    """The connection ends only when the application has had time to read why."""
    scene.failure = Failure.DNS
    head = b"POST http://example.net/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
    reader, writer = await scene.connect(head, bytes(9_000_000))
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 502 ")
    writer.close()


async def test_a_kept_connection_gives_way(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no more room, the one that has been idle for longest is closed."""
    monkeypatch.setattr(limits, "CLIENT_CONNECTIONS", 2)
    kept = [await kept_connection(scene) for _ in range(2)]
    newest = await kept_connection(scene)
    async with asyncio.timeout(5):
        assert await kept[0][0].read() == b""
    for _, writer in (kept[1], newest):
        writer.write(HTTP)
        await scene.site()
    for _, writer in (*kept, newest):
        writer.close()


async def kept_connection(scene: Scene) -> scenes.Application:
    """Return an application's connection after a request that was answered."""
    reader, writer = await scene.connect(HTTP)
    site = await scene.site()
    await site.write(b"HTTP/1.1 204 Done\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 204 Done\r\n\r\n"
    return reader, writer


async def test_an_idle_connection_is_closed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept connection on which no request comes ends in good order."""
    monkeypatch.setattr(proxy, "KEEP_S", 0.02)
    reader, writer = await kept_connection(scene)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
