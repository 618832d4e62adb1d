from passerelle.core.matching.disclosure import (
    DAY_S,
    FAILED_REST_S,
    DisclosureRecord,
    DisclosureTable,
)

A, B, C = b"A" * 8, b"B" * 8, b"C" * 8


def test_a_volunteer_is_known_for_a_day() -> None:
    record = DisclosureRecord()
    record.disclose(A, 0)
    record.disclose(B, 100)
    assert record.disclosed(DAY_S) == [A, B]
    assert A in record
    assert record.disclosed(DAY_S + 1) == [B]
    assert A not in record
    record.retract(B)
    record.retract(B)
    assert record.disclosed(DAY_S + 1) == []


def test_the_latest_failures_are_remembered_for_a_day() -> None:
    record = DisclosureRecord()
    assert record.add_failure(A, 0, 2)
    assert not record.add_failure(A, 100, 2)
    assert record.failures(A, 100) == 2
    assert record.add_failure(B, 200, 2)
    assert record.add_failure(C, 300, 2)
    assert record.failures(A, 400) == 0
    assert record.failures(B, 400) == 1
    assert record.failures(B, DAY_S + 250) == 0
    assert record.failures(C, DAY_S + 250) == 1


def test_a_failure_that_is_told_again_counts_once() -> None:
    """As a complaint is that comes back over the bus, and one of each lane through a volunteer."""
    record = DisclosureRecord()
    record.add_failure(A, 0, 9)
    assert not record.add_failure(A, 1, 9)
    assert record.failures(A, 1) == 1
    assert not record.is_barred(A, FAILED_REST_S), "the rest does not begin again either"


def test_a_complaint_counts_once_while_the_volunteer_is_known() -> None:
    """However many further ones fail meanwhile, so that its failure is forgotten."""
    record = DisclosureRecord()
    assert not record.complain(A)
    record.disclose(A, 0)
    assert record.complain(A)
    for volunteer in (A, B, C, A):
        record.add_failure(volunteer, 0, 1)
    assert not record.complain(A)
    record.disclosed(DAY_S + 1)
    assert not record.complain(A)
    record.disclose(A, DAY_S + 1)
    assert record.complain(A)
    record.retract(A)
    assert not record.complain(A)


def test_after_a_failure_comes_a_rest_and_after_two_a_day() -> None:
    record = DisclosureRecord()
    assert not record.is_barred(A, 0)
    record.add_failure(A, 0, 9)
    assert record.is_barred(A, FAILED_REST_S - 1)
    assert not record.is_barred(A, FAILED_REST_S)
    record.add_failure(A, 100, 9)
    assert record.is_barred(A, DAY_S)
    assert not record.is_barred(A, DAY_S + 101)


def test_the_record_used_least_recently_is_forgotten_first() -> None:
    table = DisclosureTable(2)
    table.of(b"one").disclose(A, 0)
    table.of(b"two").disclose(B, 0)
    table.of(b"one")
    table.of(b"three")
    assert len(table) == 2
    assert A in table.of(b"one")
    assert B not in table.of(b"two")
