from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.origin import parties
from passerelle.core.shares import OriginCounts, ShareTable

HEAVY, LIGHT = b"4abc", b"4xyz"


def six(site: int, home: int) -> bytes:
    return b"6" + bytes(4) + site.to_bytes(2, "big") + bytes([home])


ORIGINS = [HEAVY, LIGHT, b"s", *(six(site, home) for site in range(3) for home in range(3))]


def test_counts_hold_for_every_party() -> None:
    """Four /56 fill their /48, and a /56 of another /48 has room; a crowd has 64 shares."""
    counts = OriginCounts()
    for home in range(4):
        assert counts.has_room(six(0, home), 2, 2)
        counts.add(six(0, home), 2)
    assert not counts.has_room(six(0, 9), 2)
    assert not counts.has_room(six(0, 0), 2)
    assert counts.has_room(six(1, 9), 2)
    counts.remove(six(0, 0), 2)
    assert counts.has_room(six(0, 9), 2)
    assert counts.has_room(b"s", 1, 64)
    assert not counts.has_room(b"s", 1, 65)


def test_a_full_table_takes_from_the_heaviest() -> None:
    table: ShareTable[int] = ShareTable(10)
    assert [table.add(number, HEAVY) for number in range(10)] == [None] * 10
    assert table.add(10, HEAVY) == 10, "itself, since nobody is heavier"
    assert [table.add(number, LIGHT) for number in range(11, 16)] == [9, 8, 7, 6, 5]
    assert table.add(16, LIGHT) == 16, "both have five"
    assert sorted(table) == [0, 1, 2, 3, 4, 11, 12, 13, 14, 15]


def test_the_oldest_may_give_way_instead() -> None:
    table: ShareTable[int] = ShareTable(3, oldest_first=True)
    for number in range(3):
        table.add(number, HEAVY)
    assert table.add(3, LIGHT) == 0
    assert table.add(4, HEAVY) == 1


def test_many_households_of_one_site_are_no_lighter_than_a_few() -> None:
    """A /48 that sends from ever new /56 has four shares, so a /24 keeps its own."""
    table: ShareTable[int] = ShareTable(50)
    for number in range(200):
        table.add(number, six(0, number))
    assert all(table.add(1000 + number, LIGHT) in range(200) for number in range(10))
    assert table.load(LIGHT) == 10
    assert table.load(six(0, 0)) == 10
    assert table.add(1010, LIGHT) == 1010


def test_an_item_may_count_for_somebody_else() -> None:
    table: ShareTable[str] = ShareTable(2)
    table.add("name", HEAVY)
    table.lighten("name", LIGHT)
    assert (table.load(HEAVY), table.load(LIGHT)) == (0, 1)
    table.lighten("name", HEAVY)
    table.lighten("name", HEAVY)
    table.add("other", HEAVY)
    table.lighten("name", HEAVY)
    assert (table.load(HEAVY), table.load(LIGHT)) == (2, 0)
    with pytest.raises(ValueError, match="already"):
        table.add("name", HEAVY)


Step = tuple[bool, int, bytes]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.sampled_from(ORIGINS)), max_size=120),
    st.integers(1, 12),
    st.booleans(),
)
def test_what_gives_way_is_of_the_heaviest_party(
    steps: list[Step], capacity: int, oldest_first: bool
) -> None:
    """As in a model that counts all parties anew at every step; the table is never overfull."""
    table: ShareTable[int] = ShareTable(capacity, oldest_first=oldest_first)
    held: dict[int, bytes] = {}
    for adds, item, origin in steps:
        if not adds or item in held:
            assert table.discard(item) is (held.pop(item, None) is not None)
        else:
            held[item] = origin
            loads: Counter[bytes] = Counter()
            for each in held.values():
                loads.update(party.key for party in parties(each))
            shares = {p.key: p.shares for each in held.values() for p in parties(each)}
            heaviest = max(loads[key] / shares[key] for key in loads)
            refused = table.refuses(origin)
            gone = table.add(item, origin)
            assert oldest_first or refused is (gone == item)
            assert (gone is None) is (len(held) <= capacity)
            if gone is not None:
                of_gone = [loads[p.key] / p.shares for p in parties(held[gone])]
                own = [loads[p.key] / p.shares for p in parties(origin)]
                assert max(of_gone) == heaviest
                assert max(own) < heaviest or set(parties(held[gone])) & set(parties(origin))
                del held[gone]
        assert set(table) == set(held)
        assert len(table) == len(held) <= capacity
        assert all((item in table) is (item in held) for item in range(31))
    for item in list(held):
        assert table.discard(item)
    assert all(table.load(origin) == 0 for origin in ORIGINS)
