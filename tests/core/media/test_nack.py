from __future__ import annotations

import random

import pytest

from passerelle import limits
from passerelle.core.media.nack import GIVE_UP_S, Repair
from passerelle.errors import LinkCode, PeerError


def test_in_order_nothing_is_missing() -> None:
    repair = Repair()
    assert [repair.arrived(number, 0.0) for number in (5, 6, 7)] == [True] * 3
    assert repair.due(1.0) == ([], [])


def test_a_gap_is_asked_for_once_a_round_trip() -> None:
    """The first question at the next look, the second when the answer should be here."""
    repair = Repair()
    repair.seed(0.1)
    repair.arrived(1, 0.0)
    assert repair.arrived(4, 0.0)
    assert repair.due(0.005) == ([2, 3], [])
    assert repair.due(0.1) == ([], [])
    assert repair.due(0.15) == ([2, 3], [])
    assert repair.repaired_by(2, 0.25)
    assert repair.due(1.0) == ([3], [])
    assert repair.lost == 2


def test_what_comes_late_by_itself_is_not_asked_for() -> None:
    """Nor does it count as lost."""
    repair = Repair()
    repair.arrived(1, 0.0)
    repair.arrived(3, 0.0)
    assert repair.arrived(2, 0.001)
    assert repair.due(0.005) == ([], [])
    assert repair.lost == 0


def test_duplicates_are_told() -> None:
    repair = Repair()
    for number in (1, 3):
        repair.arrived(number, 0.0)
    assert not repair.arrived(3, 0.0)
    assert not repair.arrived(1, 0.0)
    assert repair.repaired_by(2, 0.1)
    assert not repair.repaired_by(2, 0.1)
    assert not repair.arrived(2, 0.1)


def test_round_trips_come_from_first_answers_only() -> None:
    """An answer to a second question may be one to the first; a padding one comes too soon."""
    repair = Repair()
    repair.seed(0.1)
    repair.arrived(1, 0.0)
    repair.arrived(5, 0.0)
    repair.due(0.0)
    repair.repaired_by(2, 0.02)
    assert repair.least_rtt_s == float("inf")
    repair.repaired_by(3, 0.12)
    assert repair.least_rtt_s == pytest.approx(0.12)
    repair.due(0.2)
    repair.repaired_by(4, 0.21)
    assert repair.least_rtt_s == pytest.approx(0.12)


def test_what_does_not_come_is_given_up() -> None:
    repair = Repair()
    repair.seed(0.05)
    repair.arrived(1, 0.0)
    repair.arrived(3, 0.0)
    now, asked = 0.0, 0
    while True:
        ask, given_up = repair.due(now)
        asked += len(ask)
        if given_up:
            break
        now += 0.005
    assert given_up == [2]
    assert 5 < asked <= 12
    assert now <= GIVE_UP_S + 0.01
    assert not repair.repaired_by(2, now)
    assert repair.abandoned == 1


def test_only_so_many_are_missed() -> None:
    """A volunteer that leaps ahead is sent away, whether at once or bit by bit."""
    repair = Repair()
    repair.arrived(0, 0.0)
    with pytest.raises(PeerError) as error:
        repair.arrived(limits.MEDIA_PACKETS + 2, 0.0)
    assert error.value.code is LinkCode.LIMIT
    for number in range(2, 2 * limits.MEDIA_PACKETS + 1, 2):
        repair.arrived(number, 0.0)
    assert len(repair) == limits.MEDIA_PACKETS
    with pytest.raises(PeerError):
        repair.arrived(2 * limits.MEDIA_PACKETS + 2, 0.0)


@pytest.mark.parametrize("loss", [0.01, 0.1, 0.2])
def test_a_lossy_path_is_repaired(loss: float) -> None:
    """Questions and answers are lost alike; in the end nothing is missing."""
    dice, repair = random.Random(1), Repair()
    repair.seed(0.1)
    repair.arrived(0, 0.0)
    now, under_way = 0.0, []
    for number in range(1, 20_000):
        now += 0.0005
        if number == 19_999 or dice.random() > loss:
            repair.arrived(number, now)
        if number % 10 == 0:
            ask, given_up = repair.due(now)
            assert not given_up
            heard = [lost for lost in ask if dice.random() > loss and dice.random() > loss]
            under_way += [(now + 0.1, lost) for lost in heard]
        while under_way and under_way[0][0] <= now:
            repair.repaired_by(under_way.pop(0)[1], now)
    # What is missing still was lost within the last round trips.
    assert len(repair) < 20_000 * loss * 0.1
    assert repair.rtt_s == pytest.approx(0.1, rel=0.1)


def test_where_much_is_lost_a_question_is_repeated_at_once() -> None:
    """Once, and it counts as the same question."""
    repair = Repair()
    repair.seed(0.1)
    repair.arrived(1, 0.0)
    repair.arrived(3, 0.0)
    assert repair.due(0.005, twice=True) == ([2], [])
    assert repair.due(0.010, twice=True) == ([], [])
    assert repair.due(0.016, twice=True) == ([2], [])
    assert repair.due(0.030, twice=True) == ([], [])
    assert repair.repaired_by(2, 0.110)
    assert repair.least_rtt_s == pytest.approx(0.105)
