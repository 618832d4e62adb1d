"""Hostile clients with good tickets, who write HTTP/2 of their own over real links."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.errors
import h2.settings
import pytest
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, RstStreamFrame

from passerelle import limits
from passerelle.core.ledger import REFUSAL_FRAMES
from passerelle.core.quota import Quota
from passerelle.errors import Failure, LinkCode, LinkLost, StreamFailed
from passerelle.exit.config import Lifetimes
from passerelle.exit.handshake import ExitHandshake
from passerelle.exit.sessions import SessionTable
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import TlsPipe, client_context, exit_context
from passerelle.wire.frames import Ack, Close, Data, Hello, Pong, Refused, Welcome
from passerelle.wire.frames import Frame as LinkFrame
from passerelle.wire.tickets import TicketKind
from tests.client.party import Client
from tests.io.tunnel.pipes import pipe
from tests.network import HOST, KEYS, exit_config, ticket
from tests.rig.ports import free_port

PINS = (KEYS.exit_link.spki_sha256,)
CHUNK = 8_000
SOON_S = 10.0


class Attacker:
    """A client with one link, which writes its session's bytes itself and sends ACKs."""

    def __init__(self, table: SessionTable, client_ticket: str = "") -> None:
        self._ticket = client_ticket or ticket(TicketKind.CLIENT)
        near, far = pipe()
        SecureLink(
            1, far, TlsPipe(exit_context(KEYS.exit_link)), ExitHandshake(table, lambda: None)
        ).start()
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(validate_outbound_headers=False)
        )
        self.h2.initiate_connection()
        self.ended: asyncio.Future[LinkCode] = asyncio.get_running_loop().create_future()
        self.told_of_the_session = False
        """Whether the exit has said that the whole session is over."""
        self.received = 0
        self._offset = 0
        self._link = SecureLink(1, near, TlsPipe(client_context(), PINS), self)
        self._link.start()

    # --- LinkHandler

    def link_ready(self, link: SecureLink) -> None:
        hello = Hello(secrets.token_bytes(16), True, 0, self._ticket)
        link.send([hello])

    def link_frames(self, link: SecureLink, frames: list[LinkFrame]) -> None:
        for frame in frames:
            match frame:
                case Data(offset, payload):
                    self.received = max(self.received, offset + len(payload))
                    link.send([Ack(self.received, 0, self.received)])
                case Close(code, ends_session):
                    self.told_of_the_session = ends_session
                    self.link_lost(link, LinkLost(code, "closed"))
                case Welcome() | Ack() | Pong() | Refused():
                    pass
                case _:
                    token = getattr(frame, "token", None)
                    if token is not None:
                        link.send([Pong(token)])

    def link_windows(self, link: SecureLink) -> None:
        pass

    def link_draining(self, link: SecureLink) -> None:
        pass

    def link_control(self, link: SecureLink, message: object) -> None:
        pass

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        if not self.ended.done():
            self.ended.set_result(error.code)

    # --- its doings

    async def say(self, data: bytes) -> None:
        """Send bytes of the session as fast as the exit takes them."""
        for start in range(0, len(data), CHUNK):
            if self.ended.done():
                return
            piece = data[start : start + CHUNK]
            self._link.send([Data(self._offset, piece)])
            self._offset += len(piece)
            await asyncio.sleep(0)

    async def flush(self) -> None:
        """Send the bytes that the HTTP/2 library has made."""
        await self.say(self.h2.data_to_send())


@asynccontextmanager
async def attacked(**changes: object) -> AsyncIterator[tuple[Attacker, SessionTable]]:
    """Yield an attacker that has joined an exit, and the exit's sessions."""
    table = SessionTable(exit_config(**changes))
    attacker = Attacker(table)
    async with asyncio.timeout(SOON_S):
        while not len(table):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await attacker.flush()
    try:
        yield attacker, table
    finally:
        await table.close()


async def works(table: SessionTable) -> None:
    """Assert that another client gets its page."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"page")
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    client = Client(table)
    await client.join()
    stream = client.tunnel.open(HOST, server.sockets[0].getsockname()[1])
    async with asyncio.timeout(SOON_S):
        assert await stream.read() == b"page"
    client.tunnel.close()
    server.close()


def connect(number: int, authority: str = f"{HOST}:1") -> HeadersFrame:
    frame = HeadersFrame(number)
    frame.data = Encoder().encode([(":method", "CONNECT"), (":authority", authority)])
    frame.flags.add("END_HEADERS")
    return frame


def rapid_resets() -> Iterator[Frame]:
    """Yield requests that are reset at once (CVE-2023-44487)."""
    for number in range(1, 40_000, 2):
        yield connect(number)
        yield RstStreamFrame(number, error_code=8)


def continuations() -> Iterator[Frame]:
    """Yield headers that never end (CVE-2024-27316)."""
    first = connect(1)
    first.flags.discard("END_HEADERS")
    yield first
    for _ in range(20_000):
        yield ContinuationFrame(1, data=b"\0\1x\1y" * 10)


def huge_headers() -> Iterator[Frame]:
    """Yield a header list of a megabyte."""
    first = connect(1)
    first.flags.discard("END_HEADERS")
    yield first
    for _ in range(60):
        yield ContinuationFrame(1, data=b"\x00\1a\x7f\x81\x7c" + b"b" * 16_000)
    last = ContinuationFrame(1)
    last.flags.add("END_HEADERS")
    yield last


FLOODS = {each.__name__: each for each in (rapid_resets, continuations, huge_headers)}


@pytest.mark.parametrize("name", FLOODS)
async def test_floods_of_requests_end_their_session_only(name: str) -> None:
    """The attacker's session ends within bounds, and the exit serves others."""
    async with attacked() as (attacker, table):
        batch = b""
        for frame in FLOODS[name]():
            batch += frame.serialize()
            if len(batch) > 50_000:
                await attacker.say(batch)
                batch = b""
        await attacker.say(batch)
        async with asyncio.timeout(SOON_S):
            await attacker.ended
        assert len(table) == 0
        assert table.stream_count == 0
        await works(table)


