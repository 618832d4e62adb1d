"""One stream, with a carrier that writes down what the application has taken."""

from __future__ import annotations

import sys

import pytest

from passerelle import limits
from passerelle.errors import Failure
from passerelle.io.tunnel.stream import TunnelStream


class Carrier:
    def __init__(self) -> None:
        self.consumed_bytes = 0

    def sendable(self, stream: TunnelStream) -> None:
        pass

    def consumed(self, stream: TunnelStream, size: int) -> None:
        self.consumed_bytes += size

    def accept(self, stream: TunnelStream) -> None:
        pass

    def refuse(self, stream: TunnelStream, failure: Failure) -> None:
        pass

    def abort(self, stream: TunnelStream) -> None:
        pass


async def held_bytes(stream: TunnelStream) -> int:
    pieces = stream._incoming
    return sys.getsizeof(pieces) + sum(map(sys.getsizeof, pieces))


@pytest.mark.parametrize(
    "sizes", [(1,), (2,), (1, limits.PIECE_BYTES), (limits.PIECE_BYTES // 2 + 1,), (16_000, 1)]
)
async def test_unread_bytes_take_little_more_than_they_are(sizes: tuple[int, ...]) -> None:
    """Whatever the pieces, a stream holds less than three times what its window counts."""
    carrier = Carrier()
    stream = TunnelStream(carrier, 1)
    sent = bytearray()
    while len(sent) < limits.STREAM_WINDOW_BYTES:
        for size in sizes:
            piece = (len(sent) % 251).to_bytes(1, "big") * size
            sent += piece
            stream.feed(piece, size)
    assert stream.unread == len(sent)
    assert await held_bytes(stream) <= 3 * len(sent)
    assert await stream.read() == sent
    assert (stream.unread, carrier.consumed_bytes) == (0, len(sent))


async def test_a_part_may_be_taken() -> None:
    """What stays keeps its place in the far side's window; padding leaves with the last piece."""
    carrier = Carrier()
    stream = TunnelStream(carrier, 1)
    pieces = [bytes([number]) * 5000 for number in range(4)]
    for piece in pieces:
        stream.feed(piece, len(piece) + 10)
    assert stream.take_received(5001) == pieces[0] + pieces[1]
    assert (stream.unread, carrier.consumed_bytes) == (10_040, 10_000)
    assert stream.take_received() == pieces[2] + pieces[3]
    assert (stream.unread, carrier.consumed_bytes) == (0, 20_040)
    assert stream.take_received(1) == b""
