"""A site for load: it answers `d` with zeros for ever, and anything else with nothing."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import uvloop

BLOCK = bytes(256 * 1024)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    with contextlib.suppress(ConnectionError):
        pours = await reader.read(1) == b"d"
        while pours:
            writer.write(BLOCK)
            await writer.drain()
    writer.close()


async def serve(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.start_server(talk, "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
