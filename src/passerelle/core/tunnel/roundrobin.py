"""Whose turn it is to send, where many want to and the way out is one.

Deficit round robin (Shreedhar and Varghese, 1995) with equal quanta: each of those who wait sends
up to a quantum, then goes to the end of the line. So the way is shared by waiting parties equally,
whatever each of them multiplexes, and what one leaves unused goes to the others. Without a rate the
line only keeps one party from holding the processor for long.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from passerelle.core.bucket import Bucket

K = TypeVar("K")

QUANTUM_S = 0.005
"""A turn's share of the rate's time."""
QUANTUM_LEAST_BYTES = 16 * 1024
QUANTUM_MOST_BYTES = 256 * 1024
"""About 2 ms of one core: what a quiet party waits for each busy one before it."""
BURST_S = 0.02
"""How far the rate may be overdrawn after a pause."""


class DeficitRoundRobin(Generic[K]):
    """The line. Parties are any hashable keys; each stands in it once at most."""

    def __init__(self, rate_bytes_s: float | None, now: float) -> None:
        """`rate_bytes_s`: of the way out; None when it is not the bottleneck."""
        self._line: dict[K, None] = {}
        self.quantum_bytes = QUANTUM_MOST_BYTES
        self._bucket: Bucket | None = None
        if rate_bytes_s is not None:
            quantum = max(QUANTUM_LEAST_BYTES, int(rate_bytes_s * QUANTUM_S))
            self.quantum_bytes = min(quantum, QUANTUM_MOST_BYTES)
            burst = max(self.quantum_bytes, rate_bytes_s * BURST_S)
            self._bucket = Bucket(rate_bytes_s, burst, now)

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._line)

    def wait(self, party: K) -> None:
        """Stand in line; who does already keeps the place."""
        self._line.setdefault(party)

    def leave(self, party: K) -> None:
        """Stand in line no longer."""
        self._line.pop(party, None)

    def next(self, now: float) -> K | None:
        """Take the first out of the line, if anything may be sent now."""
        if not self._line or self.pause_s(now) > 0:
            return None
        party = next(iter(self._line))
        del self._line[party]
        return party

    def spend(self, size: int, now: float) -> None:
        """Count what a turn has sent."""
        if self._bucket is not None:
            self._bucket.spend(size, now)

    def pause_s(self, now: float) -> float:
        """Return in how many seconds the next turn may begin; 0 if at once."""
        return 0.0 if self._bucket is None else self._bucket.spend(0, now)
