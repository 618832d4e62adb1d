"""Puts segments that arrive over several links back in order."""

from __future__ import annotations

from passerelle import limits
from passerelle.core.tunnel.ranges import RangeSet
from passerelle.errors import LinkCode, PeerError


class Reassembly:
    """Takes segments in any order, any number of times, and gives each byte once, in order.

    It holds at most `window_bytes` of payload beyond the in-order offset, in at most
    `limits.PENDING_SEGMENTS` pieces.
    """

    def __init__(self, window_bytes: int) -> None:
        self._window_bytes = window_bytes
        self._received = RangeSet()
        self._pending: dict[int, bytes] = {}
        """Pieces beyond the in-order offset, by their offsets. They never overlap."""
        self._ready: list[bytes | memoryview] = []
        self.pending_bytes = 0
        """Payload bytes that are held out of order."""

    @property
    def held_bytes(self) -> int:
        """Memory that waits for a missing segment: what came after it, and its bookkeeping."""
        return self.pending_bytes + len(self._pending) * limits.PIECE_COST_BYTES

    @property
    def in_order(self) -> int:
        """Offset up to which everything has arrived."""
        return self._received.floor

    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Return what has arrived out of order as (start, end), as an ACK carries it."""
        return self._received.ranges(limits.ACK_RANGES)

    def add(self, offset: int, payload: bytes | memoryview) -> None:
        """Take one segment. Bytes that were received before are not replaced.

        Raises PeerError: FLOW for a segment beyond the window, LIMIT for too many pieces. Nothing
        of the segment is taken then.
        """
        end = offset + len(payload)
        if end > self.in_order + self._window_bytes:
            raise PeerError(LinkCode.FLOW, "data beyond the session's window")
        gaps = self._received.missing(offset, end)
        if len(self._pending) + len(gaps) > limits.PENDING_SEGMENTS:
            raise PeerError(LinkCode.LIMIT, "too many segments out of order")
        for gap_start, gap_end in gaps:
            self._take(gap_start, gap_end, payload[gap_start - offset : gap_end - offset])

    def read(self) -> list[bytes | memoryview]:
        """Return the in-order bytes that arrived since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _take(self, start: int, end: int, piece: bytes | memoryview) -> None:
        in_order = self.in_order
        self._received.add(start, end)
        if start == in_order:
            self._ready.append(piece)
            self._release(end)
        else:
            self._pending[start] = bytes(piece)
            self.pending_bytes += len(piece)

    def _release(self, position: int) -> None:
        """Make the pieces that follow `position` without a gap ready to be read."""
        while position < self.in_order:
            piece = self._pending.pop(position)
            self.pending_bytes -= len(piece)
            self._ready.append(piece)
            position += len(piece)
