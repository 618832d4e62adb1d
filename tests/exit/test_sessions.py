from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address

import pytest

from passerelle import limits
from passerelle.core.address.host import IPAddress
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.core.quota import Quota
from passerelle.errors import Failure, LinkCode, LinkLost, StreamFailed
from passerelle.exit import sessions
from passerelle.exit.config import Lifetimes
from passerelle.exit.sessions import SessionTable
from passerelle.io.tunnel.stream import TunnelStream
from tests.client.party import Client
from tests.io.tunnel.pipes import read_all, send_all
from tests.network import HOST, exit_config
from tests.rig.ports import free_port

Site = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class World:
    """An exit's sessions, a client of one, and sites on loopback."""

    def __init__(self) -> None:
        self.table = SessionTable(exit_config())
        self.client = Client(self.table)
        self._servers: list[asyncio.Server] = []

    async def site(self, serve: Site) -> int:
        """Serve a site; return its port."""
        server = await asyncio.start_server(serve, HOST, 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stream(self, serve: Site) -> TunnelStream:
        """Return a stream to a site, opened by the exit."""
        stream = self.client.tunnel.open(HOST, await self.site(serve))
        async with asyncio.timeout(5):
            await stream.opened()
        return stream

    async def idle(self) -> None:
        """Wait until the exit serves no stream."""
        async with asyncio.timeout(5):
            while self.table.stream_count:  # noqa: ASYNC110  (nothing to wait for)
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        self.client.tunnel.close()
        await self.table.close()
        for server in self._servers:
            server.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.client.join()
    yield made
    await made.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say everything again once the other side has ended."""
    writer.write(await reader.read())
    writer.close()


async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send until nobody is there."""
    try:
        while True:
            writer.write(bytes(65536))
            await writer.drain()
    except ConnectionError:
        writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never say a word, and stay after the other side's end."""
    await reader.read()
    try:
        await asyncio.Event().wait()
    finally:
        writer.close()


async def test_site_gets_and_gives_every_byte(world: World) -> None:
    """Half-close passes through to the site, its answer back."""
    stream = await world.stream(echo)
    body = bytes(range(256)) * 4096
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(send_all(stream, body))
        answer = group.create_task(read_all(stream))
    assert answer.result() == body
    await world.idle()


@pytest.mark.parametrize(
    ("host", "failure"),
    [
        ("10.0.0.1", Failure.POLICY),
        ("192.168.1.1", Failure.POLICY),
        ("169.254.169.254", Failure.POLICY),
        (HOST, Failure.PORT_CLOSED),
        ("name.invalid", Failure.DNS),
    ],
)
async def test_failures_are_told(world: World, host: str, failure: Failure) -> None:
    """The client learns why there is no connection, and nothing stays at the exit."""
    stream = world.client.tunnel.open(host, free_port())
    with pytest.raises(StreamFailed) as caught:
        async with asyncio.timeout(10):
            await stream.opened()
    assert caught.value.failure is failure
    await world.idle()


async def test_site_that_resets_resets_the_stream(world: World) -> None:
    """A connection that the site breaks off is not a proper end."""

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER, 0 s
        writer.transport.abort()

    stream = await world.stream(rude)
    await stream.write(b"hello")
    with pytest.raises(StreamFailed):
        async with asyncio.timeout(5):
            await stream.read()
    await world.idle()


async def test_endless_site_is_held_back(world: World) -> None:
    """Nobody reads: the window bounds what arrives; another stream is not stalled."""
    stalled = await world.stream(endless)
    stream = await world.stream(echo)
    async with asyncio.timeout(10):
        await send_all(stream, bytes(limits.MIB))
        assert await read_all(stream) == bytes(limits.MIB)
    held = stalled.unread
    assert 0 < held <= limits.STREAM_WINDOW_BYTES
    (session,) = world.table._sessions.values()
    (serving,) = session.tunnel._streams._open.values()
    assert serving.queued <= limits.STREAM_SEND_BYTES + limits.SOCKET_READ_BYTES
    stalled.abort()
    await world.idle()


async def test_reset_ends_a_connection_to_a_silent_site(world: World) -> None:
    """Also after the client's half-close: else each such stream would leave a socket behind."""
    stream = await world.stream(silent)
    stream.write_end()
    await stream.flushed()
    stream.abort()
    await world.idle()


async def test_reset_gives_up_a_dial(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that opens and resets without end does not pile up dials."""

    async def slowly(_name: str, _origin: bytes) -> list[object]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(world.table, "_resolver", slowly)
    for _ in range(4 * limits.STREAMS_PER_SESSION):
        stream = world.client.tunnel.open("slow.example", 443)
        await asyncio.sleep(0)
        stream.abort()
    try:
        await world.idle()
    finally:
        monkeypatch.undo()
    assert not world.client.tunnel.ended


async def test_end_of_the_session_ends_its_connections(world: World) -> None:
    """Nothing outlives the session it belongs to."""
    await world.stream(silent)
    await world.stream(endless)
    world.client.tunnel.close()
    await world.idle()
    assert len(world.table) == 0


async def test_close_ends_everything(world: World) -> None:
    """The client is told; a second close does nothing."""
    stream = await world.stream(endless)
    await world.table.close()
    await world.table.close()
    async with asyncio.timeout(5):
        assert await world.client.owner.ended is LinkCode.NORMAL
    assert await stream.broken() is Failure.SESSION_LOST
    assert len(world.table) == 0


async def test_nothing_about_destinations_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither refused nor served destinations reach a log."""
    caplog.set_level(logging.DEBUG)
    for host in ("10.9.8.7", "secret-name.invalid"):
        stream = world.client.tunnel.open(host, 4711)
        with pytest.raises(StreamFailed):
            await stream.opened()
    for secret in ("10.9.8.7", "secret-name", "4711"):
        assert secret not in caplog.text


async def test_draining_sends_clients_elsewhere_and_lets_streams_finish(world: World) -> None:
    """DRAIN to the client; what is open goes on; nothing new is started."""
    stream = await world.stream(echo)
    draining = asyncio.ensure_future(world.table.drain())
    async with asyncio.timeout(5):
        while not world.client.owner.exit_leaves:  # noqa: ASYNC110  (nothing to wait for)
            await asyncio.sleep(0.001)
    with pytest.raises(LinkLost) as refused:
        await Client(world.table).join()
    assert refused.value.code is LinkCode.DRAINING
    await world.client.join()  # a link for a session that is here
    await send_all(stream, b"to the end")
    async with asyncio.timeout(5):
        assert await read_all(stream) == b"to the end"
        await draining
    late = world.client.tunnel.open(HOST, 1)
    with pytest.raises(StreamFailed) as caught:
        await late.opened()
    assert caught.value.failure is Failure.SESSION_LOST
    assert world.client.owner.exit_leaves == 1


async def test_draining_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that does not end is left behind in time."""
    table = SessionTable(exit_config(lifetimes=Lifetimes(drain_s=0.1)))
    client = Client(table)
    await client.join()
    server = await asyncio.start_server(silent, HOST, 0)
    stream = client.tunnel.open(HOST, server.sockets[0].getsockname()[1])
    await stream.opened()
    async with asyncio.timeout(5):
        await table.drain()
    assert table.stream_count == 1
    await table.close()
    server.close()


async def test_the_last_exit_of_a_network_serves_on_until_nothing_moves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot go elsewhere is not sent there; a stream at rest is not waited for."""
    monkeypatch.setattr(sessions, "QUIET_S", 0.3)
    async with asyncio.timeout(5):
        await world.table.finish()  # there is nothing to wait for
        stream = await world.stream(echo)
        finishing = asyncio.ensure_future(world.table.finish())
        for _ in range(30):
            stream.push(b"x")
            await asyncio.sleep(0.02)
        assert not finishing.done()
        await Client(world.table).join()  # a new session
        assert world.client.owner.exit_leaves == 0
        await finishing
    assert world.table.stream_count == 1


async def test_a_network_that_ends_does_not_wait_for_ever() -> None:
    """What still moves after `drain_s` is left behind."""
    table = SessionTable(exit_config(lifetimes=Lifetimes(drain_s=0.1)))
    client = Client(table)
    await client.join()
    server = await asyncio.start_server(silent, HOST, 0)
    stream = client.tunnel.open(HOST, server.sockets[0].getsockname()[1])
    await stream.opened()
    async with asyncio.timeout(sessions.QUIET_S / 2):
        await table.finish()
    assert table.stream_count == 1
    await table.close()
    server.close()


async def test_refusals_take_a_uniform_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port, a literal and a name that was looked up: each a multiple of the same time later."""
    table = SessionTable(exit_config(policy=ConnectionPolicy(), refusal_s=0.2))

    async def resolve(_name: str, _origin: bytes) -> list[IPAddress]:
        await asyncio.sleep(0.05)
        return [ip_address("10.0.0.1")]

    monkeypatch.setattr(table, "_resolver", resolve)
    client = Client(table)
    await client.join()
    loop = asyncio.get_running_loop()
    for host, port in (("1.1.1.1", 25), ("10.0.0.1", 443), ("name.example", 443)):
        start_s = loop.time()
        with pytest.raises(StreamFailed) as caught:
            await client.tunnel.open(host, port).opened()
        assert caught.value.failure is Failure.POLICY
        assert loop.time() - start_s >= 0.2
    monkeypatch.undo()
    assert table.counts.refusals.by_value["private"] == 2
    assert table.counts.refusals.by_value["port_never"] == 1
    client.tunnel.close()
    await table.close()


async def test_a_ticket_has_its_share_of_bytes() -> None:
    """Both directions of all its streams together."""
    table = SessionTable(exit_config(quota=Quota(bytes_per_s=200_000)))
    client = Client(table)
    await client.join()
    server = await asyncio.start_server(endless, HOST, 0)
    stream = client.tunnel.open(HOST, server.sockets[0].getsockname()[1])
    loop = asyncio.get_running_loop()
    start_s, size = loop.time(), 0
    async with asyncio.timeout(20):
        while size < 600_000:
            size += len(await stream.read())
    # Two seconds' worth at once, and what one read may bring beyond.
    assert loop.time() - start_s >= 0.5
    stream.abort()
    client.tunnel.close()
    await table.close()
    server.close()


async def test_a_full_exit_ends_a_session_of_whoever_has_most() -> None:
    """A network that holds all sessions locks no reader of another one out."""
    table = SessionTable(exit_config(sessions=3))
    heavy = [Client(table, tags=b"h" * 12) for _ in range(4)]
    honest = Client(table, tags=b"l" * 12)
    for client in heavy[:3]:
        await client.join()
    with pytest.raises(LinkLost):
        await heavy[3].join()
    await honest.join()
    assert await heavy[2].owner.ended is LinkCode.NORMAL
    assert len(table) == 3
    assert not any(client.owner.ended.done() for client in (heavy[0], heavy[1], honest))
    for client in (*heavy, honest):
        client.tunnel.close()
    await table.close()