def settings() -> Iterator[bytes]:
    """Yield SETTINGS without end (CVE-2019-9515)."""
    while True:
        yield raw(4, 0, b"\0\4\0\1\0\0")


def pings() -> Iterator[bytes]:
    """Yield PINGs of HTTP/2 without end (CVE-2019-9512)."""
    while True:
        yield raw(6, 0, bytes(8))


def malformed_requests() -> Iterator[bytes]:
    """Yield requests without end that are reset at once."""
    for number in itertools.count(1, 2):
        yield connect(number, "no-port" + "-" * 40).serialize()


def data_on_a_broken_stream() -> Iterator[bytes]:
    """Yield bytes without end for a stream that the exit has reset."""
    yield connect(1, "no-port").serialize()
    while True:
        yield raw(0, 1, b"x")


IDLE_FLOODS = {
    each.__name__: each for each in (settings, pings, malformed_requests, data_on_a_broken_stream)
}


def raw(kind: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, 0)) + stream.to_bytes(4, "big") + body


@pytest.mark.parametrize("name", IDLE_FLOODS)
async def test_floods_of_idle_frames_end_the_session(name: str) -> None:
    """Twice a burst ends the session, and its client is told so: CLOSE 7 of the session."""
    async with attacked() as (attacker, table):
        frames = itertools.islice(IDLE_FLOODS[name](), 2 * limits.IDLE_FRAMES_BURST)
        await attacker.say(b"".join(frames))
        async with asyncio.timeout(SOON_S):
            assert await attacker.ended is LinkCode.LIMIT
        assert attacker.told_of_the_session
        await works(table)


async def test_malformed_requests_use_up_the_quota() -> None:
    """A request that is not served counts as a new stream, as it costs as much."""
    async with attacked(quota=Quota(new_streams_burst=30, new_streams_per_s=0.001)) as (
        attacker,
        table,
    ):
        (session,) = table._sessions.values()
        wanted = [connect(number, "no-port").serialize() for number in range(1, 51, 2)]
        await attacker.say(b"".join(wanted))
        async with asyncio.timeout(SOON_S):
            while attacker.received < 25 * 13:  # noqa: ASYNC110  (a reset has 13 bytes)
                await asyncio.sleep(0.001)
        now = asyncio.get_running_loop().time()
        assert session.account._streams_new.left(now) == pytest.approx(5, abs=0.1)
        assert session.account.streams == 0


