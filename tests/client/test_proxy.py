from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from passerelle import limits
from passerelle.client import proxy
from passerelle.client.datagrams import Associations
from passerelle.client.proxy import LocalProxy
from passerelle.errors import Failure, LocalError, StreamFailed
from passerelle.io.tunnel.stream import TunnelStream
from tests.io.tunnel.pipes import Tunnels

GREETING = b"\x05\x01\x00"
CONNECT = b"\x05\x01\x00\x03\x0bexample.net\x01\xbb"


class Scene:
    """A local port in front of a tunnel."""

    def __init__(self, tunnels: Tunnels) -> None:
        self.tunnels = tunnels
        offers, flow = tunnels.client.offers_flows, self._open_flow
        self.associations = Associations(offers, flow, idle_s=60)
        self.proxy = LocalProxy(self._open, self.associations)
        self.failure: Failure | None = None

    async def _open(self, host: str, port: int) -> TunnelStream:
        if self.failure is not None:
            raise StreamFailed(self.failure)
        return self.tunnels.client.open(host, port)

    async def _open_flow(self, host: str, port: int) -> TunnelStream:
        return self.tunnels.client.open_flow(host, port)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.proxy.port)

    async def requested(self) -> TunnelStream:
        async with asyncio.timeout(5):
            stream, host, port = await self.tunnels.exit_owner.requested.get()
        assert (host, port) == ("example.net", 443)
        return stream


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene(Tunnels())
    await made.tunnels.link()
    await made.proxy.start("127.0.0.1", 0)
    yield made
    await made.proxy.close()
    made.tunnels.close()


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


async def test_too_many_connections_are_broken_off(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than the limit is not served; the others are."""
    monkeypatch.setattr(limits, "CLIENT_CONNECTIONS", 1)
    first = await scene.connect()
    first[1].write(GREETING)
    assert await first[0].readexactly(2) == b"\x05\x00"
    second = await scene.connect()
    second[1].write(GREETING)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await second[0].read() == b""
    first[1].write(CONNECT)
    await scene.requested()
    for _, writer in (first, second):
        writer.close()


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
            await LocalProxy(scene._open, scene.associations).start("127.0.0.1", port)
