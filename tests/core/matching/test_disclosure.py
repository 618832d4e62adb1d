from passerelle.core.matching.disclosure import DAY_S, FAILED_REST_S, Acquaintance, Acquaintances

A, B, C = b"A" * 8, b"B" * 8, b"C" * 8


def test_a_volunteer_is_known_for_a_day() -> None:
    mine = Acquaintance()
    mine.learn(A, 0)
    mine.learn(B, 100)
    assert mine.known(DAY_S) == [A, B]
    assert A in mine
    assert mine.known(DAY_S + 1) == [B]
    assert A not in mine
    mine.unlearn(B)
    mine.unlearn(B)
    assert mine.known(DAY_S + 1) == []


def test_the_latest_failures_are_remembered_for_a_day() -> None:
    mine = Acquaintance()
    assert mine.fail(A, 0, 2)
    assert not mine.fail(A, 1, 2)
    assert mine.failures(A, 1) == 2
    assert mine.fail(B, 2, 2)
    assert mine.fail(C, 3, 2)
    assert mine.failures(A, 4) == 0
    assert mine.failures(B, 4) == 1
    assert mine.failures(B, DAY_S + 2.5) == 0
    assert mine.failures(C, DAY_S + 2.5) == 1


def test_after_a_failure_comes_a_rest_and_after_two_a_day() -> None:
    mine = Acquaintance()
    assert not mine.is_barred(A, 0)
    mine.fail(A, 0, 9)
    assert mine.is_barred(A, FAILED_REST_S - 1)
    assert not mine.is_barred(A, FAILED_REST_S)
    mine.fail(A, 100, 9)
    assert mine.is_barred(A, DAY_S)
    assert not mine.is_barred(A, DAY_S + 101)


def test_whoever_asked_least_recently_is_forgotten_first() -> None:
    everybody = Acquaintances(2)
    everybody.of(b"one").learn(A, 0)
    everybody.of(b"two").learn(B, 0)
    everybody.of(b"one")
    everybody.of(b"three")
    assert len(everybody) == 2
    assert A in everybody.of(b"one")
    assert B not in everybody.of(b"two")
