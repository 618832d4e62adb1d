"""UDP payloads on an HTTP stream: capsules (RFC 9297 §3.2) with QUIC's integers (RFC 9000 §16).

    capsule    type (integer) ‖ length (integer) ‖ value
    DATAGRAM   type 0; value = context id (integer) ‖ UDP payload, context 0 (RFC 9298 §5)

    integer    first two bits 00, 01, 10, 11: 6, 14, 30 or 62 bits in 1, 2, 4 or 8 bytes

Unknown capsule types and unknown contexts are skipped, whatever their length, as both RFCs demand.
"""

from __future__ import annotations

from typing import Final

from passerelle.errors import LinkCode, PeerError
from passerelle.limits import DATAGRAM_BYTES

DATAGRAM: Final = 0x00
UDP_CONTEXT: Final = 0x00
INTEGER_MOST: Final = 2**62 - 1
_CONTEXT_BYTES: Final = 8
"""Length of the longest form of a context id: RFC 9000 does not demand the shortest one."""


def encode_integer(value: int) -> bytes:
    """Return the shortest form of `value`, 0 to INTEGER_MOST."""
    for power in range(4):
        size = 1 << power
        if value < 1 << (8 * size - 2):
            return (value | power << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError("an integer of QUIC has 62 bits")


def decode_integer(data: bytes | bytearray, offset: int) -> tuple[int, int] | None:
    """Return the integer at `offset` and the offset behind it, or None if it is cut short."""
    if offset >= len(data):
        return None
    size = 1 << (data[offset] >> 6)
    end = offset + size
    if end > len(data):
        return None
    return int.from_bytes(data[offset:end], "big") & ((1 << (8 * size - 2)) - 1), end


def encode_datagram(payload: bytes) -> bytes:
    """Return the capsule of one UDP payload, of at most `limits.DATAGRAM_BYTES`."""
    return b"\x00" + encode_integer(len(payload) + 1) + b"\x00" + payload


class CapsuleDecoder:
    """Finds the UDP payloads in one direction of one stream.

    Holds at most one incomplete capsule, of at most `limits.DATAGRAM_BYTES` and a few bytes more.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        """Bytes that are still to come of a capsule that is skipped."""

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes in any chunks; return the payloads that are complete.

        Raises PeerError(MALFORMED) for a datagram without a context id or longer than UDP carries.
        RFC 9298 §5 demands that this stream alone is broken off then.
        """
        self._buffer += data
        payloads: list[bytes] = []
        offset = 0
        while (end := self._step(offset, payloads)) is not None:
            offset = end
        del self._buffer[:offset]
        return payloads

    def _step(self, offset: int, payloads: list[bytes]) -> int | None:
        """Return the offset behind the next capsule, or behind what is here of a skipped one.

        None if more bytes must come first.
        """
        buffer = self._buffer
        if self._skip:
            here = min(self._skip, len(buffer) - offset)
            self._skip -= here
            return offset + here if here else None
        kind = decode_integer(buffer, offset)
        length = kind and decode_integer(buffer, kind[1])
        if not kind or not length:
            return None
        size, start = length
        if kind[0] != DATAGRAM:
            self._skip = size
            return start
        if size > DATAGRAM_BYTES + _CONTEXT_BYTES:
            raise PeerError(LinkCode.MALFORMED, "a datagram is longer than UDP carries")
        end = start + size
        if end > len(buffer):
            return None
        payload = _payload(bytes(buffer[start:end]))
        if payload is not None:
            payloads.append(payload)
        return end


def _payload(value: bytes) -> bytes | None:
    """Return the UDP payload in a DATAGRAM capsule's value, or None in another context."""
    context = decode_integer(value, 0)
    if context is None:
        raise PeerError(LinkCode.MALFORMED, "a datagram has no context id")
    number, start = context
    if number != UDP_CONTEXT:
        return None
    if len(value) - start > DATAGRAM_BYTES:
        raise PeerError(LinkCode.MALFORMED, "a datagram is longer than UDP carries")
    return value[start:]
