"""A site for load: `d` gets zeros for ever, `r` is read for ever, anything else ends at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import uvloop

BLOCK = bytes(256 * 1024)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    with contextlib.suppress(ConnectionError):
        first = await reader.read(1)
        while first == b"d":
            writer.write(BLOCK)
            await writer.drain()
        while first == b"r" and await reader.read(len(BLOCK)):
            pass
    writer.close()


async def serve(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.start_server(talk, "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
