"""What a peer's NAT is, and how likely two peers reach each other through theirs."""

from __future__ import annotations

from typing import Final

from passerelle.wire.signalling import NatClass

__all__ = ["NatClass", "chance"]

_PAIRS: Final = {
    (NatClass.OPEN, NatClass.OPEN): 0.98,
    (NatClass.OPEN, NatClass.RESTRICTED): 0.97,
    (NatClass.OPEN, NatClass.SYMMETRIC): 0.95,
    (NatClass.OPEN, NatClass.UNKNOWN): 0.96,
    (NatClass.RESTRICTED, NatClass.RESTRICTED): 0.92,
    # Only where the one filters by address alone: most look at the port too (RFC 4787 §5), and
    # the other's port is not the one that was told.
    (NatClass.RESTRICTED, NatClass.SYMMETRIC): 0.15,
    (NatClass.RESTRICTED, NatClass.UNKNOWN): 0.7,
    (NatClass.SYMMETRIC, NatClass.SYMMETRIC): 0.02,
    (NatClass.SYMMETRIC, NatClass.UNKNOWN): 0.12,
    (NatClass.UNKNOWN, NatClass.UNKNOWN): 0.55,
}
"""Judgements, ordered as the mechanisms are; where one is unknown, weighed by how common
each is."""


def chance(client: NatClass, volunteer: NatClass) -> float:
    """Return how likely (0 to 1) a client and a volunteer behind such NATs reach each other."""
    pair = (client, volunteer)
    return _PAIRS.get(pair, _PAIRS.get(pair[::-1], 0.0))
