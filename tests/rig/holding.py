"""A site that answers every request and then holds its connection open, as some servers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

HOST = "127.0.0.1"


@asynccontextmanager
async def holding_site(answers: Mapping[bytes, bytes]) -> AsyncIterator[str]:
    """Yield the URL of a site that answers paths with `answers` and never closes a connection.

    A path that is not listed is answered with the request's own body.
    """
    stopped = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        answer = answers.get(head.split(b" ")[1])
        if answer is None:
            if b"100-continue" in head:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (length, body)
        writer.write(answer)
        await stopped.wait()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as server:
        try:
            yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        finally:
            stopped.set()
