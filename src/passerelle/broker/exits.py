"""Which exit a client without a wish is sent to: one that lives and is not busy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from passerelle.wire.bus import ExitLoad
from passerelle.wire.descriptor import Descriptor

FRESH_S = 10.0
"""An exit that was not heard of for so long is taken for gone, where others are heard of."""


@dataclass(frozen=True, slots=True)
class _Known:
    load: ExitLoad
    heard_at: float

    @property
    def share(self) -> float:
        return self.load.links / max(1, self.load.most_links)


class Exits:
    """What the exits of a network say of themselves.

    `now` is monotonic seconds. What names no exit of the descriptor is ignored, so this stays as
    small as the descriptor is.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._ids = tuple(entry.id for entry in descriptor.exits)
        self._known: dict[str, _Known] = {}

    def hear(self, load: ExitLoad, now: float) -> None:
        """Take an exit's word."""
        if load.exit_id in self._ids:
            self._known[load.exit_id] = _Known(load, now)

    def sessions(self, now: float) -> int:
        """Return how many sessions there are at all exits."""
        return sum(known.load.sessions for known in self._fresh(now))

    def choose(self, draw: Callable[[int], int], now: float) -> str:
        """Return an exit's id; `draw(n)` is a random integer below n.

        The less busy of two random ones (Mitzenmacher, "The Power of Two Choices in Randomized
        Load Balancing", 2001); any one while none is heard of.
        """
        open_ = [known for known in self._fresh(now) if not known.load.draining]
        if not open_:
            return self._ids[draw(len(self._ids))]
        two = (open_[draw(len(open_))], open_[draw(len(open_))])
        return min(two, key=lambda known: known.share).load.exit_id

    def _fresh(self, now: float) -> list[_Known]:
        return [known for known in self._known.values() if now - known.heard_at < FRESH_S]
