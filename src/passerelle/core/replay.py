"""Refuse messages that are stale, that come from the future, or that came before."""

from __future__ import annotations

import math

from passerelle.core.origin import UNKNOWN
from passerelle.core.shares import ShareTable


class ReplayWindow:
    """The nonces of messages whose time is still acceptable, at most `capacity` of them.

    Times are Unix seconds. A nonce is remembered for as long as its message would count as fresh,
    but in a full window the oldest nonce of the heaviest party (`core.shares`) gives way. From then
    on that nonce's origin is believed only about later times, so that nothing that it sent is
    accepted a second time.
    """

    def __init__(self, skew_s: float, capacity: int) -> None:
        """A message's time may differ from ours by up to `skew_s`, in either direction."""
        self._skew_s = skew_s
        self._nonces: ShareTable[bytes] = ShareTable(capacity, oldest_first=True)
        self._messages: dict[bytes, tuple[float, bytes]] = {}
        """Time and origin of each nonce."""
        self._by_second: dict[int, set[bytes]] = {}
        """The nonces of messages with a time in each second."""
        self._floors: dict[bytes, float] = {}
        """The latest time of a nonce that gave way, for each origin that had to."""
        self._edge_s = 0
        """The second up to which the window was last cleared."""
        self._forgotten_s = -math.inf
        """The latest time that was forgotten because it was no longer fresh."""

    def __len__(self) -> int:
        """Return how many nonces are remembered."""
        return len(self._nonces)

    def accept(self, nonce: bytes, time_s: float, now_s: float, origin: bytes = UNKNOWN) -> bool:
        """Return whether a message is fresh and new; if it is, remember its nonce.

        `origin` (`core.origin`) is whom the message counts for.
        """
        self._forget(now_s)
        # A NaN fails both comparisons, and so is refused. The second one refuses messages whose
        # nonces were forgotten, even if our clock is set back and they would count as fresh again.
        fresh = abs(time_s - now_s) <= self._skew_s and time_s > self._forgotten_s
        if not fresh or nonce in self._nonces or time_s <= self._floors.get(origin, -math.inf):
            return False
        full = len(self._nonces) >= self._nonces.capacity
        if full and len(self._floors) >= self._nonces.capacity:
            return False
        self._messages[nonce] = (time_s, origin)
        self._by_second.setdefault(math.floor(time_s), set()).add(nonce)
        gone = self._nonces.add(nonce, origin)
        if gone is not None:
            self._give_way(gone)
        return True

    def _give_way(self, nonce: bytes) -> None:
        time_s, origin = self._messages.pop(nonce)
        second = math.floor(time_s)
        self._by_second[second].discard(nonce)
        if not self._by_second[second]:
            del self._by_second[second]
        self._floors[origin] = max(time_s, self._floors.get(origin, -math.inf))

    def _forget(self, now_s: float) -> None:
        """Once a second, forget what is no longer fresh."""
        edge_s = math.floor(now_s - self._skew_s)
        if edge_s == self._edge_s:
            return
        self._edge_s = edge_s
        for second in [second for second in self._by_second if second < edge_s]:
            for nonce in self._by_second.pop(second):
                time_s, _ = self._messages.pop(nonce)
                self._nonces.discard(nonce)
                self._forgotten_s = max(self._forgotten_s, time_s)
        for origin in [origin for origin, floor_s in self._floors.items() if floor_s < edge_s]:
            self._forgotten_s = max(self._forgotten_s, self._floors.pop(origin))
