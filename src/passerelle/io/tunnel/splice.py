"""Joins a TCP connection and a stream, both directions, half-close included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from passerelle import limits
from passerelle.errors import PasserelleError
from passerelle.io.tunnel.stream import TunnelStream

LINGER_S = 30.0
"""After both directions have ended, the last bytes must have been taken by then."""


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
        writer.close()
        async with asyncio.timeout(LINGER_S):
            await writer.wait_closed()
    except* (PasserelleError, OSError):  # TimeoutError is an OSError
        pass
    finally:
        stream.abort()
        # What has been closed in good order is not touched by this.
        writer.transport.abort()


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
    # While the other direction goes on: the stream may still be reset, and only this task hears it.
    await stream.flushed()
