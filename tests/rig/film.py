"""A small WebM film that browsers play and seek in: one VP8 key frame a second, and padding."""

from __future__ import annotations

import struct
from typing import Final

SECONDS: Final = 300
PADDING_BYTES: Final = 10_000
"""Filling after each frame, so that no browser fetches all of the film before it is wanted."""
_FRAME: Final = bytes.fromhex("3001009d012a010001000ec0fe25a400037000000000")
"""A picture of one point, as a lossy WebP file holds it (RFC 9649 §2.5)."""
_FRAME_MS: Final = 1000
# Identifiers of Matroska's elements (RFC 9559 §5).
_EBML, _SEGMENT, _INFO, _TRACKS, _TRACK = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE
_CLUSTER, _TIMESTAMP, _BLOCK, _VOID = 0x1F43B675, 0xE7, 0xA3, 0xEC
_CUES, _POINT, _TIME, _POSITIONS, _CUE_TRACK, _CUE_AT = 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1


def film() -> bytes:
    """Return a film of `SECONDS` seconds, the list of its frames in front."""
    clusters = [_cluster(number * _FRAME_MS) for number in range(SECONDS)]
    head = _info() + _tracks()
    # The positions in the list depend on its own length, which is the same for all positions.
    at = len(head) + len(_cues(0))
    return _header() + _element(_SEGMENT, head + _cues(at) + b"".join(clusters))


def _header() -> bytes:
    return _element(
        _EBML,
        _element(0x4282, b"webm") + _number(0x4287, 4) + _number(0x4285, 2),
    )


def _info() -> bytes:
    # A tick is a millisecond; the duration is a float of 8 bytes.
    return _element(
        _INFO,
        _number(0x2AD7B1, 1_000_000)
        + _element(0x4489, struct.pack(">d", SECONDS * _FRAME_MS))
        + _element(0x4D80, b"film")
        + _element(0x5741, b"film"),
    )


def _tracks() -> bytes:
    video = _element(0xE0, _number(0xB0, 1) + _number(0xBA, 1))
    track = _number(0xD7, 1) + _number(0x73C5, 1) + _number(0x83, 1) + _element(0x86, b"V_VP8")
    return _element(_TRACKS, _element(_TRACK, track + video))


def _cluster(time_ms: int) -> bytes:
    # Track 1, no offset to the cluster's time, a key frame.
    block = b"\x81\x00\x00\x80" + _FRAME
    return _element(
        _CLUSTER,
        _number(_TIMESTAMP, time_ms, 4)
        + _element(_BLOCK, block)
        + _element(_VOID, bytes(PADDING_BYTES)),
    )


def _cues(first: int) -> bytes:
    size = len(_cluster(0))
    return _element(
        _CUES,
        b"".join(
            _element(
                _POINT,
                _number(_TIME, number * _FRAME_MS, 4)
                + _element(
                    _POSITIONS,
                    _number(_CUE_TRACK, 1) + _number(_CUE_AT, first + number * size, 4),
                ),
            )
            for number in range(SECONDS)
        ),
    )


def _number(identifier: int, value: int, size: int = 0) -> bytes:
    return _element(identifier, value.to_bytes(size or max(1, (value.bit_length() + 7) // 8)))


def _element(identifier: int, content: bytes) -> bytes:
    """Return an element; its size always takes eight bytes."""
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8)
    return name + (1 << 56 | len(content)).to_bytes(8) + content
