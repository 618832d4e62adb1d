from __future__ import annotations

from passerelle import limits
from passerelle.volunteer.exits import LONGEST_REST_S, REST_S, RESTART_FAILURES, ExitRecord


def test_an_exit_rests_after_failures_in_a_row_and_longer_each_time() -> None:
    exits = ExitRecord()
    exits.failed("a", 0.0)
    assert exits.may_connect("a", 0.0)
    exits.failed("a", 0.0)
    assert not exits.may_connect("a", REST_S - 1)
    assert exits.may_connect("a", REST_S)
    for _ in range(2000):
        exits.failed("a", 0.0)
    assert not exits.may_connect("a", LONGEST_REST_S - 1)
    assert exits.may_connect("a", LONGEST_REST_S)
    assert exits.may_connect("b", 0.0)


def test_one_that_was_reached_may_fail_more_often() -> None:
    exits = ExitRecord()
    exits.opened("a")
    for _ in range(RESTART_FAILURES + 1):
        exits.failed("a", 0.0)
    assert exits.may_connect("a", 0.0)
    exits.failed("a", 0.0)
    assert not exits.may_connect("a", 0.0)


def test_one_that_broke_the_rules_is_not_asked_again() -> None:
    exits = ExitRecord()
    exits.shun("a")
    exits.opened("a")
    assert not exits.may_connect("a", 1e9)


def test_what_is_remembered_is_bounded() -> None:
    exits = ExitRecord()
    for number in range(3 * limits.EXIT_FAILURES):
        exits.failed(f"{number}", 0.0)
        exits.shun(f"{number}")
    assert len(exits._troubles) == len(exits._shunned) == limits.EXIT_FAILURES
