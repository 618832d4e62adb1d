"""A DNS server of the test's own: answers A queries over UDP (RFC 1035 §4)."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from types import TracebackType
from typing import Any, Self, cast

_TYPE_A = 1
_NAME_ERROR = 3


class NameServer(asyncio.DatagramProtocol):
    """Knows `records`, for the length of an `async with`."""

    def __init__(self, records: dict[str, str]) -> None:
        self._records = records
        self._transport: asyncio.DatagramTransport
        self.questions: list[str] = []
        """The names asked for."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        labels, at = [], 12
        while size := data[at]:
            labels.append(data[at + 1 : at + 1 + size].decode())
            at += 1 + size
        question = data[12 : at + 5]
        name = ".".join(labels).lower()
        self.questions.append(name)
        address = self._records.get(name) if question[-3] == _TYPE_A else None
        answer = b""
        if address is not None:
            # The name as a pointer to the question; class IN, 60 s, four bytes.
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + IPv4Address(address).packed
        flags = (0x8400 | (0 if name in self._records else _NAME_ERROR)).to_bytes(2, "big")
        counts = b"\0\1" + bool(answer).to_bytes(2, "big") + b"\0\0\0\0"
        self._transport.sendto(data[:2] + flags + counts + question + answer, addr)
