"""What the exits of a network say: how busy they are, and how links through volunteers went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from passerelle import serverlimits
from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.errors import LinkCode
from passerelle.wire.bus import ExitLoad, LinkOutcome
from passerelle.wire.descriptor import Descriptor

FRESH_S: Final = 10.0
"""An exit that was not heard of for so long is taken for gone, as long as others are heard of."""
_CLEAN = (LinkCode.NORMAL, LinkCode.DRAINING)
_BROKEN = (LinkCode.MALFORMED, LinkCode.IDENTITY)


@dataclass(frozen=True, slots=True)
class _Heard:
    load: ExitLoad
    heard_at: float

    @property
    def share(self) -> float:
        """How much of what the exit can hold is in use, from 0 on."""
        return self.load.links / max(1, self.load.most_links)


class Exits:
    """The latest word of each exit on its load.

    `now` is monotonic seconds. A word that names no exit of the descriptor is ignored, so this
    stays as small as the descriptor is.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._ids = tuple(entry.id for entry in descriptor.exits)
        self._pins = {entry.id: entry.spki_sha256 for entry in descriptor.exits}
        self._heard: dict[str, _Heard] = {}

    def pins(self, exit_id: str) -> tuple[bytes, ...]:
        """Return the SHA-256 of each key (SPKI) that the exit may sign with; none if it is not of
        this network.
        """
        return self._pins.get(exit_id, ())

    def is_news(self, load: ExitLoad, unix_s: float) -> bool:
        """Whether this is a later word than the latest of its exit, and said about now.

        One that somebody repeats is neither. `unix_s` is Unix time.
        """
        heard = self._heard.get(load.exit_id)
        later = heard is None or load.time_s > heard.load.time_s
        return later and abs(load.time_s - unix_s) <= serverlimits.BUS_CLOCK_SKEW_S

    def hear(self, load: ExitLoad, now: float) -> None:
        """Take an exit's word, which it has signed (`pins`) and which is news (`is_news`)."""
        if load.exit_id in self._ids:
            self._heard[load.exit_id] = _Heard(load, now)

    def sessions(self, now: float) -> int:
        """Return how many sessions there are at all exits."""
        return sum(heard.load.sessions for heard in self._fresh(now))

    def choose(self, draw: Callable[[int], int], now: float) -> str:
        """Return the id of an exit for a client that names none; `draw(n)` is random, below n.

        It is the less busy of two random ones (Mitzenmacher, "The Power of Two Choices in
        Randomized Load Balancing", 2001), and any one while none is heard of.
        """
        open_ = [heard for heard in self._fresh(now) if not heard.load.draining]
        if not open_:
            return self._ids[draw(len(self._ids))]
        two = (open_[draw(len(open_))], open_[draw(len(open_))])
        return min(two, key=lambda heard: heard.share).load.exit_id

    def _fresh(self, now: float) -> list[_Heard]:
        return [heard for heard in self._heard.values() if now - heard.heard_at < FRESH_S]


def link_experience(outcome: LinkOutcome) -> LinkExperience:
    """Return what an exit's word about a link says of the link's volunteer."""
    if not outcome.joined:
        ending = LinkEnding.UNUSED
    elif outcome.reason in _CLEAN:
        ending = LinkEnding.CLEAN
    elif outcome.reason in _BROKEN:
        ending = LinkEnding.BROKEN
    else:
        ending = LinkEnding.LOST
    return LinkExperience(
        ending=ending,
        duration_s=outcome.duration_s,
        bytes=outcome.received_bytes + outcome.sent_bytes,
        rate_bytes_s=outcome.rate_bytes_s,
    )
