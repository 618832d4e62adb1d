"""Puts segments that arrive over several links back in order."""

from __future__ import annotations

from passerelle import limits
from passerelle.core.ranges import RangeSet
from passerelle.errors import LinkCode, PeerError


class Reassembly:
    """Takes segments in any order, any number of times, and gives each byte once, in order.

    Holds at most `window_bytes` of payload beyond the in-order offset, in at most
    `limits.PENDING_SEGMENTS` pieces.
    """

    def __init__(self, window_bytes: int) -> None:
        self._window_bytes = window_bytes
        self._received = RangeSet()
        self._pending: dict[int, bytes] = {}
        self._ready: list[bytes | memoryview] = []
        self.pending_bytes = 0
        """Payload held out of order."""

    @property
    def in_order(self) -> int:
        """Offset up to which everything has arrived."""
        return self._received.floor

    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Return what has arrived out of order, as an ACK carries it."""
        return self._received.ranges(limits.ACK_RANGES)

    def add(self, offset: int, payload: bytes | memoryview) -> None:
        """Take one segment; duplicates and overlaps cost nothing.

        Raises PeerError(FLOW) beyond the window, PeerError(LIMIT) for too many pieces.
        """
        end = offset + len(payload)
        if end > self.in_order + self._window_bytes:
            raise PeerError(LinkCode.FLOW, "data beyond the session's window")
        if self._received.covers(offset, end):
            return
        before = self.in_order
        self._received.add(offset, end)
        if offset <= before:
            self._ready.append(payload[before - offset :])
            if self.in_order > end:
                self._release(end)
        else:
            self._hold(offset, payload)

    def read(self) -> list[bytes | memoryview]:
        """Return the in-order bytes that arrived since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _hold(self, offset: int, payload: bytes | memoryview) -> None:
        held = self._pending.get(offset)
        if held is not None:
            if len(held) >= len(payload):
                return
            self.pending_bytes -= len(held)
        elif len(self._pending) >= limits.PENDING_SEGMENTS:
            raise PeerError(LinkCode.LIMIT, "too many segments out of order")
        self._pending[offset] = bytes(payload)
        self.pending_bytes += len(payload)

    def _release(self, position: int) -> None:
        """Move held pieces that the floor has passed over to the reader, from `position` on."""
        while position < self.in_order:
            piece = self._pending.pop(position, None)
            if piece is None:
                position = self._release_overlapping(position)
                continue
            self.pending_bytes -= len(piece)
            self._ready.append(piece)
            position += len(piece)
        self._drop_passed()

    def _release_overlapping(self, position: int) -> int:
        """Find a piece that starts before `position` and reaches beyond it.

        Only a peer that cuts the same bytes differently a second time brings us here.
        """
        start, piece = next(
            (start, piece)
            for start, piece in self._pending.items()
            if start < position < start + len(piece)
        )
        del self._pending[start]
        self.pending_bytes -= len(piece)
        self._ready.append(memoryview(piece)[position - start :])
        return start + len(piece)

    def _drop_passed(self) -> None:
        """Forget pieces wholly below the floor; none exist unless segments overlapped."""
        if not self._pending or min(self._pending) >= self.in_order:
            return
        for start in [start for start in self._pending if start < self.in_order]:
            self.pending_bytes -= len(self._pending.pop(start))
