"""Refuse messages that are stale, from the future, or seen before."""

from __future__ import annotations

import heapq


class ReplayWindow:
    """The nonces of all messages whose time is still acceptable.

    Times are Unix seconds. A nonce is remembered as long as its message would be fresh, so memory
    is bounded by `capacity` and nothing is ever forgotten early: when full, new messages are
    refused until old ones have expired.
    """

    def __init__(self, skew_s: float, capacity: int) -> None:
        """A message's time may differ from ours by `skew_s` either way."""
        self._skew_s = skew_s
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._by_time: list[tuple[float, bytes]] = []
        self._forgotten_s = -float("inf")

    def __len__(self) -> int:
        """Return how many nonces are remembered."""
        return len(self._seen)

    def accept(self, nonce: bytes, time_s: float, now_s: float) -> bool:
        """Return whether the message is fresh and new, and remember its nonce if so."""
        self._forget(now_s)
        # Written so that a NaN is refused. What was forgotten stays refused also when our clock
        # is set back and would call it fresh again.
        fresh = abs(time_s - now_s) <= self._skew_s and time_s > self._forgotten_s
        if not fresh or nonce in self._seen or len(self._seen) >= self._capacity:
            return False
        self._seen.add(nonce)
        heapq.heappush(self._by_time, (time_s, nonce))
        return True

    def _forget(self, now_s: float) -> None:
        while self._by_time and self._by_time[0][0] < now_s - self._skew_s:
            self._forgotten_s, nonce = heapq.heappop(self._by_time)
            self._seen.discard(nonce)
