from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from passerelle import limits
from passerelle.errors import StreamFailed
from passerelle.io.tunnel import splice as splice_module
from passerelle.io.tunnel.splice import splice
from passerelle.io.tunnel.stream import TunnelStream
from tests.io.tunnel.pipes import Tunnels, read_all, send_all

PAYLOAD = bytes(range(256)) * 8192


class Spliced:
    """A stream whose near end is spliced to a TCP connection."""

    def __init__(
        self,
        tunnels: Tunnels,
        stream: TunnelStream,
        app: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        work: asyncio.Task[None],
    ) -> None:
        self.tunnels = tunnels
        self.stream = stream
        self.reader, self.writer = app
        self.work = work

    async def ended(self) -> None:
        async with asyncio.timeout(5):
            await self.work
        assert self.tunnels.client.stream_count == 0


@pytest.fixture
async def spliced() -> AsyncIterator[Spliced]:
    tunnels = Tunnels()
    await tunnels.link()
    near, far = await tunnels.stream()
    ours, theirs = socket.socketpair()
    app = await asyncio.open_connection(sock=theirs)
    work = asyncio.ensure_future(splice(near, *await asyncio.open_connection(sock=ours)))
    yield Spliced(tunnels, far, app, work)
    work.cancel()
    await asyncio.wait((work,))
    app[1].close()
    tunnels.close()


async def test_copies_both_ways_until_both_have_ended(spliced: Spliced) -> None:
    """Every byte passes, in both directions at once."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        down = group.create_task(spliced.reader.read())
        up = group.create_task(read_all(spliced.stream))
        group.create_task(send_all(spliced.stream, PAYLOAD))
        spliced.writer.write(PAYLOAD[::-1])
        spliced.writer.write_eof()
    assert down.result() == PAYLOAD
    assert up.result() == PAYLOAD[::-1]
    await spliced.ended()


async def test_half_close_of_the_connection_reaches_the_stream(spliced: Spliced) -> None:
    """An application that has said its last still gets its answer."""
    spliced.writer.write(b"question")
    spliced.writer.write_eof()
    assert await read_all(spliced.stream) == b"question"
    await send_all(spliced.stream, b"answer")
    assert await spliced.reader.read() == b"answer"
    await spliced.ended()


async def test_half_close_of_the_stream_reaches_the_connection(spliced: Spliced) -> None:
    """A site that has said its last still gets what the application sends."""
    await send_all(spliced.stream, b"greeting")
    assert await spliced.reader.read() == b"greeting"
    spliced.writer.write(b"reply")
    spliced.writer.write_eof()
    assert await read_all(spliced.stream) == b"reply"
    await spliced.ended()


async def test_reset_stream_aborts_the_connection(spliced: Spliced) -> None:
    """A stream broken off at the far end breaks the connection off."""
    spliced.stream.abort()
    with contextlib.suppress(ConnectionError):  # a socket pair's reset may read as an end
        assert await spliced.reader.read() == b""
    await spliced.ended()


async def test_reset_after_half_close_is_heard_beside_a_silent_connection(
    spliced: Spliced,
) -> None:
    """The stream's incoming end is no reason to stop listening for its reset."""
    await send_all(spliced.stream, b"")
    assert await spliced.reader.read() == b""
    spliced.stream.abort()
    await spliced.ended()


async def test_reset_connection_aborts_the_stream(spliced: Spliced) -> None:
    """A connection that is reset resets the stream."""
    near, far = await spliced.tunnels.stream()
    listener = socket.create_server(("127.0.0.1", 0))
    app = socket.create_connection(listener.getsockname())
    ours, _ = listener.accept()
    work = asyncio.ensure_future(splice(near, *await asyncio.open_connection(sock=ours)))
    app.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    app.close()
    listener.close()
    with pytest.raises(StreamFailed):
        await far.read()
    async with asyncio.timeout(5):
        await work


async def test_cancelling_breaks_both_off(spliced: Spliced) -> None:
    """A cancelled splice leaves neither stream nor connection."""
    spliced.work.cancel()
    with pytest.raises(StreamFailed):
        await spliced.stream.read()
    assert await spliced.reader.read() == b""
    assert spliced.tunnels.client.stream_count == 0


async def test_reader_that_never_takes_the_rest_is_not_waited_for(
    spliced: Spliced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both directions have ended, yet the last bytes are not read: the connection is broken off."""
    monkeypatch.setattr(splice_module, "LINGER_S", 0.02)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    near, far = await spliced.tunnels.stream()
    theirs.shutdown(socket.SHUT_WR)
    work = asyncio.ensure_future(splice(near, *await asyncio.open_connection(sock=ours)))
    await send_all(far, bytes(limits.SOCKET_READ_BYTES // 2))
    async with asyncio.timeout(5):
        await work
    theirs.close()


async def test_unread_connection_slows_the_streams_sender(spliced: Spliced) -> None:
    """Nothing grows without bound when an application does not read."""
    sending = asyncio.ensure_future(send_all(spliced.stream, bytes(16 * limits.MIB)))
    near = next(iter(spliced.tunnels.client._streams._open.values()))
    least = limits.STREAM_WINDOW_BYTES // 2
    async with asyncio.timeout(20):
        while near.unread < least:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert not sending.done()
    sending.cancel()
