"""Turns to send, where many parties share one way out.

This is deficit round robin (Shreedhar and Varghese, 1995) with equal quanta: each party that waits
sends up to a quantum, then goes to the end of the line. So waiting parties share the way out
equally, however many streams each of them multiplexes, and what one leaves unused goes to the
others. Without a rate, the line only keeps one party from holding the processor for long.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from passerelle.core.bucket import Bucket

K = TypeVar("K")

QUANTUM_S = 0.005
"""How long a turn's bytes take at the configured rate."""
QUANTUM_LEAST_BYTES = 16 * 1024
QUANTUM_MOST_BYTES = 256 * 1024
"""Bytes that take about 2 ms of one core. A quiet party waits that long for each busy one before
it."""
BURST_S = 0.02
"""Time at the configured rate whose bytes may be sent at once after a pause."""


class DeficitRoundRobin(Generic[K]):
    """The line of parties that wait to send. A party is any hashable key and stands in it once."""

    def __init__(self, rate_bytes_s: float | None, now: float) -> None:
        """`rate_bytes_s` is the rate of the way out; None when it is not the bottleneck."""
        self._line: dict[K, None] = {}
        self.quantum_bytes = QUANTUM_MOST_BYTES
        self._bucket: Bucket | None = None
        if rate_bytes_s is not None:
            quantum = max(QUANTUM_LEAST_BYTES, int(rate_bytes_s * QUANTUM_S))
            self.quantum_bytes = min(quantum, QUANTUM_MOST_BYTES)
            burst = max(self.quantum_bytes, rate_bytes_s * BURST_S)
            self._bucket = Bucket(rate_bytes_s, burst, now)

    def __len__(self) -> int:
        """Return how many parties wait."""
        return len(self._line)

    def wait(self, party: K) -> None:
        """Put a party at the end of the line. One that stands in it keeps its place."""
        self._line.setdefault(party)

    def leave(self, party: K) -> None:
        """Take a party out of the line, if it stands there."""
        self._line.pop(party, None)

    def next(self, now: float) -> K | None:
        """Take the first party out of the line and return it; None if nothing may be sent now."""
        if not self._line or self.pause_s(now) > 0:
            return None
        party = next(iter(self._line))
        del self._line[party]
        return party

    def spend(self, size: int, now: float) -> None:
        """Count `size` bytes that a turn has sent."""
        if self._bucket is not None:
            self._bucket.spend(size, now)

    def pause_s(self, now: float) -> float:
        """Return in how many seconds the next turn may begin; 0 for at once."""
        return 0.0 if self._bucket is None else self._bucket.spend(0, now)
