"""How many readers wait for a volunteer, in a word that hides each single one of them.

Volunteers are told the word, and a censor may be any number of volunteers. So readers are counted
over a period, and the count gets noise before it becomes a word: discrete Laplace noise, as in
Ghosh, Roughgarden and Sundararajan, "Universally Utility-Maximizing Privacy Mechanisms" (2009).
One reader more or less then changes the odds of each word by a factor of at most e^(1/NOISE_SCALE).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from passerelle import serverlimits
from passerelle.core.origin import parties
from passerelle.wire.signalling import Demand

SOME: Final = 8
"""Readers from which on the word is `some`: as coarse as the network's public numbers."""
MANY: Final = 64
"""Readers from which on it is `many`."""
NOISE_SCALE: Final = 3.0
"""One reader changes the odds of a word by 1.4 at most, and where nobody waits the word is `some`
in one period of 25."""


class WaitingReaders:
    """The readers that waited in one period, each counted once, by origin (`core.origin`).

    Readers of one crowd cannot be told apart and count as one, so that one of them who asks again
    and again is not taken for many.
    """

    def __init__(self) -> None:
        self._readers: set[bytes] = set()
        self._by_party: Counter[bytes] = Counter()

    def __len__(self) -> int:
        """Return how many readers are counted."""
        return len(self._readers)

    def add(self, origin: bytes) -> None:
        """Count a reader, unless its wider networks have filled their shares."""
        if origin in self._readers or len(self._readers) >= serverlimits.DEMAND_READERS:
            return
        found = parties(origin)
        if all(self._by_party[party.key] < party.shares for party in found):
            self._readers.add(origin)
            self._by_party.update(party.key for party in found)

    def clear(self) -> None:
        """Forget everybody, for the next period."""
        self._readers.clear()
        self._by_party.clear()


def word(readers: int, seed: int) -> Demand:
    """Return the word for so many readers. `seed` is random, uniform in [0, 2⁶⁴)."""
    blurred = readers + _steps(seed >> 32) - _steps(seed & 0xFFFF_FFFF)
    if blurred >= MANY:
        return Demand.MANY
    return Demand.SOME if blurred >= SOME else Demand.NOBODY


def _steps(random: int) -> int:
    """Return a geometrically distributed number for `random`, uniform in [0, 2³²)."""
    return math.floor(-NOISE_SCALE * math.log((random + 1) / 2**32))
