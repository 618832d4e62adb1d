"""The word on how many readers wait, that each volunteer of this broker is told.

It is the same for all of them, stands for one whole period, and is drawn once: whoever runs a
thousand volunteers learns no more from it than whoever runs one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from passerelle.core.matching import demand
from passerelle.core.matching.demand import WaitingReaders
from passerelle.wire.signalling import Demand

PERIOD_S: Final = 600.0
"""A word stands for what was in the ten minutes before. It is so late, and says so little about the
moment, that nobody can find the flow of a reader by it: in ten minutes a country makes more new
connections than can be looked at. A visitor who stays for five minutes is still told."""
_SEED_BYTES: Final = 8


class DemandWord:
    """Counts the readers that wait, and has a word for those of the period before."""

    def __init__(self, *, clock: Callable[[], float], token: Callable[[int], bytes]) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes."""
        self._clock = clock
        self._token = token
        self._readers = WaitingReaders()
        self._period = self._now()
        self._word: Demand | None = None

    def note(self, origin: bytes) -> None:
        """Count a reader for whom no volunteer was free at once."""
        self._turn()
        self._readers.add(origin)

    def now(self) -> Demand | None:
        """Return the word; None until the first period has ended."""
        self._turn()
        return self._word

    def _turn(self) -> None:
        period = self._now()
        if period == self._period:
            return
        # Where nobody asked for longer than a period, the one before it was empty.
        readers = len(self._readers) if period == self._period + 1 else 0
        self._word = demand.word(readers, int.from_bytes(self._token(_SEED_BYTES)))
        self._readers.clear()
        self._period = period

    def _now(self) -> int:
        return int(self._clock() // PERIOD_S)
