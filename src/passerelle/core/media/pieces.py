"""Link messages in pieces, so that a frame of any length can be filled.

A message may be longer than several frames of a call. So each goes in pieces: one byte, 1 for the
last piece of its message and 0 for the others, and up to `PIECE_BYTES` of the message. Pieces are
numbered, acknowledged and asked for again as whole messages are on other links
(`core.media.video`).
`widget/src/core/traffic/pieces.ts` is the page's half.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

PIECE_BYTES: Final = 240
"""Bytes of a message in one piece: less fills frames more exactly, more costs fewer heads. A calm
picture's frames have some hundred bytes."""
_MORE, _LAST = b"\x00", b"\x01"


def split(message: bytes) -> Iterator[bytes]:
    """Yield the pieces of a message of at least one byte."""
    for at in range(0, len(message), PIECE_BYTES):
        end = at + PIECE_BYTES
        yield (_LAST if end >= len(message) else _MORE) + message[at:end]


class Joiner:
    """Makes messages of pieces that come in order."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0

    def join(self, pieces: Iterable[bytes]) -> list[bytes]:
        """Return the messages that are whole now. Raises PeerError(MALFORMED or LIMIT)."""
        whole: list[bytes] = []
        for piece in pieces:
            mark = piece[:1]
            if len(piece) < 2 or mark not in (_MORE, _LAST):
                raise PeerError(LinkCode.MALFORMED, "a piece of no message")
            self._bytes += len(piece) - 1
            if self._bytes > limits.LINK_MESSAGE_BYTES or len(self._parts) >= limits.MESSAGE_PIECES:
                raise PeerError(LinkCode.LIMIT, "a message longer than links carry")
            self._parts.append(piece[1:])
            if mark == _LAST:
                whole.append(b"".join(self._parts))
                self._parts.clear()
                self._bytes = 0
        return whole
