"""Packs messages into video frames, and keeps each until the far side acknowledges it.

`widget/src/core/traffic/framepacker.ts` is the page's half. Numbers count the messages of one
direction of a link from 0, by video or by DataChannel, and travel modulo 2^32.

Messages come in order at the far end, so a lost acknowledgement holds back those after it for a
round trip. Where frames have little to carry, the next ones have their small messages once more.
Numbers make that harmless, and a lost packet is then repaired by the one that follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from passerelle import limits
from passerelle.core.media import callframe, frame
from passerelle.core.media.video import RECORD_HEAD_BYTES
from passerelle.errors import LinkCode, PeerError

REPEATS: Final = 2
"""Frames after its own that a small message is in once more."""
REPEAT_BYTES: Final = 300
"""The longest message that is repeated: an acknowledgement has about a hundred bytes."""
PACKET_BYTES: Final = 1_100
"""Size up to which a frame takes repeated messages: about what one packet carries."""


class MessagePacker:
    """The messages of one direction that are not acknowledged yet."""

    def __init__(self) -> None:
        self._kept: dict[int, bytes] = {}
        """Messages that are not acknowledged, by their full numbers."""
        self._again: dict[int, None] = {}
        """Numbers of messages to be sent again, in order of asking."""
        self._repeats: dict[int, int] = {}
        """How many more frames repeat a message, by its number."""
        self._first = 0
        """Number of the first message that is not acknowledged."""
        self._unsent = 0
        """Number of the first message that was never sent."""
        self._next = 0
        """Number of the next message."""
        self.queued_bytes = 0
        """Bytes of messages that wait to be sent, for the first time or again."""
        self.kept_bytes = 0
        """Bytes of messages that are not acknowledged."""

    @property
    def count(self) -> int:
        """Messages pushed so far."""
        return self._next

    @property
    def cost_bytes(self) -> int:
        """What it takes to keep the messages that are not acknowledged."""
        return self.kept_bytes + len(self._kept) * limits.MESSAGE_COST_BYTES

    @property
    def is_done(self) -> bool:
        """Whether the far side has everything."""
        return not self._kept

    def push(self, message: bytes) -> None:
        """Queue a message of at least one byte."""
        self._kept[self._next] = message
        self._next += 1
        self.queued_bytes += len(message)
        self.kept_bytes += len(message)

    def shift(self) -> tuple[int, bytes] | None:
        """Take the next waiting message and its 32-bit number; None when none waits."""
        for number in self._waiting():
            return number % limits.MESSAGE_NUMBERS, self._mark_sent(number)
        return None

    def next_frame(
        self,
        genuine: bytes,
        most_bytes: int,
        least_bytes: int = 0,
        *,
        got: int = 0,
        now: float = 0.0,
    ) -> bytes:
        """Return a frame with the waiting messages that fit into `most_bytes`, and at least one.

        `got` is the number before which this end has all messages of the other direction, and
        `now` the time in seconds of a clock that never goes back.
        With nothing left to send it has small messages of the last frames once more, and it is
        filled up to `least_bytes`.
        """
        size = len(genuine) + frame.OVERHEAD_BYTES
        numbers: list[int] = []
        for number in self._waiting():
            length = RECORD_HEAD_BYTES + len(self._kept[number])
            if numbers and size + length > most_bytes:
                break
            size += length
            numbers.append(number)
        messages = [(number, self._mark_sent(number)) for number in numbers]
        if not self.queued_bytes:
            messages = self._repeat_with(messages, min(PACKET_BYTES, most_bytes) - size)
            size = len(genuine) + frame.OVERHEAD_BYTES
            size += sum(RECORD_HEAD_BYTES + len(message) for _, message in messages)
        pad = max(0, least_bytes - size)
        return frame.wrap(
            genuine,
            self.queued_bytes,
            messages,
            got=got,
            unsent=self._unsent,
            sent=round(now * frame.SENT_PER_S),
            pad=pad,
        )

    def fill(self, encoded: bytes, *, got: int = 0) -> bytes:
        """Return a call's frame as long as `encoded`, with the waiting messages that fit into it.

        With nothing left to send it has small messages of the last frames once more. `got` is as in
        `next_frame`.
        """
        room = callframe.room_bytes(encoded)
        numbers: list[int] = []
        for number in self._waiting():
            room -= RECORD_HEAD_BYTES + len(self._kept[number])
            if room < 0:
                break
            numbers.append(number)
        messages = [(number, self._mark_sent(number)) for number in numbers]
        if not self.queued_bytes:
            messages = self._repeat_with(messages, room)
        return callframe.fill(encoded, self.queued_bytes, messages, got, self._unsent)

    def _repeat_with(
        self, messages: list[tuple[int, bytes]], room_bytes: int
    ) -> list[tuple[int, bytes]]:
        """Return `messages` behind those that are due once more and fit into `room_bytes`."""
        repeated = self._repeat(room_bytes)
        self._repeats |= {
            number: REPEATS for number, message in messages if len(message) <= REPEAT_BYTES
        }
        return repeated + messages

    def _repeat(self, room_bytes: int) -> list[tuple[int, bytes]]:
        """Take the messages that are due once more and fit into `room_bytes`."""
        messages = []
        for number in list(self._repeats):
            message = self._kept[number]
            room_bytes -= RECORD_HEAD_BYTES + len(message)
            if room_bytes < 0:
                break
            messages.append((number, message))
            self._repeats[number] -= 1
            if not self._repeats[number]:
                del self._repeats[number]
        return messages

    def acknowledge(self, number: int) -> None:
        """Forget all messages before the 32-bit `number`. An older number may come later.

        Raises PeerError(MALFORMED) when one of them was never sent.
        """
        end = self._extend(number)
        if end < self._first:
            return
        if end > self._unsent:
            raise PeerError(LinkCode.MALFORMED, "a message that was never sent")
        for each in range(self._first, end):
            size = len(self._kept.pop(each))
            self.kept_bytes -= size
            self._repeats.pop(each, None)
            if each in self._again:
                del self._again[each]
                self.queued_bytes -= size
        self._first = end

    def resend(self, gaps: tuple[tuple[int, int], ...]) -> None:
        """Queue messages once more, but for those that are acknowledged or were never sent."""
        for first, end in gaps:
            # It may begin with what was acknowledged since the far end asked.
            begin = self._extend(first)
            until = min(begin + (end - first) % limits.MESSAGE_NUMBERS, self._unsent)
            for number in range(max(begin, self._first), until):
                if number not in self._again:
                    self._again[number] = None
                    self.queued_bytes += len(self._kept[number])

    def _waiting(self) -> Iterator[int]:
        yield from self._again
        yield from range(self._unsent, self._next)

    def _mark_sent(self, number: int) -> bytes:
        message = self._kept[number]
        self.queued_bytes -= len(message)
        if number in self._again:
            del self._again[number]
        else:
            self._unsent = number + 1
        return message

    def _extend(self, number: int) -> int:
        """Return the number nearest to those that are kept of which `number` has the last bits."""
        half = limits.MESSAGE_NUMBERS // 2
        return self._first - half + (number - self._first + half) % limits.MESSAGE_NUMBERS
