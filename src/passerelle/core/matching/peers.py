"""What matching knows of the two sides that it brings together: clients and volunteers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from passerelle import serverlimits
from passerelle.core.matching.quality import VolunteerQuality
from passerelle.core.matching.sample import SampledSet
from passerelle.core.nat.classifier import NatClass

LOAD_HALF_LIFE_S: Final = 3 * 3600.0
"""After this time, having been asked counts half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLocation:
    """Where a peer is, coarsely. What is not known is None, and rules nothing out."""

    site: bytes | None = None
    """Its /24 or /48."""
    country: str | None = None
    """ISO 3166-1 alpha-2."""
    asn: int | None = None
    """A number for its network's operator."""

    def __repr__(self) -> str:
        return "<location withheld>"


UNKNOWN_LOCATION: Final = PeerLocation()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientProfile:
    """What is known of a client that asks for a volunteer."""

    nat: NatClass = NatClass.UNKNOWN
    location: PeerLocation = UNKNOWN_LOCATION
    key: bytes | None = field(default=None, repr=False)
    """The origin (`core.origin`) that its disclosed volunteers are counted under: its network, or
    its token. With None they are not counted."""
    disclosure_limit: int = serverlimits.DISCLOSED_VOLUNTEERS
    """Most volunteers that each party of `key` may learn of in a day, for each of its shares."""
    key_is_shared: bool = False
    """Whether `key` stands for many clients of unrelated networks. A volunteer's failure with one
    of them then says nothing about the others."""
    family: bytes | None = field(default=None, repr=False)
    """The tag of a family (`wire.family`): only its volunteers are wanted. None wants those that
    help everybody."""


@dataclass(slots=True, eq=False)
class PooledVolunteer:
    """A volunteer in the pool. Times are monotonic seconds."""

    handle: bytes
    free: int
    """Slots the volunteer declared, less those it has answered with since."""
    nat: NatClass
    location: PeerLocation
    quality: VolunteerQuality
    loaded_at: float
    """When `load` was last brought up to date."""
    load: float = 0.0
    """Times it was asked, each counting half after LOAD_HALF_LIFE_S; as of `loaded_at`."""
    known_by: int = 0
    """Client networks that were told of it and can reach it. They are likely to come back."""
    reserved: int = 0
    """Slots promised to offers that are not settled yet."""
    declared: int = 0
    """How many times it has said since it joined how many slots it has."""
    resting_until: float = 0.0
    family: bytes | None = None
    """The tag of the only family that it helps; None if it helps everybody."""
    main_set: SampledSet[PooledVolunteer] | None = None
    """While it is available: the set of its NAT class, or of the resting ones."""
    country_set: SampledSet[PooledVolunteer] | None = None
    """While it is available and does not rest: the set of its NAT class and country."""
    positions: list[int] = field(default_factory=lambda: [0, 0])
    """Where it is in those two sets: see `core.matching.sample.Sampled`."""

    @property
    def available(self) -> bool:
        """Whether it has a slot that is neither used nor promised."""
        return self.free > self.reserved

    def load_at(self, now: float) -> float:
        """Return how often it was asked lately."""
        return self.load * decayed(now - self.loaded_at)

    def add_load(self, change: float, now: float) -> None:
        """Count that it was asked once more (1), or that this came to nothing (-1)."""
        self.load = max(0.0, self.load_at(now) + change)
        self.loaded_at = now


def decayed(age_s: float) -> float:
    """Return what is left of one unit of load after `age_s`."""
    return float(2.0 ** (-age_s / LOAD_HALF_LIFE_S))