async def test_a_new_session_brings_no_fresh_burst() -> None:
    """What a ticket's first session has cost counts for its second one."""
    table = SessionTable(exit_config())
    client_ticket = ticket(TicketKind.CLIENT)
    for number in range(2):
        attacker = Attacker(table, client_ticket)
        async with asyncio.timeout(SOON_S):
            while len(table) <= number:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await attacker.flush()
        await attacker.say(raw(6, 0, bytes(8)) * (limits.IDLE_FRAMES_BURST * 2 // 3))
        if number:
            async with asyncio.timeout(SOON_S):
                assert await attacker.ended is LinkCode.LIMIT
        else:
            async with asyncio.timeout(SOON_S):
                while attacker.received < limits.IDLE_FRAMES_BURST * 2 // 3 * 17:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            assert not attacker.ended.done()
    await table.close()


async def test_the_heaviest_session_is_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When all sessions hold too much together, the one that holds most ends, and no other."""
    monkeypatch.setattr("passerelle.exit.sessions.SWEEP_S", 0.02)

    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append((reader, writer))

    listening = socket.create_server((HOST, 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(deaf, sock=listening, limit=1)
    port = listening.getsockname()[1]
    table = SessionTable(exit_config(held_bytes=4 * limits.MIB))
    light, heavy = Client(table), Client(table)
    sending = []
    for client, streams, size in ((light, 1, 100_000), (heavy, 40, 8 * limits.MIB)):
        await client.join()
        for _ in range(streams):
            stream = client.tunnel.open(HOST, port)
            sending.append(asyncio.ensure_future(stream.write(bytes(size))))
    async with asyncio.timeout(3 * SOON_S):
        assert await heavy.owner.ended is LinkCode.LIMIT
    assert table.counts.sessions_shed.by_value[""] == 1
    assert not light.tunnel.ended
    assert len(table) == 1
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    for _, writer in held:
        writer.transport.abort()
    light.tunnel.close()
    await table.close()
    server.close()


async def test_a_window_of_one_byte_costs_a_byte_at_a_time() -> None:
    """Tiny windows (CVE-2019-9511) make bounded work, and the site is held back."""

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(bytes(65_536))
                await writer.drain()

    server = await asyncio.start_server(pour, HOST, 0)
    async with attacked() as (attacker, table):
        attacker.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1})
        await attacker.flush()
        port = server.sockets[0].getsockname()[1]
        await attacker.say(connect(1, f"{HOST}:{port}").serialize())
        update = b"\0\0\4\x08\0\0\0\0\1\0\0\0\1"  # WINDOW_UPDATE of one byte on stream 1
        await attacker.say(update * (limits.IDLE_FRAMES_BURST // 2))
        async with asyncio.timeout(SOON_S):
            while not table.stream_count:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        (session,) = table._sessions.values()
        for stream in session.tunnel._streams._open.values():
            assert stream.queued <= limits.STREAM_SEND_BYTES + limits.SOCKET_READ_BYTES
        await works(table)
        await attacker.say(update * 2 * limits.IDLE_FRAMES_BURST)
        async with asyncio.timeout(SOON_S):
            assert await attacker.ended is LinkCode.LIMIT
    server.close()


async def test_a_thousand_destinations_are_capped_and_others_unhurt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The destinations that the quota allows are dialled, and the others refused."""
    monkeypatch.setattr(limits, "STREAM_TURN_S", 0.2)
    quota = Quota(new_streams_per_s=5, new_streams_burst=50)
    table = SessionTable(exit_config(quota=quota))
    client = Client(table)
    await client.join()
    refused = dialled = 0

    async def ask(port: int) -> None:
        nonlocal refused, dialled
        stream = client.tunnel.open(HOST, port)
        with pytest.raises(StreamFailed) as caught:
            await stream.opened()
        refused += caught.value.failure is Failure.LIMIT
        dialled += caught.value.failure is Failure.PORT_CLOSED

    closed = free_port()
    for _ in range(10):
        await asyncio.gather(*(ask(closed) for _ in range(100)))
    assert refused + dialled == 1000
    assert 50 <= dialled <= 150
    await works(table)
    assert not client.tunnel.ended
    await table.close()


async def test_who_asks_on_and_on_is_sent_away() -> None:
    """A session that goes on asking after refusals ends, and its client is told why."""
    quota = Quota(new_streams_per_s=0.001, new_streams_burst=1)
    table = SessionTable(exit_config(quota=quota))
    client = Client(table)
    await client.join()
    for _ in range(limits.IDLE_FRAMES_BURST // REFUSAL_FRAMES // 100 + 20):
        wanted = 0 if client.tunnel.ended else 100
        streams = [client.tunnel.open(HOST, 1) for _ in range(wanted)]
        await asyncio.gather(*(stream.opened() for stream in streams), return_exceptions=True)
    assert client.tunnel.ended
    assert client.owner.ended.result() is LinkCode.LIMIT
    assert len(table) == 0
    await works(table)
    await table.close()


async def test_idle_streams_and_sessions_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream on which nothing moves is broken off (slow loris), and then its session."""
    monkeypatch.setattr("passerelle.exit.sessions.SWEEP_S", 0.02)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, HOST, 0)
    table = SessionTable(exit_config(lifetimes=Lifetimes(stream_idle_s=0.1, session_idle_s=0.3)))
    client = Client(table)
    await client.join()
    stream = client.tunnel.open(HOST, server.sockets[0].getsockname()[1])
    await stream.opened()
    async with asyncio.timeout(SOON_S):
        assert await stream.broken() is Failure.SESSION_LOST
        assert len(table) == 1
        await client.owner.ended
    assert len(table) == 0
    await table.close()
    server.close()


async def test_everything_ends_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that move and sessions in use end after their longest time."""
    monkeypatch.setattr("passerelle.exit.sessions.SWEEP_S", 0.02)

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(drip, HOST, 0)
    lifetimes = Lifetimes(stream_idle_s=5, stream_total_s=0.2, session_total_s=0.5)
    table = SessionTable(exit_config(lifetimes=lifetimes))
    client = Client(table)
    await client.join()
    stream = client.tunnel.open(HOST, server.sockets[0].getsockname()[1])
    async with asyncio.timeout(SOON_S):
        assert await stream.broken() is Failure.SESSION_LOST
        assert not client.tunnel.ended
        await client.owner.ended
    await table.close()
    server.close()


async def test_half_a_request_holds_nothing_but_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session with a request that never ends (slow loris) is an idle one."""
    monkeypatch.setattr("passerelle.exit.sessions.SWEEP_S", 0.02)
    async with attacked(lifetimes=Lifetimes(session_idle_s=0.3)) as (attacker, table):
        await attacker.say(connect(1).serialize()[:-3])
        async with asyncio.timeout(SOON_S):
            await attacker.ended
        assert len(table) == 0
