from passerelle.broker.allowance import Allowance


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    allowance = Allowance(3, 2, 100)
    assert [allowance.take(100) for _ in range(4)] == [True, True, True, False]
    assert allowance.take(100.5)
    assert not allowance.take(100.5)


def test_waiting_saves_up_no_more_than_the_burst() -> None:
    allowance = Allowance(2, 1, 0)
    assert [allowance.take(1000) for _ in range(3)] == [True, True, False]


def test_a_grant_counts_within_the_burst() -> None:
    allowance = Allowance(2, 1, 0)
    assert allowance.take(0)
    allowance.grant(9)
    assert [allowance.take(0) for _ in range(3)] == [True, True, False]
