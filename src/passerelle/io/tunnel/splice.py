"""Joins a TCP connection and a stream in both directions, half-close included."""

from __future__ import annotations

import asyncio

from passerelle import limits
from passerelle.errors import PasserelleError
from passerelle.io.tunnel.stream import TunnelStream

LINGER_S = 30.0
"""Time for the last bytes to be taken after both directions have ended."""


async def splice(
    stream: TunnelStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Copy both ways until both have ended, or until one side is broken off: the other is then too.

    A slow reader on either side slows the other side's sender by the stream's window. Cancelling
    breaks both sides off.
    """
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_upload(stream, reader), name="splice/upload")
            group.create_task(_download(stream, writer), name="splice/download")
        writer.close()
        async with asyncio.timeout(LINGER_S):
            await writer.wait_closed()
    except* (PasserelleError, OSError):  # TimeoutError is an OSError
        pass
    finally:
        stream.abort()
        # A connection that was closed in good order is not changed by this.
        writer.transport.abort()


async def _upload(stream: TunnelStream, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(limits.SOCKET_READ_BYTES):
        await stream.write(data)
    stream.write_end()
    await stream.flushed()


async def _download(stream: TunnelStream, writer: asyncio.StreamWriter) -> None:
    while data := await stream.read():
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    # The other direction may go on. If the stream is reset meanwhile, only this task hears of it.
    await stream.flushed()
