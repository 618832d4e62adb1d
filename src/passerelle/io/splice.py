"""Joins a TCP connection and a stream, both directions, half-close included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from passerelle import limits
from passerelle.errors import PasserelleError
from passerelle.io.tunnel import TunnelStream


async def splice(
    stream: TunnelStream,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    forward: Callable[[bytes], bytes] = bytes,
) -> None:
    """Copy both ways until both have ended, or one is broken off: then the other is too.

    What is read from the connection goes through `forward`, which may raise PasserelleError.

    A slow reader on either side slows the other side's sender, through the stream's window.
    Cancelling breaks both off.
    """
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_upload(stream, reader, forward), name="splice/upload")
            group.create_task(_download(stream, writer), name="splice/download")
    except* (PasserelleError, ConnectionError, TimeoutError):
        writer.transport.abort()
    finally:
        stream.abort()
        writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _upload(
    stream: TunnelStream, reader: asyncio.StreamReader, forward: Callable[[bytes], bytes]
) -> None:
    while data := await reader.read(limits.SOCKET_READ_BYTES):
        await stream.write(forward(data))
    stream.write_end()
    await stream.flushed()


async def _download(stream: TunnelStream, writer: asyncio.StreamWriter) -> None:
    while data := await stream.read():
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
