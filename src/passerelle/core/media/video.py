"""Link messages inside the frames of a video.

A frame's payload is `backlog u16`, the KiB that wait at the relay behind this frame, then records:
`number u32 ‖ length u16 ‖ message`. A length of 0 ends the frame, and what follows is padding. A
frame travels in RTP packets of consecutive numbers. Its first packet is marked in the VP8
descriptor, its last by RTP's marker bit.

`Frames` takes packets in any order and gives whole frames in order. A frame with a packet that
never comes is skipped. `Order` takes messages that came in frames or over the DataChannel, gives
them in order, and can name the missing ones.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from passerelle import limits
from passerelle.core.media.rtp import WrappingNumber
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import MESSAGE_NUMBER_BYTES

RESEND_RTTS = 3
"""Round trips for which a message is missing before the far side itself is asked for it."""
RESEND_LEAST_S = 0.4
"""Shortest time that `RESEND_RTTS` comes to."""

_RECORD = struct.Struct("!IH")
_HEAD = struct.Struct("!H")
HEAD_BYTES = _HEAD.size
"""Length of what is before the first record."""
RECORD_HEAD_BYTES = _RECORD.size
"""Length of what is before each message."""
_SEQUENCE_SPAN = limits.MESSAGE_NUMBERS


@dataclass(frozen=True, slots=True)
class Fragment:
    """One packet's part of a frame."""

    starts: bool
    """Whether the frame begins with it."""
    ends: bool
    """Whether the frame ends with it."""
    data: bytes


def resend_wait_s(rtt_s: float) -> float:
    """Return how long a message is missing before the far side itself is asked for it."""
    return max(RESEND_LEAST_S, RESEND_RTTS * rtt_s)


def split_numbered(data: bytes) -> tuple[int, bytes]:
    """Return the number and the message of a binary message of a media link's DataChannel.

    Raises PeerError(MALFORMED).
    """
    if len(data) < MESSAGE_NUMBER_BYTES:
        raise PeerError(LinkCode.MALFORMED, "a message without a number")
    return int.from_bytes(data[:MESSAGE_NUMBER_BYTES], "big"), data[MESSAGE_NUMBER_BYTES:]


