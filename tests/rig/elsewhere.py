"""A host that a page must not reach: it counts whatever arrives, and knows no protocol."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

NAME: Final = "elsewhere.example"
ADDRESS: Final = "127.0.0.3"
"""An address of this computer that nothing else uses."""
RULES: Final = f"--host-resolver-rules=MAP *.{NAME} {ADDRESS}, MAP {NAME} {ADDRESS}"
"""Chromium's flag that leads the name there, and all names below it."""


class Elsewhere:
    """Listens by TCP and UDP at `port`, during an `async with`."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        """The first bytes of each connection, and each datagram."""
        self.reached = asyncio.Event()
        """Set by the first connection."""
        self.port = 0
        self._server: asyncio.Server
        self._udp: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, ADDRESS, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self.arrived), (ADDRESS, self.port)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._udp.close()
        self._server.close()
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived.append(b"")
        self.reached.set()
        at = len(self.arrived) - 1
        self.arrived[at] = await reader.read(200)
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, arrived: list[bytes]) -> None:
        self._arrived = arrived

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._arrived.append(data)
