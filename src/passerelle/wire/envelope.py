"""The padded envelope around the first messages of a link.

The sizes of a nested TLS handshake are a known fingerprint, and TLS offers no way to pad them.
Therefore the first `limits.ENVELOPED_MESSAGES` messages each way are `length u16, TLS bytes,
padding`, and all later messages are bare TLS bytes. Padding lies outside the link's TLS and inside
the transport's encryption, so an observer of the network sees only the sum of both.
"""

from __future__ import annotations

import struct

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

_LENGTH = struct.Struct("!H")
PAYLOAD_BYTES = limits.LINK_MESSAGE_BYTES - limits.ENVELOPE_BYTES
"""Most TLS bytes in one enveloped message."""


def wrap(payload: bytes, padding_bytes: int) -> bytes:
    """Return `payload` in an envelope, padded as far as a link message allows."""
    room = PAYLOAD_BYTES - len(payload)
    if room < 0:
        raise ValueError("payload does not fit a link message")
    return _LENGTH.pack(len(payload)) + payload + bytes(min(padding_bytes, room))


def unwrap(message: bytes) -> bytes:
    """Return the payload of an enveloped message.

    Raises PeerError(MALFORMED) when the length does not fit the message.
    """
    if len(message) < _LENGTH.size:
        raise PeerError(LinkCode.MALFORMED, "a link message shorter than its envelope")
    (length,) = _LENGTH.unpack_from(message)
    if length > len(message) - _LENGTH.size:
        raise PeerError(LinkCode.MALFORMED, "an envelope longer than its link message")
    return message[_LENGTH.size : _LENGTH.size + length]
