"""A STUN server (RFC 8489 §6): tells everybody the address they come from.

`python -m tests.rig.stun HOST PORT` runs one as a program.
"""

from __future__ import annotations

import asyncio
import ipaddress
import struct
import sys
from typing import Any

_HEADER = struct.Struct(">HHI12s")
_ATTRIBUTE = struct.Struct(">HHBBHI")
_REQUEST, _SUCCESS = 0x0001, 0x0101
_XOR_MAPPED_ADDRESS = 0x0020
_COOKIE = 0x2112A442


def answer(request: bytes, host: str, port: int) -> bytes | None:
    """Return the answer to a binding request from an IPv4 address, None to anything else."""
    if len(request) < _HEADER.size:
        return None
    kind, _, cookie, transaction = _HEADER.unpack_from(request)
    if (kind, cookie) != (_REQUEST, _COOKIE):
        return None
    address = int(ipaddress.IPv4Address(host)) ^ _COOKIE
    body = _ATTRIBUTE.pack(_XOR_MAPPED_ADDRESS, 8, 0, 1, port ^ (_COOKIE >> 16), address)
    return _HEADER.pack(_SUCCESS, len(body), _COOKIE, transaction) + body


class _Server(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if (found := answer(data, *addr[:2])) is not None:
            self._transport.sendto(found, addr)


async def _run(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(_Server, local_addr=(host, port))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
