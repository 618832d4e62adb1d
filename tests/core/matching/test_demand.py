"""The word on how many readers wait: coarse, bounded, and nearly the same with one reader more."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from passerelle import limits, serverlimits
from passerelle.core.matching.demand import MANY, NOISE_SCALE, SOME, WaitingReaders, word
from passerelle.core.origin import CROWD, IPV4, IPV6, TOKEN, UNKNOWN
from passerelle.wire.signalling import Demand

PLAIN = (1 << 64) - 1
"""A seed without noise."""
DRAWS = 40_000


def network(number: int) -> bytes:
    return IPV4 + number.to_bytes(3)


@pytest.mark.parametrize(
    ("readers", "expected"),
    [
        (0, Demand.NOBODY),
        (SOME - 1, Demand.NOBODY),
        (SOME, Demand.SOME),
        (MANY - 1, Demand.SOME),
        (MANY, Demand.MANY),
        (serverlimits.DEMAND_READERS, Demand.MANY),
    ],
)
def test_there_are_three_words(readers: int, expected: Demand) -> None:
    assert word(readers, PLAIN) is expected


def words(readers: int) -> Counter[Demand]:
    drawn = random.Random(readers)
    return Counter(word(readers, drawn.getrandbits(64)) for _ in range(DRAWS))


@pytest.mark.parametrize("readers", [0, SOME - 2, SOME - 1, SOME, MANY - 1])
def test_one_reader_more_hardly_changes_the_odds_of_a_word(readers: int) -> None:
    """Of whoever knows all readers but one: their own, asked from many networks, for example."""
    most = math.exp(1 / NOISE_SCALE)
    before, after = words(readers), words(readers + 1)
    for each in Demand:
        one, other = sorted((before[each], after[each]))
        assert other <= most * one + 5 * math.sqrt(DRAWS / 4), each
    assert len(before) > 1 or readers == 0


def test_the_noise_seldom_invents_readers_and_hides_no_crowd() -> None:
    assert 0.02 < words(0)[Demand.SOME] / DRAWS < 0.06
    assert words(serverlimits.DEMAND_READERS)[Demand.MANY] == DRAWS


def test_a_reader_counts_once_however_often_it_asks() -> None:
    readers = WaitingReaders()
    for _ in range(100):
        for origin in (network(1), network(2), TOKEN + b"reader"):
            readers.add(origin)
    assert len(readers) == 3
    readers.clear()
    assert len(readers) == 0
    readers.add(network(1))
    assert len(readers) == 1


def test_a_crowd_counts_as_one() -> None:
    """One of its readers who asks again and again must not be taken for many."""
    readers = WaitingReaders()
    for _ in range(100):
        readers.add(UNKNOWN)
        readers.add(CROWD + b"adoor")
    assert len(readers) == 2


def test_a_wide_network_has_no_more_readers_than_shares() -> None:
    """Whoever holds a whole IPv6 prefix cannot make many wait by asking from all of it."""
    readers = WaitingReaders()
    for site in range(4):
        for home in range(256):
            readers.add(IPV6 + b"\x20\x01\x0d\xb8" + bytes((0, site, home)))
    assert len(readers) == 4 * limits.SITE_SHARES


def test_no_more_are_remembered_than_the_word_needs() -> None:
    readers = WaitingReaders()
    for number in range(2 * serverlimits.DEMAND_READERS):
        readers.add(network(number))
    assert len(readers) == serverlimits.DEMAND_READERS
