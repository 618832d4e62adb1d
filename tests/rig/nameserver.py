"""A DNS server in this process, at a free port of this machine."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self, cast

from tests.rig.dns import Zone


class NameServer(asyncio.DatagramProtocol):
    """Answers with `records` during an `async with`."""

    def __init__(self, records: dict[str, str]) -> None:
        self._zone = Zone({name: [[address]] for name, address in records.items()})
        self._transport: asyncio.DatagramTransport

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
    def questions(self) -> list[str]:
        """The names asked for, without repeats."""
        return [name for name, _ in self._zone.asked]

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        answer = self._zone.answer(data)
        assert answer is not None  # an unknown name gets an answer too
        self._transport.sendto(answer, addr)
