from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core import origin
from passerelle.core.origin import Party, parties


def test_a_56_is_part_of_a_48_and_of_a_32() -> None:
    six = b"6" + bytes.fromhex("2a001450400181")
    assert parties(six) == (Party(six, 1), Party(six[:7], 4), Party(six[:5], 64))


def test_others_are_one_party() -> None:
    assert parties(b"4abc") == (Party(b"4abc", 1),)
    assert parties(b"t" + bytes(16)) == (Party(b"t" + bytes(16), 1),)
    assert parties(origin.UNKNOWN) == (Party(b"s", 64),)
    assert origin.is_crowd(origin.UNKNOWN)
    assert not origin.is_crowd(b"4abc")


def test_a_tickets_tags_count_as_an_ipv6_address_does() -> None:
    tagged = origin.tagged(b"wide" + b"midd" + b"narr")
    assert [party.shares for party in parties(tagged)] == [1, 4, 64]
    assert parties(tagged)[-1].key == b"gwide"
    assert origin.tagged(b"") == origin.UNKNOWN


@given(st.binary(min_size=1, max_size=20))
def test_the_narrowest_party_is_the_origin_and_each_is_part_of_the_next(given_: bytes) -> None:
    """`ShareTable` relies on it."""
    found = parties(given_)
    assert found[0].key == given_
    for narrow, wide in itertools.pairwise(found):
        assert narrow.key.startswith(wide.key)
        assert narrow.shares < wide.shares
