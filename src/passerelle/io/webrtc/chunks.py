"""What a volunteer's SCTP packet may hold, judged before anything is made of it.

aiortc parses a packet whole before it looks at any of it. A parameter of length 0 keeps it parsing
for ever, and some hundred tiny chunks in one packet each draw an answer.

    packet: ports and tag (8) ‖ checksum (4) ‖ chunks
    chunk: type u8 ‖ flags u8 ‖ length u16 ‖ value, padded to 4
    parameter: type u16 ‖ length u16 ‖ value, padded to 4; a length counts its own four bytes
"""

from __future__ import annotations

import struct

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

_HEADER_BYTES = 12
_CHUNK = struct.Struct("!BxH")
_LENGTH = struct.Struct("!2xH")
_DATA, _SACK, _FORWARD_TSN = 0, 3, 192
_INIT, _INIT_ACK = 1, 2
_INIT_BYTES = 16
"""Bytes of INIT and INIT ACK before their parameters."""
_WITH_PARAMETERS = frozenset({_INIT, _INIT_ACK, 4, 5, 6, 9, 130})
"""Chunks that are parsed as parameters: INIT, INIT ACK, HEARTBEAT and its answer, ABORT, ERROR and
RE-CONFIG."""


def judge(packet: bytes) -> int:
    """Return how many chunks of an SCTP packet are neither data nor acknowledgements.

    Raises PeerError if the packet holds what no browser sends on a reliable channel: MALFORMED for
    wrong lengths, LIMIT for too many control chunks or parameters, and UNEXPECTED for FORWARD TSN,
    which gives messages up.
    """
    at, end, controls, acknowledgements = _HEADER_BYTES, len(packet), 0, 0
    while at + _CHUNK.size <= end:
        kind, length = _CHUNK.unpack_from(packet, at)
        if length < _CHUNK.size or at + length > end:
            raise PeerError(LinkCode.MALFORMED, "a chunk of a wrong length")
        if kind != _DATA:
            controls += 1
            acknowledgements += kind == _SACK
            if controls > limits.CHANNEL_CONTROL_CHUNKS:
                raise PeerError(LinkCode.LIMIT, "too many control chunks in a packet")
            if kind == _FORWARD_TSN:
                raise PeerError(LinkCode.UNEXPECTED, "the volunteer gave up a message")
            if kind in _WITH_PARAMETERS:
                before = _INIT_BYTES if kind in (_INIT, _INIT_ACK) else 0
                _judge_parameters(packet, at + _CHUNK.size + before, at + length)
        at += length + -length % 4
    return controls - acknowledgements


def _judge_parameters(packet: bytes, at: int, end: int) -> None:
    count = 0
    while at + _LENGTH.size <= end:
        (length,) = _LENGTH.unpack_from(packet, at)
        if length < _LENGTH.size or at + length > end:
            raise PeerError(LinkCode.MALFORMED, "a parameter of a wrong length")
        count += 1
        if count > limits.CHANNEL_PARAMETERS:
            raise PeerError(LinkCode.LIMIT, "too many parameters in a chunk")
        at += length + -length % 4
