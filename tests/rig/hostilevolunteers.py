"""Volunteers that take part in a reading page's links, each hostile in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from passerelle.wire.gatewayframes import FRAME_HEADER_BYTES, FrameType, Reset, encode_reset
from tests.volunteer import Relay

_TYPE: Final = FRAME_HEADER_BYTES - 1


class Altering(Relay):
    """Changes one byte of each answer."""

    async def down(self, message: bytes) -> None:
        at = len(message) - 1
        self.to_client(message[:at] + bytes([message[at] ^ 1]))


class Cutting(Relay):
    """Sends half of each frame."""

    async def down(self, message: bytes) -> None:
        middle = FRAME_HEADER_BYTES + (len(message) - FRAME_HEADER_BYTES) // 2
        self.to_client(message[:middle])


class Ending(Relay):
    """Says that each answer's first frame is its last."""

    async def down(self, message: bytes) -> None:
        end = bytes([FrameType.ANSWER_END])
        self.to_client(message[:_TYPE] + end + message[FRAME_HEADER_BYTES:])


class Repeating(Relay):
    """Sends each frame twice."""

    async def down(self, message: bytes) -> None:
        self.to_client(message)
        self.to_client(message)


class Mixing(Relay):
    """Gives each answer to another request."""

    async def down(self, message: bytes) -> None:
        number = int.from_bytes(message[:4], "big")
        self.to_client((number ^ 1).to_bytes(4, "big") + message[4:])


class Refusing(Relay):
    """Says of each request that it was sealed to an unknown key."""

    async def up(self, message: bytes) -> None:
        if message[_TYPE] == FrameType.REQUEST_END:
            self.to_client(encode_reset(int.from_bytes(message[:4], "big"), Reset.KEY))


class Flooding(Relay):
    """Answers each frame with a megabyte of noise, as answers to whatever was asked."""

    async def up(self, message: bytes) -> None:
        if message[_TYPE] == FrameType.REQUEST_END:
            head = message[:4] + bytes([FrameType.ANSWER])
            for _ in range(64):
                self.to_client(head + bytes(16_000))


class Bursting(Relay):
    """Answers each frame with a message that is longer than a link has."""

    async def up(self, message: bytes) -> None:
        self.to_client(message[:4] + bytes([FrameType.ANSWER]) + bytes(60_000))


class Empty(Relay):
    """Answers each frame with frames of nothing, and carries nothing."""

    async def up(self, message: bytes) -> None:
        if message[_TYPE] == FrameType.REQUEST_END:
            for _ in range(20):
                self.to_client(message[:4] + bytes([FrameType.ANSWER]))


class Silent(Relay):
    """Takes everything, and gives nothing."""

    async def up(self, message: bytes) -> None:
        pass


LOUD: Final[tuple[Callable[[], Relay], ...]] = (
    Altering,
    Cutting,
    Ending,
    Mixing,
    Refusing,
    Flooding,
    Bursting,
)
"""Those that a page notices at once."""
QUIET: Final[tuple[Callable[[], Relay], ...]] = (Silent, Empty, Repeating)
"""Those that it notices by the time that passes, or after their first answer."""
