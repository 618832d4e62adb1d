"""The part of RTP and RTCP that a receiver of one video needs (RFC 3550, 4585, 4588, 7741, 8285).

Parsing trusts no length and keeps nothing. A packet's `send_time` is the header extension
abs-send-time: 24 bits of seconds in 6.18 fixed point, which wrap every 64 s.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

VIDEO_PAYLOAD_TYPE = 97
REPAIR_PAYLOAD_TYPE = 98
"""Payload type of retransmissions (RFC 4588) of `VIDEO_PAYLOAD_TYPE`."""
SEND_TIME_EXTENSION = 2
"""Id of abs-send-time in this project's session descriptions."""
SEND_TIME_SPAN = 1 << 24
"""How many values a send time has."""
SEND_TIME_UNIT_S = 1 / (1 << 18)
SENDER_REPORT = 200
"""RTCP packet type of a sender report."""
OWN_SSRC = 1
"""The SSRC that the client's reports come from."""

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_ONE_BYTE_PROFILE = 0xBEDE
_SEQUENCE_SPAN = 1 << 16
_RTCP_HEADER = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!IQ")
_NACK_BITS = 16
_NACK_MOST = 250
"""Most entries of one NACK packet, which then has 1,000 bytes of them."""
_REMB_MANTISSA = (1 << 18) - 1


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet."""

    payload_type: int
    marker: bool
    sequence: int
    """16 bits, which wrap."""
    ssrc: int
    send_time: int | None
    """In units of `SEND_TIME_UNIT_S`; None without the extension."""
    payload: bytes


def parse(data: bytes) -> RtpPacket:
    """Parse an RTP packet. Raises ValueError for anything else."""
    if len(data) < _HEADER.size:
        raise ValueError("shorter than an RTP header")
    first, second, sequence, _timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise ValueError("not version 2")
    start, end = _HEADER.size + 4 * (first & 0x0F), len(data)
    send_time = None
    if first & 0x10:
        if start + 4 > end:
            raise ValueError("a cut extension")
        profile, words = _EXTENSION.unpack_from(data, start)
        start += 4
        if start + 4 * words > end:
            raise ValueError("a cut extension")
        if profile == _ONE_BYTE_PROFILE:
            send_time = _send_time(data, start, start + 4 * words)
        start += 4 * words
    if first & 0x20:
        end -= data[-1]
    if start > end:
        raise ValueError("no room for the payload")
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, ssrc, send_time, data[start:end])


def _send_time(data: bytes, at: int, end: int) -> int | None:
    """Return abs-send-time from one-byte extensions (RFC 8285 §4.2), or None without one."""
    while at < end:
        head = data[at]
        if head == 0:
            at += 1
            continue
        length = (head & 0x0F) + 1
        if head >> 4 == SEND_TIME_EXTENSION:
            if length != 3 or at + 4 > end:
                raise ValueError("a bad abs-send-time")
            return int.from_bytes(data[at + 1 : at + 4], "big")
        at += 1 + length
    return None


def unwrap_repair(payload: bytes) -> tuple[int, bytes]:
    """Return a retransmitted packet's sequence number and payload (RFC 4588 §4).

    Raises ValueError.
    """
    if len(payload) < 2:
        raise ValueError("a retransmission without its original's number")
    return payload[0] << 8 | payload[1], payload[2:]


def strip_vp8(payload: bytes) -> tuple[bool, bytes]:
    """Return whether a VP8 payload begins a frame, and its bytes without the descriptor.

    Raises ValueError. See RFC 7741 §4.2.
    """
    try:
        first, at = payload[0], 1
        if first & 0x80:
            extension = payload[1]
            at = 2
            if extension & 0x80:
                at += 2 if payload[at] & 0x80 else 1
            at += bool(extension & 0x40) + bool(extension & 0x30)
    except IndexError:
        raise ValueError("a cut VP8 descriptor") from None
    if at > len(payload):
        raise ValueError("a cut VP8 descriptor")
    return first & 0x17 == 0x10, payload[at:]


class WrappingNumber:
    """Extends numbers that wrap: what is meant is the value nearest to the latest number."""

    __slots__ = ("_half", "_latest", "_span")

    def __init__(self, span: int = _SEQUENCE_SPAN) -> None:
        self._span = span
        self._half = span // 2
        self._latest: int | None = None

    def extend(self, number: int, *, keep: bool = True) -> int:
        """Return `number` without wrapping. With `keep` it becomes the latest, if it is later.

        The first number is moved up by one span, so that earlier ones are not negative.
        """
        if self._latest is None:
            extended = number + self._span
        else:
            ahead = (number - self._latest) % self._span
            extended = self._latest + ahead - (self._span if ahead >= self._half else 0)
        if keep and (self._latest is None or extended > self._latest):
            self._latest = extended
        return extended


# --- RTCP ---------------------------------------------------------------------------------------


def sender_report(data: bytes) -> tuple[int, int] | None:
    """Return the SSRC and the middle 32 bits of the NTP time of a sender report.

    `data` is a compound RTCP packet. Return None if it has no sender report.
    """
    at = 0
    while at + 4 <= len(data):
        _first, kind, words = _RTCP_HEADER.unpack_from(data, at)
        end = at + 4 * (words + 1)
        if end > len(data):
            return None
        if kind == SENDER_REPORT and end - at >= 28:
            ssrc, ntp = _SENDER_INFO.unpack_from(data, at + 4)
            return ssrc, ntp >> 16 & 0xFFFFFFFF
        at = end
    return None


def receiver_report(ssrc: int, highest: int, *, last_report: int, delay_s: float) -> bytes:
    """Return a receiver report, from which the sender can tell the round trip.

    `highest` is an extended sequence number. `last_report` is the time from the last sender report,
    which came `delay_s` ago; 0 without one. No loss is reported: a browser would slow down for it,
    and how much is sent is decided elsewhere.
    """
    delay = min(0xFFFFFFFF, int(delay_s * 65536)) if last_report else 0
    block = struct.pack("!IIIIII", ssrc, 0, highest & 0xFFFFFFFF, 0, last_report, delay)
    return struct.pack("!BBHI", 0x81, 201, 7, OWN_SSRC) + block


def bitrate_limit(ssrc: int, bits_s: float) -> bytes:
    """Return a REMB message that allows `bits_s` (draft-alvestrand-rmcat-remb-03)."""
    exponent, mantissa = 0, int(bits_s)
    while mantissa > _REMB_MANTISSA:
        mantissa >>= 1
        exponent += 1
    value = exponent << 18 | mantissa
    body = struct.pack("!II4sI", OWN_SSRC, 0, b"REMB", 1 << 24 | value) + struct.pack("!I", ssrc)
    return struct.pack("!BBH", 0x8F, 206, len(body) // 4) + body


def negative_acknowledgements(ssrc: int, sequences: Iterable[int]) -> list[bytes]:
    """Return NACK packets for ascending sequence numbers (RFC 4585 §6.2.1)."""
    entries: list[tuple[int, int]] = []
    for sequence in sequences:
        if entries:
            ahead = (sequence - entries[-1][0]) % _SEQUENCE_SPAN
            if 0 < ahead <= _NACK_BITS:
                entries[-1] = entries[-1][0], entries[-1][1] | 1 << ahead - 1
                continue
        entries.append((sequence % _SEQUENCE_SPAN, 0))
    packets = []
    for start in range(0, len(entries), _NACK_MOST):
        some = entries[start : start + _NACK_MOST]
        head = struct.pack("!BBHII", 0x81, 205, 2 + len(some), OWN_SSRC, ssrc)
        packets.append(head + b"".join(struct.pack("!HH", *entry) for entry in some))
    return packets
