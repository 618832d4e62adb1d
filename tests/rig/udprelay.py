"""The application's side of SOCKS5 UDP ASSOCIATE, for programs that do not support it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from types import TracebackType
from typing import Any, Self, cast

HOST = "127.0.0.1"


def destination(host: str, port: int) -> bytes:
    """Return the header of a datagram to `host` (RFC 1928 §7)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\0\0\0\3" + bytes([len(host)]) + host.encode() + port.to_bytes(2, "big")
    kind = b"\1" if address.version == 4 else b"\4"
    return b"\0\0\0" + kind + address.packed + port.to_bytes(2, "big")


class Association:
    """An association at a SOCKS5 server during an `async with`."""

    def __init__(self, port: int, *, own_port: int = 0, host: str = HOST) -> None:
        """`own_port` is the port that the request names; `host` is the server's."""
        self._server = (host, port)
        self._own_port = own_port
        self._reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.socket: socket.socket
        """The socket that is connected to the server's UDP port."""
        self.reply = 0
        """The server's reply (RFC 1928 §6). If it is not 0, there is no socket."""

    async def __aenter__(self) -> Self:
        self._reader, self.writer = await asyncio.open_connection(*self._server)
        self.writer.write(b"\5\1\0" + b"\5\3\0\1\0\0\0\0" + self._own_port.to_bytes(2, "big"))
        async with asyncio.timeout(15):
            head = await self._reader.readexactly(6)
            size = 4 if head[5] == 1 else 16
            bound = await self._reader.readexactly(size + 2)
        self.reply = head[3]
        if not self.reply:
            address = str(ipaddress.ip_address(bound[:size]))
            family = socket.AF_INET if size == 4 else socket.AF_INET6
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
            self.socket.setblocking(False)
            if self._own_port:
                self.socket.bind((self._server[0], self._own_port))
            self.socket.connect((address, int.from_bytes(bound[size:], "big")))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.close()
        if not self.reply:
            self.socket.close()

    def send(self, host: str, port: int, payload: bytes) -> None:
        """Send one datagram."""
        self.socket.send(destination(host, port) + payload)

    async def receive(self, timeout_s: float = 5) -> bytes:
        """Return the next datagram, its header included."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65_536)

    async def ended(self) -> None:
        """Wait until the server closes the association."""
        while await self._reader.read(100):
            pass


class Relay(asyncio.DatagramProtocol):
    """A UDP port that leads to one destination through an association.

    Only one program at a time may use it, because answers go to whoever sent last.
    """

    def __init__(self, association: Association, host: str, port: int) -> None:
        self._association = association
        self._header = destination(host, port)
        self._program: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        loop.add_reader(self._association.socket, self._answer)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._association.socket)
        self._transport.close()

    @property
    def port(self) -> int:
        """The port of `HOST` at which a program reaches the relay."""
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._program = (addr[0], addr[1])
        self._association.socket.send(self._header + data)

    def _answer(self) -> None:
        answer = self._association.socket.recv(65_536)
        assert answer.startswith(self._header), "an answer from somewhere else"
        self._transport.sendto(answer[len(self._header) :], self._program)
