from __future__ import annotations

from itertools import product

import pytest

from passerelle.core.nat import NatClass, chance

PAIRS = list(product(NatClass, NatClass))
REACHED = [NatClass.OPEN, NatClass.RESTRICTED, NatClass.SYMMETRIC, NatClass.BLOCKED]
"""From the one most easily reached to the one least."""


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_chance_is_a_probability_and_the_same_both_ways(one: NatClass, other: NatClass) -> None:
    """Who asked whom makes no difference to two NATs."""
    assert 0 <= chance(one, other) <= 1
    assert chance(one, other) == chance(other, one)


@pytest.mark.parametrize("other", NatClass)
def test_a_more_open_nat_is_never_worse(other: NatClass) -> None:
    """Chances fall in the order of the classes, whatever the other side is."""
    chances = [chance(nat, other) for nat in REACHED]
    assert chances == sorted(chances, reverse=True)


def test_the_unknown_lie_between_the_best_and_the_worst() -> None:
    """Not knowing is neither hope nor refusal."""
    for other in (NatClass.OPEN, NatClass.RESTRICTED, NatClass.SYMMETRIC):
        assert chance(NatClass.SYMMETRIC, other) < chance(NatClass.UNKNOWN, other)
        assert chance(NatClass.UNKNOWN, other) < chance(NatClass.OPEN, other)


def test_nothing_reaches_a_blocked_network() -> None:
    """Without UDP there is no DataChannel."""
    assert all(chance(NatClass.BLOCKED, other) == 0 for other in NatClass)
