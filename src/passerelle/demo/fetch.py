"""Fetch one page through a SOCKS5 proxy, and measure how long each part takes.

It does what a reader's browser does: SOCKS5 without authentication (RFC 1928), with the name
resolved at the exit, and one HTTP/1.1 request on its own connection.
"""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass
from typing import Final

from passerelle.errors import FAILURES, LocalError

LARGEST_PAGE_BYTES: Final = 1024 * 1024
"""The longest page accepted; the demo's pages are far smaller."""


@dataclass(frozen=True, slots=True)
class Page:
    """The page that arrived. All times count from the start of the connection to the proxy."""

    status: int
    body: bytes
    connect_s: float
    """The time until the proxy said that the stream is open."""
    first_byte_s: float
    """The time until the response's head arrived."""
    total_s: float
    """The time until the last byte arrived."""


async def fetch(proxy_port: int, host: str, port: int, path: str) -> Page:
    """Return the page at `path` on `host` and `port`, fetched through the proxy on 127.0.0.1.

    Raises LocalError when the proxy cannot be reached or refuses, and when the response is not
    HTTP or too long. Cancelling closes the connection.
    """
    started = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy_port)
    except OSError as error:
        raise LocalError(f"Nothing listens at 127.0.0.1:{proxy_port}: {error.strerror}.") from error
    try:
        await _connect(reader, writer, host, port)
        connected = time.monotonic()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        first_byte = time.monotonic()
        body = await _rest(reader)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
        raise LocalError("The connection through the proxy broke off. Try again.") from error
    finally:
        writer.close()
    ended = time.monotonic()
    return Page(_status(head), body, connected - started, first_byte - started, ended - started)


async def _connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> None:
    writer.write(b"\x05\x01\x00")
    if await reader.readexactly(2) != b"\x05\x00":
        raise LocalError("The proxy does not speak SOCKS5 without a password.")
    name = host.encode("ascii")
    writer.write(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack("!H", port))
    _, reply, _, kind = await reader.readexactly(4)
    if reply != 0:
        raise LocalError(f"The proxy could not open the way: {_meaning(reply)}")
    # Skip the bound address (IPv4, a name, or IPv6) and its port.
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)


def _meaning(reply: int) -> str:
    sentences = [report.sentence for report in FAILURES.values() if report.socks_reply == reply]
    if len(sentences) == 1:
        return sentences[0]
    return f"SOCKS error {reply}. The status lines above say more."


async def _rest(reader: asyncio.StreamReader) -> bytes:
    parts = bytearray()
    while piece := await reader.read(65_536):
        parts += piece
        if len(parts) > LARGEST_PAGE_BYTES:
            raise LocalError("The page is larger than it should be.")
    return bytes(parts)


def _status(head: bytes) -> int:
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise LocalError("What came through the proxy is no HTTP answer.")
    return int(words[1])
