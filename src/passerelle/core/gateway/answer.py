"""Cut an answer into chunks and seal each: the sizes on the way are few and say little.

Every chunk but the last has `limits.ANSWER_CHUNK_BYTES` bytes, unless the site pauses: what has
come then goes out as it is. While the site is silent, chunks are empty. The last one is filled up
with zeros to the next of few sizes.
"""

from __future__ import annotations

from collections.abc import Iterator

from passerelle.limits import ANSWER_CHUNK_BYTES
from passerelle.wire import binaryhttp
from passerelle.wire.gatewayframes import FrameType, encode
from passerelle.wire.oblivious import AnswerSealer


class AnswerWriter:
    """Makes the frames of one answer."""

    def __init__(self, number: int, sealer: AnswerSealer) -> None:
        """`number` is the request's id on its link."""
        self._number = number
        self._sealer = sealer
        self._waiting = bytearray()

    def head(self, status: int, fields: binaryhttp.Fields) -> Iterator[bytes]:
        """Take the head, which comes first, and return the frames that are full."""
        self._waiting += binaryhttp.encode_head(status, fields)
        return self._full()

    def content(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes of the content, and return the frames that are full."""
        self._waiting += binaryhttp.encode_content(data)
        return self._full()

    def flush(self) -> Iterator[bytes]:
        """Return a frame with what waits; none if nothing does."""
        if self._waiting:
            yield self._frame(len(self._waiting))

    def silence(self) -> Iterator[bytes]:
        """Return a frame with what waits, or an empty one: so the reader hears of the gateway."""
        yield self._frame(len(self._waiting))

    def end(self, trailers: binaryhttp.Fields = ()) -> Iterator[bytes]:
        """Return the last frame; with trailers, which are short, what waits goes out before it."""
        if trailers:
            yield from self.flush()
        last = bytes(self._waiting) + binaryhttp.encode_end(trailers)
        padded = binaryhttp.pad(last)
        if len(padded) > ANSWER_CHUNK_BYTES:
            padded = last.ljust(ANSWER_CHUNK_BYTES, b"\x00")
        sealed = self._sealer.seal(padded, final=True)
        yield encode(self._number, FrameType.ANSWER_END, sealed)

    def _full(self) -> Iterator[bytes]:
        # The end takes two bytes more, and must fit into the last chunk.
        while len(self._waiting) > ANSWER_CHUNK_BYTES - len(binaryhttp.END):
            yield self._frame(min(len(self._waiting), ANSWER_CHUNK_BYTES))

    def _frame(self, size: int) -> bytes:
        sealed = self._sealer.seal(bytes(self._waiting[:size]))
        del self._waiting[:size]
        return encode(self._number, FrameType.ANSWER, sealed)
