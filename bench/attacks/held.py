"""Memory of an exit's unread upload, in this process: prints bytes held for each byte of payload.

It has the exit's own session, HTTP/2 and streams, without sockets: the pace at which an exit reads
small frames would make this a matter of hours. Memory is what Python has allocated meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tracemalloc

import h2.config
import h2.connection

from passerelle.core.ledger import Ledger
from passerelle.core.tunnel.session import Session
from passerelle.io.tunnel.streamtable import StreamTable
from passerelle.limits import DATA_BYTES
from passerelle.wire.frames import Data

STREAMS = 8


class Handler:
    """Accepts every stream and reads none."""

    def __init__(self) -> None:
        self.streams: list[object] = []

    def stream_requested(self, stream: object, host: str, port: int) -> None:
        """Keep it."""
        self.streams.append(stream)

    def flow_requested(self, stream: object, host: str, port: int) -> None:
        """Keep it."""
        self.streams.append(stream)

    def request_malformed(self) -> None:
        """Ignore it."""


async def main() -> None:
    """Feed the payload in frames of the sizes given, by turns, and print what it takes."""
    payload_bytes, *sizes = map(int, sys.argv[1:])
    session = Session()
    session.add_link(1, 0.0)
    table = StreamTable(session, Handler(), lambda: None, client=False, flows=True, ledger=Ledger())
    far = h2.connection.H2Connection(h2.config.H2Configuration())
    far.initiate_connection()
    for number in range(STREAMS):
        far.send_headers(2 * number + 1, [(":method", "CONNECT"), (":authority", "a.example:1")])
    offset = 0

    def feed(data: bytes) -> None:
        nonlocal offset
        for start in range(0, len(data), DATA_BYTES):
            piece = data[start : start + DATA_BYTES]
            session.receive(1, Data(offset, piece), 0.0)
            offset += len(piece)
            table.deliver(0.0)
        table.fill()
        session.transmit(0.0)

    feed(far.data_to_send())
    tracemalloc.start()
    sent, lengths = 0, itertools.cycle(sizes)
    batch = b""
    for stream in itertools.cycle(range(1, 2 * STREAMS, 2)):
        for _ in range(64):
            size = next(lengths)
            batch += size.to_bytes(3, "big") + bytes(2) + stream.to_bytes(4, "big") + bytes(size)
            sent += size
        if len(batch) > DATA_BYTES:
            feed(batch)
            batch = b""
        if sent >= payload_bytes:
            break
    held, _ = tracemalloc.get_traced_memory()
    print(held / sent, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
