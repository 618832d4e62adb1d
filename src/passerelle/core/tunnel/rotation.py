"""Order in which a session's streams send, and how much of the session's turn each may use.

Streams send in rotation, a chunk each: a stream with something to send waits in a line, sends up to
`limits.STREAM_CHUNK_BYTES`, and goes to the end of the line if it has more. So a stream with
megabytes to send delays another stream by one chunk. A stream whose flow-control window is closed
is *blocked*: it leaves the line, and comes back to the line's end when the far side opens the
window.

A *turn* is what the session itself may send, in bytes, before other sessions of the same exit send
(`core.tunnel.roundrobin`). A client has one session, and its turns are `UNLIMITED_BYTES`.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from passerelle import limits

K = TypeVar("K")

UNLIMITED_BYTES: Final = 1 << 62
"""A turn that does not end."""


class StreamRotation(Generic[K]):
    """The streams of one session that have something to send. Streams are any hashable keys."""

    def __init__(self) -> None:
        self._line: dict[K, None] = {}
        """Streams that may send, the next one first."""
        self._blocked: dict[K, None] = {}
        """Streams whose window is closed, in the order in which they were blocked."""
        self.turn_bytes = 0
        """What streams might send in this turn when it began."""
        self._left_bytes = 0

    def __len__(self) -> int:
        """Return how many streams stand in the line; blocked ones do not."""
        return len(self._line)

    # --- streams --------------------------------------------------------------------------------

    def wait(self, stream: K) -> bool:
        """Put a stream that has something to send at the end of the line.

        A stream that stands in the line keeps its place. A blocked one stays blocked: return False.
        """
        if stream in self._blocked:
            return False
        self._line.setdefault(stream)
        return True

    def block(self, stream: K) -> None:
        """Take a stream whose window is closed out of the line."""
        self._line.pop(stream, None)
        self._blocked.setdefault(stream)

    def unblock(self, stream: K) -> None:
        """Put a stream whose window has opened at the end of the line, if it was blocked."""
        if stream in self._blocked:
            del self._blocked[stream]
            self._line.setdefault(stream)

    def unblock_all(self) -> None:
        """Put every blocked stream at the end of the line: the window that all share has opened."""
        self._line.update(self._blocked)
        self._blocked.clear()

    def leave(self, stream: K) -> None:
        """Forget a stream, wherever it stands."""
        self._line.pop(stream, None)
        self._blocked.pop(stream, None)

    def clear(self) -> None:
        """Forget all streams."""
        self._line.clear()
        self._blocked.clear()

    # --- the session's turn ---------------------------------------------------------------------

    def begin_turn(self, turn_bytes: int) -> None:
        """Let streams send `turn_bytes` together from now on; 0 lets none send."""
        self.turn_bytes = self._left_bytes = turn_bytes

    @property
    def ready(self) -> bool:
        """Whether a stream waits and bytes of the turn are left."""
        return bool(self._line) and self._left_bytes > 0

    def next(self, room_bytes: int) -> tuple[K, int]:
        """Take the next stream out of the line; return it and how many bytes it may send.

        Call it only while `ready`. `room_bytes` is what links can take now: bytes that are cut
        ahead of the links delay every other stream. Afterwards tell `spend` what the stream has
        sent, and `wait` or `block` if it has more to send.
        """
        stream = next(iter(self._line))
        del self._line[stream]
        return stream, min(room_bytes, self._left_bytes, limits.STREAM_CHUNK_BYTES)

    def spend(self, size: int) -> None:
        """Count `size` bytes that a stream has sent."""
        self._left_bytes -= size

    @property
    def spent_bytes(self) -> int:
        """What streams have sent since the turn began."""
        return self.turn_bytes - self._left_bytes

    @property
    def exhausted(self) -> bool:
        """Whether the turn's bytes are used up and streams wait to send more."""
        return bool(self._line) and self._left_bytes <= 0
