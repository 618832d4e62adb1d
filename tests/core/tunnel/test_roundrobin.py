from __future__ import annotations

from collections import Counter

import pytest

from passerelle.core.tunnel.roundrobin import (
    QUANTUM_LEAST_BYTES,
    QUANTUM_MOST_BYTES,
    DeficitRoundRobin,
)


def test_first_come_first_served_each_once() -> None:
    """Asking again keeps the place."""
    turns: DeficitRoundRobin[str] = DeficitRoundRobin(None, now=0)
    for party in "abca":
        turns.wait(party)
    assert len(turns) == 3
    assert [turns.next(0) for _ in range(4)] == ["a", "b", "c", None]


def test_who_leaves_gets_no_turn() -> None:
    turns: DeficitRoundRobin[str] = DeficitRoundRobin(None, now=0)
    turns.wait("a")
    turns.wait("b")
    turns.leave("a")
    turns.leave("never there")
    assert turns.next(0) == "b"


def test_without_a_rate_nobody_waits_for_time() -> None:
    turns: DeficitRoundRobin[str] = DeficitRoundRobin(None, now=0)
    turns.spend(10**9, 0)
    assert turns.pause_s(0) == 0
    assert turns.quantum_bytes == QUANTUM_MOST_BYTES


@pytest.mark.parametrize(
    ("rate", "quantum"),
    [(1e5, QUANTUM_LEAST_BYTES), (1e7, 50_000), (1e9, QUANTUM_MOST_BYTES)],
)
def test_quantum_is_a_little_of_the_rate(rate: float, quantum: int) -> None:
    assert DeficitRoundRobin[str](rate, now=0).quantum_bytes == quantum


def test_nothing_is_given_while_the_rate_is_overdrawn() -> None:
    turns: DeficitRoundRobin[str] = DeficitRoundRobin(1e6, now=0)
    turns.wait("a")
    turns.spend(120_000, 0)
    assert turns.next(0) is None
    assert turns.pause_s(0) == pytest.approx(0.1)
    assert turns.next(0.11) == "a"


def test_shares_are_equal_and_the_rate_is_kept() -> None:
    """A greedy party gets as much as each other; one that wants little leaves the rest to them."""
    turns: DeficitRoundRobin[str] = DeficitRoundRobin(1e6, now=0)
    sent: Counter[str] = Counter()
    now = 0.0
    for each in "abc":
        turns.wait(each)
    while now < 10:
        party = turns.next(now)
        if party is None:
            now += 0.001
            if now % 0.1 < 0.001:
                turns.wait("c")
            continue
        size = 1000 if party == "c" else turns.quantum_bytes
        sent[party] += size
        turns.spend(size, now)
        if party != "c":
            turns.wait(party)
    assert sent["a"] == pytest.approx(sent["b"], rel=0.01)
    assert sent["c"] > 90_000
    assert sum(sent.values()) == pytest.approx(1e7, rel=0.02)
