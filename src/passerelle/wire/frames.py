"""Frames inside a link, after its TLS handshake.

Every frame is one byte of type, two bytes of body length, and the body; integers are big-endian.
Unknown types are skipped.

| type | name    | body                                                                          |
|-----:|---------|-------------------------------------------------------------------------------|
|    1 | HELLO   | version u8, flags u8 (1 = may create), session id 16, received u64, ticket    |
|    2 | WELCOME | version u8, flags u8 (1 = resumed), received u64, window u32                   |
|    3 | REFUSED | code u8                                                                       |
|    4 | DATA    | offset u64, bytes                                                             |
|    5 | ACK     | on this link u64, delay u16 (100 µs), in order u64, n × (start u32, length u32) |
|    6 | PING    | token u64                                                                     |
|    7 | PONG    | token u64                                                                     |
|    8 | PADDING | anything                                                                      |
|    9 | DRAIN   | empty                                                                         |
|   10 | CLOSE   | code u8, scope u8 (0 = this link, 1 = the session)                            |
|   11 | PACE    | window u32                                                                    |

`received` is the offset up to which the sender of the frame has everything in order. In ACK, "on
this link" counts DATA payload bytes that arrived over the link the ACK travels on, and each
range's `start` counts from "in order".
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

VERSION = 1
"""The only version of the link protocol so far."""

SESSION_ID_BYTES = 16

_HEADER = struct.Struct("!BH")
_HELLO = struct.Struct("!BB16sQ")
_WELCOME = struct.Struct("!BBQI")
_CODE = struct.Struct("!B")
_OFFSET = struct.Struct("!Q")
_DATA_HEADER = struct.Struct("!BHQ")
_ACK = struct.Struct("!QHQ")
_RANGE = struct.Struct("!II")
_CLOSE = struct.Struct("!BB")
_PACE = struct.Struct("!I")

_FLAG = 1
_MAX_ACK_DELAY = 0xFFFF
_MAX_OFFSET = (1 << 63) - 1


class FrameType(enum.IntEnum):
    """The first byte of a frame."""

    HELLO = 1
    WELCOME = 2
    REFUSED = 3
    DATA = 4
    ACK = 5
    PING = 6
    PONG = 7
    PADDING = 8
    DRAIN = 9
    CLOSE = 10
    PACE = 11


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's first frame: it joins this link to a session."""

    session_id: bytes = field(repr=False)
    """16 random bytes that the client chooses; only client and exit ever see them."""
    may_create: bool
    """Whether the exit may start the session: true until the client has seen a WELCOME."""
    received: int
    ticket: str = field(repr=False)
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Welcome:
    """The exit's first frame: the link is in use."""

    resumed: bool
    received: int
    window_bytes: int
    """Bytes that each side may send beyond `received`."""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Refused:
    """The exit's first frame instead of WELCOME; then the link closes."""

    code: LinkCode


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of the session's stream, starting at `offset`."""

    offset: int
    payload: bytes | memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ack:
    """What the sender of the frame has received."""

    on_link: int
    delay_s: float
    """Time since the last DATA that `on_link` counts arrived, 0 to 6.5535 s."""
    in_order: int
    ranges: tuple[tuple[int, int], ...] = ()
    """Ranges beyond `in_order` as absolute (start, end) offsets, ascending and apart."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A question for a PONG with the same token."""

    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a PING, with its token."""

    token: int


@dataclass(frozen=True, slots=True)
class Padding:
    """Bytes that mean nothing."""

    length: int


@dataclass(frozen=True, slots=True)
class Drain:
    """The link will close soon; its session moves to other links."""


@dataclass(frozen=True, slots=True)
class Close:
    """The link, or with `ends_session` the whole session, is over."""

    code: LinkCode
    ends_session: bool = False


@dataclass(frozen=True, slots=True)
class WindowFrame:
    """PACE: how many bytes the other side may have unacknowledged on this link.

    A receiver sends it that sees more of the path than acknowledgements show. With 0 the other side
    finds its window out by itself again.
    """

    window_bytes: int


Frame = Hello | Welcome | Refused | Data | Ack | Ping | Pong | Padding | Drain | Close | WindowFrame


def encode(frame: Frame) -> bytes:
    """Return the bytes of one frame.

    Raises ValueError when a field is outside its range.
    """
    try:
        return _encode(frame)
    except struct.error as error:
        raise ValueError(f"a field of {type(frame).__name__} is out of range") from error


def _encode(frame: Frame) -> bytes:
    match frame:
        case Data(offset, payload):
            length = len(payload)
            return b"".join((_DATA_HEADER.pack(FrameType.DATA, 8 + length, offset), payload))
        case Ack():
            return _frame(FrameType.ACK, _encode_ack(frame))
        case Ping(token):
            return _frame(FrameType.PING, _OFFSET.pack(token))
        case Pong(token):
            return _frame(FrameType.PONG, _OFFSET.pack(token))
        case Padding(length):
            return _frame(FrameType.PADDING, bytes(length))
        case Drain():
            return _frame(FrameType.DRAIN, b"")
        case Close(code, ends_session):
            return _frame(FrameType.CLOSE, _CLOSE.pack(code, ends_session))
        case WindowFrame(window_bytes):
            return _frame(FrameType.PACE, _PACE.pack(window_bytes))
        case Hello(session_id, may_create, received, ticket, version):
            if len(session_id) != SESSION_ID_BYTES:
                raise ValueError("a session id has 16 bytes")
            body = _HELLO.pack(version, may_create, session_id, received)
            return _frame(FrameType.HELLO, body + ticket.encode("ascii"))
        case Welcome(resumed, received, window_bytes, version):
            return _frame(
                FrameType.WELCOME, _WELCOME.pack(version, resumed, received, window_bytes)
            )
        case Refused(code):
            return _frame(FrameType.REFUSED, _CODE.pack(code))
        case _:
            assert_never(frame)


def _frame(kind: FrameType, body: bytes) -> bytes:
    return _HEADER.pack(kind, len(body)) + body


def _encode_ack(ack: Ack) -> bytes:
    delay = min(_MAX_ACK_DELAY, round(ack.delay_s * 10_000))
    parts = [_ACK.pack(ack.on_link, delay, ack.in_order)]
    for start, end in ack.ranges[: limits.ACK_RANGES]:
        parts.append(_RANGE.pack(start - ack.in_order, end - start))
    return b"".join(parts)


class FrameReader:
    """Cuts a link's decrypted bytes into frames.

    Holds at most one incomplete frame: `limits.FRAME_BODY_BYTES` and a header.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes. DATA payloads are views into `data`.

        Raises PeerError(MALFORMED or LIMIT); the link cannot be read further after that.
        """
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        position, end = 0, len(data)
        while end - position >= limits.FRAME_HEADER_BYTES:
            kind, length = _HEADER.unpack_from(view, position)
            if length > limits.FRAME_BODY_BYTES:
                raise PeerError(LinkCode.LIMIT, f"a frame announced {length} bytes")
            body_start = position + limits.FRAME_HEADER_BYTES
            if end - body_start < length:
                break
            position = body_start + length
            frame = _decode(kind, view[body_start:position])
            if frame is not None:
                yield frame
        self._rest = bytes(view[position:])


def _decode(kind: int, body: memoryview) -> Frame | None:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        return None
    try:
        return decoder(body)
    except (struct.error, ValueError) as error:
        raise PeerError(LinkCode.MALFORMED, f"a bad {FrameType(kind).name} frame") from error


def _decode_data(body: memoryview) -> Data:
    (offset,) = _OFFSET.unpack_from(body)
    payload = body[8:]
    if not payload or offset + len(payload) > _MAX_OFFSET:
        raise ValueError("empty, or beyond the largest offset")
    return Data(offset, payload)


def _decode_ack(body: memoryview) -> Ack:
    on_link, delay, in_order = _ACK.unpack_from(body)
    tail = body[_ACK.size :]
    if len(tail) > limits.ACK_RANGES * _RANGE.size:
        raise ValueError("too many ranges")
    ranges: list[tuple[int, int]] = []
    floor = in_order
    for start, length in _RANGE.iter_unpack(tail):
        if length == 0 or in_order + start <= floor:
            raise ValueError("ranges must ascend and be apart")
        floor = in_order + start + length
        ranges.append((in_order + start, floor))
    return Ack(on_link, delay / 10_000, in_order, tuple(ranges))


def _decode_hello(body: memoryview) -> Hello:
    version, flags, session_id, received = _HELLO.unpack_from(body)
    ticket = bytes(body[_HELLO.size :])
    if len(ticket) > limits.TICKET_BYTES:
        raise ValueError("ticket too long")
    return Hello(session_id, bool(flags & _FLAG), received, ticket.decode("ascii"), version)


def _decode_welcome(body: memoryview) -> Welcome:
    version, flags, received, window_bytes = _WELCOME.unpack_from(body)
    return Welcome(bool(flags & _FLAG), received, window_bytes, version)


def _decode_close(body: memoryview) -> Close:
    code, scope = _CLOSE.unpack_from(body)
    return Close(LinkCode(code), bool(scope))


_DECODERS: dict[int, Callable[[memoryview], Frame]] = {
    FrameType.HELLO: _decode_hello,
    FrameType.WELCOME: _decode_welcome,
    FrameType.REFUSED: lambda body: Refused(LinkCode(_CODE.unpack_from(body)[0])),
    FrameType.DATA: _decode_data,
    FrameType.ACK: _decode_ack,
    FrameType.PING: lambda body: Ping(_OFFSET.unpack(body)[0]),
    FrameType.PONG: lambda body: Pong(_OFFSET.unpack(body)[0]),
    FrameType.PADDING: lambda body: Padding(len(body)),
    FrameType.DRAIN: lambda _body: Drain(),
    FrameType.CLOSE: _decode_close,
    FrameType.PACE: lambda body: WindowFrame(_PACE.unpack(body)[0]),
}
