from __future__ import annotations

from passerelle import limits
from passerelle.core.originrates import OriginRates

A, B, C = b"4abc", b"4xyz", b"4new"


def test_one_origin_may_do_so_much_and_another_is_not_hindered() -> None:
    rates = OriginRates(8)
    assert [rates.take(A, (2.0, 0.5), 0) for _ in range(3)] == [True, True, False]
    assert rates.take(B, (2.0, 0.5), 0)
    assert not rates.take(A, (2.0, 0.5), 1)
    assert rates.take(A, (2.0, 0.5), 2)


def test_wider_parties_have_a_rate_for_each_of_their_shares() -> None:
    rates = OriginRates(1000)
    homes = [b"6" + bytes(6) + bytes([home]) for home in range(16)]
    taken = [rates.take(home, (1.0, 0.0), 0) for home in homes]
    assert taken == [True] * limits.SITE_SHARES + [False] * (16 - limits.SITE_SHARES)


def test_those_counted_least_recently_are_forgotten() -> None:
    rates = OriginRates(2)
    assert rates.take(A, (1.0, 0.0), 0)
    assert rates.take(B, (1.0, 0.0), 0)
    assert not rates.take(A, (1.0, 0.0), 0)
    assert rates.take(C, (1.0, 0.0), 0), "in place of B"
    assert not rates.take(A, (1.0, 0.0), 0)
    assert rates.take(B, (1.0, 0.0), 0)
