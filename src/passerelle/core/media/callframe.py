"""Messages in the place of an encoded frame's content, as links of the profile `call` have them.

A browser's own encoder makes frames of a lifelike picture. Each is sent with the length that the
encoder gave it, and keeps only its beginning, which the stacks at both ends read. The rest is
`backlog u16` and records as in `core.media.video`, zeros, and a trailer: `got u32`, the number
before which the sender has every message of the other direction, and `unsent u32`, the number of
the first message that was never sent. So times and sizes are those of a call, whatever is carried.

The receiver hands its decoder a picture of its own in the place of each frame: a decoder that could
not decode would ask for key frames, which no call does so often. A frame too short for anything
carries nothing. `widget/src/core/traffic/callframe.ts` is the page's half.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from passerelle import limits
from passerelle.core.media.frame import News
from passerelle.core.media.video import HEAD_BYTES, pack, unpack
from passerelle.errors import LinkCode, PeerError

_TRAILER: Final = struct.Struct("!II")
_KEY_BYTES, _DELTA_BYTES = 10, 1
"""What a frame keeps of its beginning: of a key frame the tag, the start code and the size; of
another one only the bit that says that it is none (RFC 6386 §9.1)."""
KEY_PICTURE: Final = bytes.fromhex(
    "3003009d012a40004000390300001c2216162266122004904000c336df2192b2e48ff000"
)
"""A grey picture of 64 × 64 pixels, as libvpx encodes it."""
DELTA_PICTURE: Final = bytes.fromhex("310200e3738808304e605f406160bfd000222e0000")
"""The same picture once more, as the difference to the last one."""


@dataclass(frozen=True, slots=True)
class CallFrame:
    """What one frame brought."""

    picture: bytes
    """What the decoder gets in its place."""
    news: News | None
    """None in a frame that was too short for any."""


def is_key(encoded: bytes) -> bool:
    """Return whether a frame is a key frame."""
    return bool(encoded) and not encoded[0] & 1


def room_bytes(encoded: bytes) -> int:
    """Return how many bytes of records fit into a frame; below 0, it carries nothing at all."""
    return len(encoded) - _kept(encoded) - HEAD_BYTES - _TRAILER.size


def fill(
    encoded: bytes, backlog_bytes: int, messages: list[tuple[int, bytes]], got: int, unsent: int
) -> bytes:
    """Return a frame as long as the encoder's, with `messages` in it, which fit (`room_bytes`)."""
    if room_bytes(encoded) < 0:
        return encoded
    start = encoded[: _kept(encoded)] + pack(backlog_bytes, messages)
    numbers = (each % limits.MESSAGE_NUMBERS for each in (got, unsent))
    pad = bytes(len(encoded) - len(start) - _TRAILER.size)
    return b"".join((start, pad, _TRAILER.pack(*numbers)))


def unfill(data: bytes) -> CallFrame:
    """Take a frame apart. Raises PeerError(MALFORMED or LIMIT)."""
    if len(data) > limits.MEDIA_FRAME_BYTES:
        raise PeerError(LinkCode.LIMIT, "a frame without end")
    picture = KEY_PICTURE if is_key(data) else DELTA_PICTURE
    if room_bytes(data) < 0:
        return CallFrame(picture, None)
    end = len(data) - _TRAILER.size
    backlog, messages = unpack(data[_kept(data) : end])
    got, unsent = _TRAILER.unpack_from(data, end)
    return CallFrame(
        picture, News(backlog_bytes=backlog, got=got, unsent=unsent, messages=messages)
    )


def _kept(encoded: bytes) -> int:
    return _KEY_BYTES if is_key(encoded) else _DELTA_BYTES
