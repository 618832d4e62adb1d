"""Refuse messages that are stale, that come from the future, or that came before."""

from __future__ import annotations

import heapq


class ReplayWindow:
    """The nonces of all messages whose time is still acceptable.

    Times are Unix seconds. A nonce is remembered for as long as its message would count as fresh.
    At most `capacity` nonces are held, and none is dropped early: a full window refuses new
    messages until old ones have expired.
    """

    def __init__(self, skew_s: float, capacity: int) -> None:
        """A message's time may differ from ours by up to `skew_s`, in either direction."""
        self._skew_s = skew_s
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._by_time: list[tuple[float, bytes]] = []
        self._forgotten_s = -float("inf")

    def __len__(self) -> int:
        """Return how many nonces are remembered."""
        return len(self._seen)

    def accept(self, nonce: bytes, time_s: float, now_s: float) -> bool:
        """Return whether a message is fresh and new; if it is, remember its nonce."""
        self._forget(now_s)
        # A NaN fails both comparisons, and so is refused. The second one refuses messages whose
        # nonces were dropped, even if our clock is set back and they would count as fresh again.
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
