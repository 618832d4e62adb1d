"""The content of an HTTP/1.1 message: where it ends, and how it goes on (RFC 9112 §6 and §7).

Every length is read here once and written anew for the next hop. So two parsers on the way cannot
take different bytes for the end of a message, and one site's bytes can never be taken for another
site's answer.
"""

from __future__ import annotations

import enum
from typing import Final

import h11

from passerelle.errors import PasserelleError
from passerelle.limits import PROXY_HEAD_BYTES

_ANY_CHUNKED_HEAD: Final = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"


class Framing(enum.Enum):
    """How the end of a message's content is told."""

    LENGTH = enum.auto()
    """By a length; without content it is 0."""
    CHUNKED = enum.auto()
    CLOSE = enum.auto()
    """By the end of the connection, which only a response can have."""


class MalformedBody(PasserelleError):
    """The chunks are not as RFC 9112 §7.1 has them, or the content ends too early."""


class Body:
    """Takes the content of one message in any pieces and returns it framed for the next hop.

    Chunks are made anew, without extensions and trailer fields.
    """

    def __init__(self, framing: Framing, length: int = 0, *, write_chunks: bool = True) -> None:
        """`length` counts for Framing.LENGTH only; without `write_chunks`, chunks are taken off."""
        self._framing = framing
        self._left = length
        self._write_chunks = write_chunks
        self._chunks = _chunk_parser() if framing is Framing.CHUNKED else None
        self.complete = framing is Framing.LENGTH and not length
        """Whether all of the content has come."""
        self.rest = b""
        """Bytes that came behind the content."""

    def receive(self, data: bytes) -> bytes:
        """Return what goes on to the next hop. Raises MalformedBody."""
        if self.complete:
            self.rest += data
            return b""
        if self._chunks is not None:
            return self._receive_chunks(self._chunks, data)
        if self._framing is Framing.CLOSE:
            return data
        content, self.rest = data[: self._left], data[self._left :]
        self._left -= len(content)
        self.complete = not self._left
        return content

    def receive_end(self) -> None:
        """Take the end of the connection. Raises MalformedBody if content is missing."""
        if self._framing is Framing.CLOSE:
            self.complete = True
        if not self.complete:
            raise MalformedBody

    def _receive_chunks(self, parser: h11.Connection, data: bytes) -> bytes:
        if not data:  # h11 takes empty input for the end of the connection
            return b""
        parser.receive_data(data)
        pieces = []
        try:
            while isinstance(event := parser.next_event(), h11.Data):
                pieces.append(event.data)
        except h11.RemoteProtocolError:
            raise MalformedBody from None
        content = b"".join(pieces)
        if content and self._write_chunks:
            content = b"%x\r\n%b\r\n" % (len(content), content)
        if isinstance(event, h11.EndOfMessage):
            self.complete = True
            self.rest = parser.trailing_data[0]
            content += _LAST_CHUNK if self._write_chunks else b""
        return content


def _chunk_parser() -> h11.Connection:
    """Return a parser that expects chunks; it bounds their heads and their trailer fields."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=PROXY_HEAD_BYTES)
    parser.receive_data(_ANY_CHUNKED_HEAD)
    parser.next_event()
    return parser
