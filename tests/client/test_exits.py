from __future__ import annotations

import pytest

from passerelle.client.exits import AVOID_S, FAILURES_IN_A_ROW, TOGETHER_S, ExitHealth

IDS = ("exit-1", "exit-2", "exit-3")


def test_the_broker_chooses_while_all_is_well() -> None:
    assert ExitHealth().choose(IDS, 0, 0.5) is None


def test_an_exit_that_went_away_is_avoided_for_a_while() -> None:
    """The others get an equal chance; afterwards the broker chooses again."""
    health = ExitHealth()
    health.avoid("exit-2", now=0)
    health.avoid(None, now=0)
    assert {health.choose(IDS, 1, chance / 10) for chance in range(10)} == {"exit-1", "exit-3"}
    assert health.choose(IDS, 1, 1.0) == "exit-1"
    assert health.choose(IDS, AVOID_S, 0.5) is None


def test_with_no_exit_left_the_one_that_went_away_first_may_be_back() -> None:
    """In a rolling restart, the exit that left first is the first to be back."""
    health = ExitHealth()
    for now, each in enumerate(("exit-2", "exit-3", "exit-1")):
        health.avoid(each, now)
    assert health.choose(IDS, 3, 0.5) == "exit-2"


def test_failures_in_a_row_mean_that_it_is_gone() -> None:
    """A link that was made in between shows that the exit is there."""
    health = ExitHealth()
    for _ in range(3):
        assert not any(health.link_failed(met_volunteer=True) for _ in range(FAILURES_IN_A_ROW - 1))
        health.link_is_up()
    assert [health.link_failed(met_volunteer=True) for _ in range(FAILURES_IN_A_ROW)][-1]


@pytest.mark.parametrize("silent", [True, False])
def test_one_failure_is_enough_after_a_link_that_ended_without_a_word(silent: bool) -> None:
    """The volunteer was there both times, so that the exit is what is missing."""
    health = ExitHealth()

    def end_link() -> None:
        if silent:
            health.link_fell_silent()
        else:
            health.link_vanished(b"a", now=0)

    assert not health.is_doubted
    end_link()
    assert health.is_doubted
    assert not health.link_failed(met_volunteer=False)
    health.link_is_up()
    assert not health.is_doubted
    assert not health.link_failed(met_volunteer=True)
    health.link_is_up()
    end_link()
    assert health.link_failed(met_volunteer=True)


def test_volunteers_that_vanish_together_mean_that_it_is_gone() -> None:
    """Two links of one volunteer may vanish by its own doing, and so may two at different times."""
    health = ExitHealth()
    assert not health.link_vanished(b"a", now=0)
    assert not health.link_vanished(b"a", now=0.1)
    assert health.link_vanished(b"b", now=0.2)
    assert not health.link_vanished(b"c", now=1 + TOGETHER_S)
    health.link_is_up()
    assert not health.link_vanished(b"d", now=1.1 + TOGETHER_S)
