"""Messages between a reading page and an exit's gateway, on a link of subprotocol SUBPROTOCOL.

Each binary message of the link is one frame, `id u32 ‖ type u8 ‖ body`:

| type | name        | from → to        | body                                                 |
|-----:|-------------|------------------|------------------------------------------------------|
|    1 | REQUEST     | reader → gateway | bytes of a sealed request; more follow               |
|    2 | REQUEST_END | reader → gateway | its last bytes                                       |
|    3 | ANSWER      | gateway → reader | bytes of the sealed answer; more follow              |
|    4 | ANSWER_END  | gateway → reader | its last bytes                                       |
|    5 | CREDIT      | reader → gateway | count u32: so many more bytes may be sent            |
|    6 | RESET       | both             | code u8 (`Reset`): this request is over              |
|    7 | PING        | both             | mark u32; id 0                                       |
|    8 | PONG        | both             | mark u32 of a PING, sent as soon as that came; id 0  |

The reader counts the ids of its requests from 1. Credit counts the bodies of ANSWER and ANSWER_END.
It is kept for each answer, and with id 0 for the whole link. Both begin with
`limits.GATEWAY_CREDIT_BYTES`; an answer's bytes need both. By PING each end finds how long the way
is, and whether anything still comes through while the site itself is silent. A volunteer sees these
frames, but nothing of what is sealed in them.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

SUBPROTOCOL: Final = "passerelle.o1"
"""The first WebSocket subprotocol of a link to a gateway. The second is the ticket."""
LINK_ID: Final = 0
"""The id in CREDIT that stands for the link."""

_HEADER = struct.Struct(">IB")
FRAME_HEADER_BYTES: Final = _HEADER.size
FRAME_BODY_BYTES: Final = limits.LINK_MESSAGE_BYTES - FRAME_HEADER_BYTES
"""Longest body of a frame."""


class FrameType(enum.IntEnum):
    """The kinds of frames."""

    REQUEST = 1
    REQUEST_END = 2
    ANSWER = 3
    ANSWER_END = 4
    CREDIT = 5
    RESET = 6
    PING = 7
    PONG = 8


_KINDS = frozenset(FrameType)
_OF_LINK = (FrameType.PING, FrameType.PONG)


class Reset(enum.IntEnum):
    """Why a request is over before its answer is."""

    CANCELLED = 0
    """The reader does not want the answer any more."""
    MALFORMED = 1
    """The request cannot be opened."""
    KEY = 2
    """It is sealed to a key that the gateway has not, or not any more: the descriptor is old, or
    the reader's clock is wrong."""
    REPLAYED = 3
    """The same sealed message may have come before. The reader seals its request anew."""
    LIMIT = 4
    """Too many requests are under way on this link, or it is too long."""
    BROKEN = 5
    """The answer broke off. The reader asks for the rest."""
    DRAINING = 6
    """The exit is going away. The reader asks another one."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `body` is empty in those that have a number instead."""

    id: int
    kind: FrameType
    body: bytes = b""
    count: int = 0
    """Bytes of CREDIT, code of RESET, mark of PING and PONG."""

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.id}, {len(self.body)} bytes>"


def encode(number: int, kind: FrameType, body: bytes = b"") -> bytes:
    """Return a frame with bytes as its body, at most FRAME_BODY_BYTES of them."""
    return _HEADER.pack(number, kind) + body


def encode_credit(number: int, count: int) -> bytes:
    """Return a CREDIT frame; `count` is at least 1."""
    return _HEADER.pack(number, FrameType.CREDIT) + count.to_bytes(4, "big")


def encode_reset(number: int, code: Reset) -> bytes:
    """Return a RESET frame."""
    return _HEADER.pack(number, FrameType.RESET) + bytes([code])


def encode_ping(mark: int) -> bytes:
    """Return a PING frame; `mark` is any number below 2³²."""
    return _HEADER.pack(LINK_ID, FrameType.PING) + mark.to_bytes(4, "big")


def encode_pong(mark: int) -> bytes:
    """Return the answer to a PING with that mark."""
    return _HEADER.pack(LINK_ID, FrameType.PONG) + mark.to_bytes(4, "big")


def decode(message: bytes) -> Frame | None:
    """Read one message, or return None for a frame of a type that is unknown.

    A RESET with an unknown code counts as BROKEN. Raises PeerError(MALFORMED or LIMIT).
    """
    if len(message) > limits.LINK_MESSAGE_BYTES:
        raise PeerError(LinkCode.LIMIT, "a long message")
    if len(message) < FRAME_HEADER_BYTES:
        raise _malformed()
    number, kind = _HEADER.unpack_from(message)
    body = message[FRAME_HEADER_BYTES:]
    if kind not in _KINDS:
        return None
    if kind in _OF_LINK:
        if number != LINK_ID or len(body) != 4:
            raise _malformed()
        return Frame(number, FrameType(kind), count=int.from_bytes(body, "big"))
    if number == LINK_ID and kind != FrameType.CREDIT:
        raise _malformed()
    if kind == FrameType.CREDIT:
        count = int.from_bytes(body, "big")
        if len(body) != 4 or count == 0:
            raise _malformed()
        return Frame(number, FrameType.CREDIT, count=count)
    if kind == FrameType.RESET:
        if len(body) != 1:
            raise _malformed()
        return Frame(number, FrameType.RESET, count=_reset(body[0]))
    return Frame(number, FrameType(kind), body)


def _reset(code: int) -> Reset:
    try:
        return Reset(code)
    except ValueError:
        return Reset.BROKEN


def _malformed() -> PeerError:
    return PeerError(LinkCode.MALFORMED, "a frame that cannot be read")
