from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from passerelle.demo.fetch import LARGEST_PAGE_BYTES, fetch
from passerelle.errors import LocalError

CHOICE = b"\x05\x01\x00"
CONNECT = b"\x05\x01\x00\x03\x04site\x00\x50"
OPEN = b"\x05\x00\x00\x01\0\0\0\0\0\0"
REQUEST = b"GET /page HTTP/1.1\r\nHost: site:80\r\nConnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n\r\nhello"


@asynccontextmanager
async def proxy(script: list[tuple[bytes, bytes]]) -> AsyncIterator[int]:
    """A proxy that expects and sends exactly these bytes, one of its own at a time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for expected, answer in script:
            assert await reader.readexactly(len(expected)) == expected
            for byte in answer[:64]:
                writer.write(bytes([byte]))
                await writer.drain()
            writer.write(answer[64:])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "bound", [b"\x01" + bytes(6), b"\x04" + bytes(18), b"\x03\x03abc\0\0"], ids=["4", "6", "name"]
)
async def test_a_page_comes_through(bound: bytes) -> None:
    """The exchange of RFC 1928 and one request, whatever address the proxy names."""
    script = [(CHOICE, b"\x05\x00"), (CONNECT, b"\x05\x00\x00" + bound), (REQUEST, ANSWER)]
    async with proxy(script) as port:
        page = await fetch(port, "site", 80, "/page")
    assert (page.status, page.body) == (200, b"hello")
    assert 0 < page.connect_s <= page.first_byte_s <= page.total_s


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([(CHOICE, b"\x05\xff")], "does not speak SOCKS5"),
        (
            [(CHOICE, b"\x05\x00"), (CONNECT, b"\x05\x02\x00\x01" + bytes(6))],
            "never private or local",
        ),
        ([(CHOICE, b"\x05\x00"), (CONNECT, b"\x05\x01\x00\x01" + bytes(6))], "SOCKS error 1"),
        ([(CHOICE, b"\x05\x00"), (CONNECT, b"")], "broke off"),
        (
            [(CHOICE, b"\x05\x00"), (CONNECT, OPEN), (REQUEST, b"nonsense\r\n\r\n")],
            "no HTTP answer",
        ),
        (
            [
                (CHOICE, b"\x05\x00"),
                (CONNECT, OPEN),
                (REQUEST, ANSWER + bytes(LARGEST_PAGE_BYTES)),
            ],
            "larger than it should",
        ),
    ],
)
async def test_what_goes_wrong_is_one_sentence(
    script: list[tuple[bytes, bytes]], words: str
) -> None:
    """Each way a proxy or a site can fail has its own words."""
    async with proxy(script) as port:
        with pytest.raises(LocalError, match=words):
            await fetch(port, "site", 80, "/page")


async def test_no_proxy() -> None:
    """Nothing listens: that is said."""
    with pytest.raises(LocalError, match="Nothing listens"):
        await fetch(1, "site", 80, "/")
