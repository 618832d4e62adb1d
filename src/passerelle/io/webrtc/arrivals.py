"""The receiving half of SCTP for one ordered, reliable stream.

The chunks of such a stream are its messages in TSN order. So chunks that came too early wait in a
table by their numbers, the runs that they form are kept sorted for SACKs, and the one message at
hand is a list of parts. Taking a chunk costs the same however many wait.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import MESSAGE_NUMBER_BYTES

RECEIVE_WINDOW_BYTES = limits.LINK_WINDOW_CAP_BYTES + limits.MIB
"""The window that SCTP advertises, larger than a link's largest window. A sender with more in
flight than is advertised provokes loss and falls to a few Mbit/s (aiortc's own value is 1 MiB)."""
LAST, FIRST, UNORDERED = 1, 2, 4
"""Flags of a DATA chunk (RFC 9260 §3.3.1)."""
_MESSAGE_BYTES = limits.LINK_MESSAGE_BYTES + MESSAGE_NUMBER_BYTES
_TSN_MASK = 0xFFFFFFFF
_AHEAD_MOST = 0xFFFF
"""How far beyond the cumulative TSN a gap block of a SACK can tell of a chunk."""
_PAST = 1 << 31
"""A TSN that is this far ahead or more is one of the past."""


class Fragment(NamedTuple):
    """What counts of a DATA chunk."""

    flags: int
    protocol: int
    data: bytes


class Arrivals:
    """The chunks of one stream that have arrived, and the messages in them.

    It holds at most `RECEIVE_WINDOW_BYTES` in `limits.CHANNEL_CHUNKS` chunks beyond a gap, and the
    beginning of one message.
    """

    def __init__(self, tsn: int) -> None:
        """`tsn` is the one before the first that the peer uses."""
        self._last = tsn
        """Everything up to this number has arrived. Numbers are TSNs that do not wrap."""
        self._waiting: dict[int, Fragment] = {}
        self._starts: list[int] = []
        self._ends: list[int] = []
        """First and last number of each run of chunks that wait, ascending."""
        self._waiting_bytes = 0
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self.duplicates: list[int] = []
        """The TSNs that came again since the owner last emptied this list, the first of them."""

    @property
    def tsn(self) -> int:
        """The cumulative TSN: it and all before it have arrived."""
        return self._last & _TSN_MASK

    @property
    def window_bytes(self) -> int:
        """How many bytes there is room for."""
        return max(0, RECEIVE_WINDOW_BYTES - self._waiting_bytes - self._parts_bytes)

    @property
    def has_gap(self) -> bool:
        """Whether a chunk is missing that others wait for."""
        return bool(self._starts)

    def __len__(self) -> int:
        """Return how many chunks wait for a missing one."""
        return len(self._waiting)

    def gap_blocks(self) -> list[tuple[int, int]]:
        """Return the first runs that wait, as a SACK tells of them: counted from `tsn`."""
        most, last = limits.CHANNEL_SACK_BLOCKS, self._last
        runs = zip(self._starts[:most], self._ends[:most], strict=True)
        return [(start - last, end - last) for start, end in runs]

    def add(self, tsn: int, fragment: Fragment) -> list[tuple[int, bytes]] | None:
        """Take a chunk and return the (protocol, message) pairs that are whole now.

        Return None for a chunk that came before, or that is too far ahead to be told of. Raises
        PeerError.
        """
        if fragment.flags & UNORDERED:
            raise PeerError(LinkCode.UNEXPECTED, "an unordered message on an ordered channel")
        if not fragment.data:
            raise PeerError(LinkCode.MALFORMED, "a chunk without data")
        ahead = tsn - self._last & _TSN_MASK
        number = self._last + ahead
        if ahead == 0 or ahead >= _PAST or number in self._waiting:
            if len(self.duplicates) < limits.CHANNEL_SACK_BLOCKS:
                self.duplicates.append(tsn)
            return None
        if ahead > _AHEAD_MOST:
            return None
        if ahead > 1:
            self._hold(number, fragment)
            return []
        messages: list[tuple[int, bytes]] = []
        self._take(fragment, messages)
        self._last = number
        if self._starts and self._starts[0] == number + 1:
            self._last = self._ends[0]
            del self._starts[0], self._ends[0]
            for follower in range(number + 1, self._last + 1):
                waited = self._waiting.pop(follower)
                self._waiting_bytes -= len(waited.data)
                self._take(waited, messages)
        return messages

    def _hold(self, number: int, fragment: Fragment) -> None:
        size = self._waiting_bytes + len(fragment.data)
        if len(self._waiting) >= limits.CHANNEL_CHUNKS or size > RECEIVE_WINDOW_BYTES:
            raise PeerError(LinkCode.LIMIT, "too much beyond a missing chunk")
        self._waiting[number] = fragment
        self._waiting_bytes = size
        starts, ends = self._starts, self._ends
        right = bisect_right(starts, number)
        joins_left = right > 0 and ends[right - 1] == number - 1
        joins_right = right < len(starts) and starts[right] == number + 1
        if joins_left and joins_right:
            ends[right - 1] = ends[right]
            del starts[right], ends[right]
        elif joins_left:
            ends[right - 1] = number
        elif joins_right:
            starts[right] = number
        else:
            starts.insert(right, number)
            ends.insert(right, number)

    def _take(self, fragment: Fragment, messages: list[tuple[int, bytes]]) -> None:
        if bool(fragment.flags & FIRST) == bool(self._parts):
            raise PeerError(LinkCode.MALFORMED, "a message without its beginning or its end")
        size = self._parts_bytes + len(fragment.data)
        if size > _MESSAGE_BYTES:
            raise PeerError(LinkCode.LIMIT, "a message longer than links carry")
        self._parts.append(fragment.data)
        self._parts_bytes = size
        if fragment.flags & LAST:
            messages.append((fragment.protocol, b"".join(self._parts)))
            self._parts, self._parts_bytes = [], 0
