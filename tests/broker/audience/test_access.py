"""Tokens that somebody shows: tries are few for each network, and their memory is bounded."""

from __future__ import annotations

import pytest

from passerelle import limits, serverlimits
from passerelle.broker.audience.access import Access, TooManyTries, WrongToken
from passerelle.core.origin import IPV4, IPV6
from passerelle.wire.publishers import Publishers

PUBLISHERS = Publishers().given(["https://news.example"], "right")
HERE = IPV4 + bytes([192, 0, 2])
MOST, PER_S = serverlimits.NEWSROOM_TRIES


def fail(access: Access, origin: bytes, now: float) -> None:
    with pytest.raises(WrongToken):
        access.holder("wrong", origin, now)


def test_a_network_that_failed_too_often_waits_and_others_do_not() -> None:
    access = Access(lambda: PUBLISHERS)
    for _ in range(MOST):
        fail(access, HERE, 0.0)
    with pytest.raises(TooManyTries):
        access.holder("wrong", HERE, 1.0)
    fail(access, IPV4 + bytes([192, 0, 3]), 1.0)
    fail(access, HERE, 1.01 / PER_S)
    with pytest.raises(TooManyTries):
        access.holder("wrong", HERE, 1.02 / PER_S)


def test_strangers_of_its_network_lock_no_holder_out() -> None:
    """An old token in a program of the newsroom's own does not, either."""
    access = Access(lambda: PUBLISHERS)
    for _ in range(MOST):
        fail(access, HERE, 0.0)
    assert access.holder("right", HERE, 0.0).name == "https://news.example"


def test_right_tokens_use_up_nothing() -> None:
    access = Access(lambda: PUBLISHERS)
    for _ in range(10 * MOST):
        assert access.holder("right", HERE, 0.0).name == "https://news.example"


def test_the_networks_of_one_provider_have_tries_by_their_shares() -> None:
    """Whoever takes ever new /56 of a /48 is stopped by what the /48 may have."""
    access = Access(lambda: PUBLISHERS)
    origins = [IPV6 + bytes([0x20, 1, 0, 0, 0, 1, number]) for number in range(256)]
    for origin in origins[: limits.SITE_SHARES]:
        for _ in range(MOST):
            fail(access, origin, 0.0)
    with pytest.raises(TooManyTries):
        access.holder("wrong", origins[-1], 0.0)


def test_networks_that_tried_are_bounded() -> None:
    """The table stays as long as it may be; whoever tried last stays in it."""
    access = Access(lambda: PUBLISHERS)
    for number in range(3 * serverlimits.NEWSROOM_NETWORKS):
        fail(access, IPV4 + number.to_bytes(3), 0.0)
        if number % 1000 == 0:
            with pytest.raises((WrongToken, TooManyTries)):
                access.holder("wrong", HERE, 0.0)
    assert len(access._tries) <= serverlimits.NEWSROOM_NETWORKS
    with pytest.raises(TooManyTries):
        access.holder("wrong", HERE, 0.0)
