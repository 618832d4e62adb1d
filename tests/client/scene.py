"""A local port in front of a tunnel in memory, whose far end stands for sites."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from passerelle.client.datagrams import UdpAssociations
from passerelle.client.proxy import LocalProxy
from passerelle.errors import Failure, StreamFailed
from passerelle.io.tunnel.stream import TunnelStream
from tests.io.tunnel.pipes import Tunnels

Application = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PATIENCE_S = 5.0
"""Time for anything that a test waits for."""


class Scene:
    """A local port in front of a tunnel."""

    def __init__(self, tunnels: Tunnels) -> None:
        self.tunnels = tunnels
        offers, flow = tunnels.client.offers_flows, self._open_flow
        self.associations = UdpAssociations(offers, flow, idle_s=60)
        self.proxy = LocalProxy(self.open, self.associations)
        self.failure: Failure | None = None
        """Why no stream can be had; None if one can."""
        self.linked = asyncio.Event()
        """Cleared, streams are waited for."""
        self.linked.set()

    async def open(self, host: str, port: int) -> TunnelStream:
        await self.linked.wait()
        if self.failure is not None:
            raise StreamFailed(self.failure)
        return self.tunnels.client.open(host, port)

    async def _open_flow(self, host: str, port: int) -> TunnelStream:
        return self.tunnels.client.open_flow(host, port)

    async def connect(self, *said: bytes) -> Application:
        """Return a new application's connection, on which `said` was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        writer.write(b"".join(said))
        return reader, writer

    async def requested(self, host: str = "example.net", port: int = 443) -> TunnelStream:
        """Return the far end of the next stream, which must be one to `host` and `port`."""
        async with asyncio.timeout(PATIENCE_S):
            stream, *asked = await self.tunnels.exit_owner.requested.get()
        assert asked == [host, port]
        return stream

    async def site(self, host: str = "example.net", port: int = 80) -> TunnelStream:
        """Return the far end of the next stream as `requested` does, connected."""
        stream = await self.requested(host, port)
        stream.accept()
        return stream


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """Yield a scene with one link, and close it in the end."""
    made = Scene(Tunnels())
    await made.tunnels.link()
    await made.proxy.start("127.0.0.1", 0)
    try:
        yield made
    finally:
        await made.proxy.close()
        made.tunnels.close()


async def until(stream: TunnelStream, end: bytes) -> bytes:
    """Return what comes on a stream up to `end`, which must be the last."""
    came = b""
    async with asyncio.timeout(PATIENCE_S):
        while not came.endswith(end):
            data = await stream.read()
            assert data, came
            came += data
    return came
