"""Messages behind the genuine bytes of an encoded video frame, as media links of version 2 have.

A frame is the encoder's own bytes, then `backlog u16` and records as in `core.media.video`, then a
trailer: `got u32`, the number before which the sender has every message of the other direction,
`unsent u32`, the number of the first message that was never sent, `sent u32`, the sender's clock in
tenths of a millisecond, and `genuine u32`, the length of the encoder's part. The receiver hands
that part to its decoder, so a stack that sees a video it can decode behaves as in a call: it asks
for no key frames. The trailer of any later frame shows a receiver that a message before it was
lost.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from passerelle import limits
from passerelle.core.media.video import HEAD_BYTES, pack, unpack
from passerelle.errors import LinkCode, PeerError

SIDE = 64
"""Width and height in pixels of the pictures that both ends encode. Nobody ever sees them."""
_TRAILER = struct.Struct("!IIII")
_KEY_FRAME = struct.Struct("<3x3sHH")
"""Start of a key frame (RFC 6386 §9.1): frame tag, start code, width, height."""
_START_CODE = b"\x9d\x01\x2a"
_SIZE_MASK = 0x3FFF
SENT_PER_S = 10_000
"""Steps of the clock in a second, by which a frame says when it was sent."""
OVERHEAD_BYTES = HEAD_BYTES + _TRAILER.size
"""What a frame has beside the encoder's bytes and the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the sender of a frame told."""

    backlog_bytes: int
    """Bytes that wait at the sender behind this frame, in steps of a KiB."""
    got: int
    """32-bit number before which the sender has every message of the other direction."""
    unsent: int
    """32-bit number of the first message that the sender had never sent."""
    messages: list[tuple[int, bytes]]
    """Messages with their 32-bit numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(News):
    """What one frame brought."""

    genuine: bytes
    """The encoder's own bytes."""
    sent: int
    """When the frame was sent, in tenths of a millisecond of the sender's clock, modulo 2^32."""


def wrap(
    genuine: bytes,
    backlog_bytes: int,
    messages: list[tuple[int, bytes]],
    *,
    got: int = 0,
    unsent: int = 0,
    sent: int = 0,
    pad: int = 0,
) -> bytes:
    """Return the bytes of a frame, with `pad` zeros after its messages."""
    payload = pack(backlog_bytes, messages)
    numbers = (each % limits.MESSAGE_NUMBERS for each in (got, unsent, sent))
    trailer = _TRAILER.pack(*numbers, len(genuine))
    return b"".join((genuine, payload, bytes(pad), trailer))


def unwrap(data: bytes | bytearray) -> Frame:
    """Take a frame apart. Raises PeerError(MALFORMED or LIMIT)."""
    if len(data) > limits.MEDIA_FRAME_BYTES:
        raise PeerError(LinkCode.LIMIT, "a frame without end")
    end = len(data) - _TRAILER.size
    if end < 0:
        raise PeerError(LinkCode.MALFORMED, "a frame without a trailer")
    got, unsent, sent, size = _TRAILER.unpack_from(data, end)
    if size > end:
        raise PeerError(LinkCode.MALFORMED, "a frame shorter than its own picture")
    _check_picture(data, size)
    view = memoryview(data)
    backlog, messages = unpack(view[size:end])
    return Frame(
        genuine=bytes(view[:size]),
        backlog_bytes=backlog,
        got=got,
        unsent=unsent,
        sent=sent,
        messages=messages,
    )


def _check_picture(data: bytes | bytearray, size: int) -> None:
    """Refuse a picture that is larger than ours, because a decoder makes room for what it says.

    Only key frames say a size. Other frames, with the lowest bit set, have that of the last one.
    The stack keeps any that it cannot decode yet, as long as they are.
    """
    if size > limits.MEDIA_PICTURE_BYTES:
        raise PeerError(LinkCode.LIMIT, "a picture longer than those of links")
    if size == 0 or data[0] & 1:
        return
    if size < _KEY_FRAME.size:
        raise PeerError(LinkCode.MALFORMED, "a key frame cut short")
    start, width, height = _KEY_FRAME.unpack_from(data)
    if start != _START_CODE or max(width & _SIZE_MASK, height & _SIZE_MASK) > SIDE:
        raise PeerError(LinkCode.LIMIT, "a picture larger than those of links")
