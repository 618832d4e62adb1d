from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from passerelle import limits
from passerelle.errors import Failure, StreamFailed
from tests.client import scene as scenes
from tests.client.scene import PATIENCE_S, Scene, until
from tests.io.tunnel.pipes import read_all

OK = b"HTTP/1.1 200 OK\r\n"
TULIP = OK + b"Content-Length: 5\r\n\r\ntulip"
END = b"\r\n\r\n"


def get(host: bytes = b"example.net", fields: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" http://" + host + b"/ HTTP/1.1\r\nHost: " + host + b"\r\n" + fields + b"\r\n"


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with scenes.scene() as made:
        yield made


async def exactly(reader: asyncio.StreamReader, answer: bytes) -> None:
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.readexactly(len(answer)) == answer


async def to_the_end(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.read()


async def test_requests_to_several_sites_on_one_connection(scene: Scene) -> None:
    """Each has its own stream, and a site that holds its connection holds nobody up."""
    reader, writer = await scene.connect()
    for host in ("example.net", "example.org", "example.net"):
        writer.write(get(host.encode()))
        site = await scene.site(host)
        head = await until(site, END)
        assert head == f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        await site.write(TULIP)
        await exactly(reader, TULIP)
        async with asyncio.timeout(PATIENCE_S):
            await site.broken()
    writer.close()


async def test_pipelined_requests(scene: Scene) -> None:
    """Requests that come at once are answered one after the other; CONNECT may be the last."""
    tunnel = b"CONNECT example.net:443 HTTP/1.1\r\nHost: a\r\n\r\n"
    post = get(fields=b"Content-Length: 5\r\n", method=b"POST") + b"hello"
    reader, writer = await scene.connect(get() + post + get() + tunnel + b"early")
    for end in (END, b"hello", END):
        site = await scene.site()
        await until(site, end)
        await site.write(TULIP)
        await exactly(reader, TULIP)
    site = await scene.site("example.net", 443)
    assert await until(site, b"early") == b"early"
    await exactly(reader, b"HTTP/1.1 200 Connection established\r\n\r\n")
    writer.close()


async def test_an_early_answer_to_a_long_upload(scene: Scene) -> None:
    """An application that still sends gets the whole answer, and then the end."""
    size = 64 * limits.MIB
    head = get(fields=b"Content-Length: %d\r\n" % size, method=b"PUT")
    reader, writer = await scene.connect(head)
    sending = asyncio.ensure_future(send_all(writer, size))
    site = await scene.site()
    await site.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
    answer = await to_the_end(reader)
    assert answer.startswith(b"HTTP/1.1 413 Too Large\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"large")
    sending.cancel()
    writer.close()


async def send_all(writer: asyncio.StreamWriter, size: int) -> None:
    with contextlib.suppress(OSError):
        for _ in range(size // limits.MIB):
            writer.write(bytes(limits.MIB))
            await writer.drain()


async def test_an_upload_waits_for_its_site(scene: Scene) -> None:
    """A body is never held as a whole: a site that does not read stops the application."""
    size = 64 * limits.MIB
    head = get(fields=b"Content-Length: %d\r\n" % size, method=b"PUT")
    _, writer = await scene.connect(head)
    sending = asyncio.ensure_future(send_all(writer, size))
    await scene.site()
    near = next(iter(scene.tunnels.client._streams._open.values()))
    async with asyncio.timeout(PATIENCE_S):
        while near.queued < limits.STREAM_SEND_BYTES:  # noqa: ASYNC110
            await asyncio.sleep(0)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert near.queued <= limits.STREAM_SEND_BYTES + limits.SOCKET_READ_BYTES
    assert not sending.done()
    sending.cancel()
    writer.close()


async def test_a_download_waits_for_its_application(scene: Scene) -> None:
    """A site sends no more than the stream's window to an application that does not read."""
    size = 64 * limits.MIB
    _, writer = await scene.connect(get())
    site = await scene.site()
    await until(site, END)
    await site.write(OK + b"Content-Length: %d\r\n\r\n" % size)
    sending = asyncio.ensure_future(site.write(bytes(size)))
    near = next(iter(scene.tunnels.client._streams._open.values()))
    async with asyncio.timeout(PATIENCE_S):
        while near.unread < limits.STREAM_WINDOW_BYTES // 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert not sending.done()
    sending.cancel()
    writer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Unasked\r\n\r\n",
    ],
)
async def test_an_answer_that_cannot_be_passed_on(scene: Scene, answer: bytes) -> None:
    """The application gets a 502 that says so, although the site holds its connection."""
    reader, writer = await scene.connect(get())
    site = await scene.site()
    await site.write(answer)
    page = await to_the_end(reader)
    assert page.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"The fault is the site" in page
    writer.close()


@pytest.mark.parametrize("said", [b"", OK, b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_site_that_leaves_without_an_answer(scene: Scene, said: bytes) -> None:
    """A person gets a page about it, and not an empty one."""
    reader, writer = await scene.connect(get())
    site = await scene.site()
    await until(site, END)
    await site.write(said)
    site.write_end()
    page = await to_the_end(reader)
    assert b"HTTP/1.1 502 Bad Gateway\r\n" in page
    assert b"closed the connection before" in page
    writer.close()


async def test_a_stream_that_is_lost_before_the_answer(scene: Scene) -> None:
    """The application is told by a page."""
    reader, writer = await scene.connect(get())
    site = await scene.site()
    await until(site, END)
    site.abort()
    assert (await to_the_end(reader)).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    writer.close()


async def test_an_answer_until_the_end(scene: Scene) -> None:
    """An answer without a length is followed by the end, as soon as the site ends."""
    reader, writer = await scene.connect(get())
    site = await scene.site()
    await site.write(OK + b"\r\ntu")
    await exactly(reader, OK + b"Connection: close\r\n\r\ntu")
    await site.write(b"lip")
    site.write_end()
    assert await to_the_end(reader) == b"lip"
    writer.close()


async def test_a_part_is_not_taken_for_the_whole(scene: Scene) -> None:
    """An answer without a length that breaks off ends in a reset, as it would without a proxy."""
    reader, writer = await scene.connect(get())
    site = await scene.site()
    await site.write(OK + b"\r\ntu")
    await exactly(reader, OK + b"Connection: close\r\n\r\ntu")
    site.abort()
    with pytest.raises(ConnectionResetError):
        await to_the_end(reader)
    writer.close()


@pytest.mark.parametrize("resets", [False, True])
async def test_an_answer_that_is_too_short(scene: Scene, resets: bool) -> None:
    """What came is passed on; its length tells the application that some is missing."""
    reader, writer = await scene.connect(get())
    site = await scene.site()
    await site.write(TULIP[:-1])
    await exactly(reader, TULIP[:-1])
    site.abort() if resets else site.write_end()
    assert await to_the_end(reader) == b""
    writer.close()


async def test_a_switch_to_another_protocol(scene: Scene) -> None:
    """After 101 all bytes pass both ways, and each side may end by itself."""
    fields = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    ws = get(fields=fields).replace(b" http:", b" ws:")
    reader, writer = await scene.connect(ws + b"\x81\x00")
    site = await scene.site()
    assert (await until(site, END)).endswith(fields + b"\r\n")
    await site.write(
        b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x00"
    )
    assert await until(site, b"\x81\x00") == b"\x81\x00"
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readuntil(END)).startswith(b"HTTP/1.1 101 Go\r\n")
    await exactly(reader, b"\x82\x00")
    writer.write(get() + b"bye")
    writer.write_eof()
    await until(site, b"bye")
    assert await site.read() == b""
    await site.write(b"later")
    site.write_end()
    assert await to_the_end(reader) == b"later"
    writer.close()


async def test_the_end_of_the_application_reaches_the_site(scene: Scene) -> None:
    """After a half-close the site sees the end, and its answer still arrives, then an end."""
    reader, writer = await scene.connect(get())
    writer.write_eof()
    site = await scene.site()
    await until(site, END)
    assert await site.read() == b""
    await site.write(TULIP)
    assert await to_the_end(reader) == TULIP
    writer.close()


@pytest.mark.parametrize("fields", [b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_request_that_breaks_off(scene: Scene, fields: bytes) -> None:
    """A site must not take a part of a body for the whole: its connection is reset."""
    _, writer = await scene.connect(get(fields=fields, method=b"POST"))
    site = await scene.site()
    writer.write_eof()
    with pytest.raises(StreamFailed):
        await read_all(site)
    writer.close()


async def test_a_malformed_body(scene: Scene) -> None:
    """The application is told, and the site gets nothing of what is no chunk."""
    reader, writer = await scene.connect(
        get(fields=b"Transfer-Encoding: chunked\r\n", method=b"POST")
    )
    site = await scene.site()
    await until(site, END)
    writer.write(b"no chunk\r\n")
    assert (await to_the_end(reader)).startswith(b"HTTP/1.1 400 ")
    with pytest.raises(StreamFailed):
        await site.read()
    writer.close()


async def test_an_application_of_http_1_0(scene: Scene) -> None:
    """It gets chunks taken off, and the end of the connection as the end of the answer."""
    reader, writer = await scene.connect(b"GET http://example.net/ HTTP/1.0\r\n\r\n")
    site = await scene.site()
    assert (await until(site, END)).startswith(b"GET / HTTP/1.0\r\n")
    await site.write(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\ntulip\r\n0\r\n\r\n")
    assert await to_the_end(reader) == OK + b"Connection: close\r\n\r\ntulip"
    writer.close()


async def test_an_application_that_leaves(scene: Scene) -> None:
    """When it breaks its connection off under an answer, the stream is broken off, too."""
    _, writer = await scene.connect(get())
    site = await scene.site()
    await until(site, END)
    await site.write(OK + b"Content-Length: 10000000\r\n\r\n")
    writer.transport.abort()
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(StreamFailed):
            while True:
                await site.write(bytes(limits.SOCKET_READ_BYTES))
        assert await site.broken() is Failure.SESSION_LOST


async def test_closing_the_port_breaks_answers_off(scene: Scene) -> None:
    """A client that ends leaves no stream behind."""
    _, writer = await scene.connect(get())
    site = await scene.site()
    await scene.proxy.close()
    async with asyncio.timeout(PATIENCE_S):
        await site.broken()
    assert scene.tunnels.client.stream_count == 0
    writer.close()
