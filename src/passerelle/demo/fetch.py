"""Fetch one page through a SOCKS5 proxy, with a stopwatch.

It does what a reader's browser does: SOCKS5 (RFC 1928) without authentication, the name resolved at
the far end, and one HTTP/1.1 request on a connection of its own.
"""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass
from typing import Final

from passerelle.errors import FAILURES, LocalError

LARGEST_PAGE_BYTES: Final = 1024 * 1024
"""Pages of the demo are far smaller."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that came through the proxy, and how long it took. Times are seconds."""

    status: int
    body: bytes
    connect_s: float
    """From the start until the proxy said that the way is open."""
    first_byte_s: float
    """From the start until the head of the answer had come."""
    total_s: float
    """From the start until the last byte of the answer."""


async def fetch(proxy_port: int, host: str, port: int, path: str) -> Page:
    """Return http://`host`:`port``path` as it comes through the proxy on 127.0.0.1.

    Cancelling closes the connection. Raises LocalError when the proxy or the answer is not what
    it should be.
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
        body = await _read_body(reader)
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
        raise LocalError(f"The proxy could not open the way: {_refusal(reply)}")
    # The bound address: IPv4, a name, or IPv6, and a port.
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)


def _refusal(reply: int) -> str:
    sentences = [report.sentence for report in FAILURES.values() if report.socks_reply == reply]
    if len(sentences) == 1:
        return sentences[0]
    return f"SOCKS error {reply}. The status lines above say more."


async def _read_body(reader: asyncio.StreamReader) -> bytes:
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