def pack(backlog_bytes: int, messages: list[tuple[int, bytes]]) -> bytes:
    """Return the payload of a frame that holds numbered messages."""
    return _HEAD.pack(min(0xFFFF, backlog_bytes // limits.KIB)) + b"".join(
        _RECORD.pack(number % _SEQUENCE_SPAN, len(message)) + message
        for number, message in messages
    )


def unpack(payload: bytes | memoryview) -> tuple[int, list[tuple[int, bytes]]]:
    """Return how many bytes wait at the relay, and a frame's numbered messages.

    Raises PeerError(MALFORMED or LIMIT).
    """
    at, end = _HEAD.size, len(payload)
    if end < at:
        raise PeerError(LinkCode.MALFORMED, "a frame without a head")
    backlog_bytes = _HEAD.unpack_from(payload)[0] * limits.KIB
    messages = []
    while at + _RECORD.size <= end:
        number, length = _RECORD.unpack_from(payload, at)
        if length == 0:
            break
        at += _RECORD.size
        if length > limits.LINK_MESSAGE_BYTES:
            raise PeerError(LinkCode.LIMIT, "a message longer than links carry")
        if at + length > end:
            raise PeerError(LinkCode.MALFORMED, "a frame cut inside a message")
        messages.append((number, bytes(payload[at : at + length])))
        at += length
    return backlog_bytes, messages


class Frames:
    """Puts packets in order and joins them to frames.

    It holds at most `limits.MEDIA_PACKETS` packets beyond a gap, and one frame of
    `limits.MEDIA_FRAME_BYTES`.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, Fragment] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._broken = True
        """Whether the frame at hand lacks its beginning. Before the first packet it does."""
        self.held_bytes = 0
        """Bytes that wait for something before them, or for the end of their frame."""

    def add(self, number: int, fragment: Fragment) -> list[bytes]:
        """Take a packet and return the frames that are whole now. Call it once for each number.

        Raises PeerError(LIMIT).
        """
        if self._next is None:
            self._next = number
        if number < self._next:
            return []
        self.held_bytes += len(fragment.data)
        if number > self._next:
            if len(self._waiting) >= limits.MEDIA_PACKETS:
                raise PeerError(LinkCode.LIMIT, "too many packets out of order")
            self._waiting[number] = fragment
            return []
        frames: list[bytes] = []
        self._append(fragment, frames)
        self._advance(frames)
        return frames

    def skip(self, number: int) -> list[bytes]:
        """Give up a packet, whose frame is lost. Return the frames that are whole now."""
        if self._next is None or number < self._next:
            return []
        # Earlier packets are missing too. They will come, or be given up as well.
        if number > self._next:
            self._waiting[number] = _GAP
            return []
        frames: list[bytes] = []
        self._append(_GAP, frames)
        self._advance(frames)
        return frames

    def _advance(self, frames: list[bytes]) -> None:
        waiting = self._waiting
        while waiting and (fragment := waiting.pop(self._next or 0, None)) is not None:
            self._append(fragment, frames)

    def _append(self, fragment: Fragment, frames: list[bytes]) -> None:
        self._next = (self._next or 0) + 1
        if fragment is _GAP or fragment.starts:
            self._drop(broken=fragment is _GAP)
        if self._broken:
            self.held_bytes -= len(fragment.data)
            return
        self._parts.append(fragment.data)
        self._size += len(fragment.data)
        if self._size > limits.MEDIA_FRAME_BYTES:
            raise PeerError(LinkCode.LIMIT, "a frame without end")
        if fragment.ends:
            frames.append(b"".join(self._parts))
            self._drop(broken=True)

    def _drop(self, *, broken: bool) -> None:
        self.held_bytes -= self._size
        self._parts, self._size, self._broken = [], 0, broken


_GAP = Fragment(starts=False, ends=False, data=b"")


class Order:
    """Gives numbered messages in order, each once, from number 0 on.

    It holds at most `limits.MEDIA_HELD_BYTES`, in at most `limits.MEDIA_MESSAGES` messages.
    """

    def __init__(self) -> None:
        self.next = 0
        """The number of the next message, extended: it does not wrap."""
        self.held_bytes = 0
        """Bytes of messages that wait for one before them."""
        self.missing_since_s: float | None = None
        """Since when the next message is missing, while a later one is here; None otherwise."""
        self._held: dict[int, bytes] = {}
        self._counter = WrappingNumber(_SEQUENCE_SPAN)
        self._counter.extend(0)

    def add(self, number: int, message: bytes, now: float) -> list[bytes]:
        """Take a message and its 32-bit number. Return the messages that are in order now.

        Raises PeerError(LIMIT).
        """
        extended = self._counter.extend(number) - _SEQUENCE_SPAN
        if extended < self.next or extended in self._held:
            return []
        if extended > self.next:
            self._hold(extended, message)
            if self.missing_since_s is None:
                self.missing_since_s = now
            return []
        ready = [message]
        self.next += 1
        while self._held and (held := self._held.pop(self.next, None)) is not None:
            self.held_bytes -= len(held)
            ready.append(held)
            self.next += 1
        self.missing_since_s = now if self._held else None
        return ready

    def missing(self, most: int, unsent: int | None = None) -> list[tuple[int, int]]:
        """Return the first gaps, at most `most`, as (first, end) in 32-bit numbers.

        `unsent` is the 32-bit number of the first message that was never sent, where that is known:
        what lacks before it is missing although nothing later has come.
        """
        gaps = []
        expected = self.next
        ends = sorted(self._held)
        if unsent is not None:
            ends.append(self.next + (unsent - self.next) % _SEQUENCE_SPAN)
        for number in ends:
            if number > expected:
                gaps.append((expected % _SEQUENCE_SPAN, number % _SEQUENCE_SPAN))
                if len(gaps) == most:
                    break
            expected = number + 1
        return gaps

    def missing_bytes(self, unsent: int) -> int:
        """Return about how many bytes were sent before message `unsent` and are not here.

        `unsent` is as in `missing`. Messages that are not here are taken to be as long as those
        that wait on average; the result is 0 where none waits.
        """
        ahead = (unsent - self.next) % _SEQUENCE_SPAN
        if not self._held or ahead > limits.MEDIA_MESSAGES_AHEAD:
            return 0
        return max(0, ahead - len(self._held)) * (self.held_bytes // len(self._held))

    def _hold(self, number: int, message: bytes) -> None:
        if (
            self.held_bytes + len(message) > limits.MEDIA_HELD_BYTES
            or len(self._held) >= limits.MEDIA_MESSAGES
            or number - self.next > limits.MEDIA_MESSAGES_AHEAD
        ):
            raise PeerError(LinkCode.LIMIT, "too many messages out of order")
        self._held[number] = message
        self.held_bytes += len(message)
