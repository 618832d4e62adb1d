from passerelle import limits, serverlimits
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


def test_each_failure_doubles_the_rest_of_a_last_resort() -> None:
    record = DisclosureRecord()
    assert record.may_be_last_resort(A, 0), "it has not failed"
    now, rests = 0.0, []
    for _ in range(40):
        record.add_failure(A, now, 9)
        least, most = 0.0, DAY_S
        while most - least > 0.01:
            middle = (least + most) / 2
            rested = record.may_be_last_resort(A, now + middle)
            least, most = (least, middle) if rested else (middle, most)
        rests.append(round(most))
        now += most
        record.give_again(A)
    longest = serverlimits.LAST_RESORT_LONGEST_REST_S
    assert rests == [min(serverlimits.LAST_RESORT_REST_S * 2**n, longest) for n in range(40)]


def test_a_failure_as_a_last_resort_counts_once_and_at_once() -> None:
    record = DisclosureRecord()
    record.give_again(A)
    record.add_failure(A, 0, 9)
    record.give_again(A)
    record.add_failure(A, 6, 9)
    record.add_failure(A, 7, 9)
    assert record.failures(A, 7) == 2
    record.give_again(A)
    assert record.failures(A, DAY_S + 7) == 0
    record.add_failure(A, DAY_S + 8, 9)
    record.add_failure(A, DAY_S + 9, 9)
    assert record.failures(A, DAY_S + 9) == 1, "what was given before is forgotten as well"


def test_the_record_used_least_recently_is_forgotten_first() -> None:
    table = DisclosureTable(2)
    table.of(b"one").disclose(A, 0)
    table.of(b"two").disclose(B, 0)
    table.of(b"one")
    table.of(b"three")
    assert len(table) == 2
    assert A in table.of(b"one")
    assert B not in table.of(b"two")


def test_who_asks_from_many_networks_has_only_its_own_records_forgotten() -> None:
    """The record of the wide network stays, so what all of it learned of counts on."""
    table = DisclosureTable(40)
    provider = b"6\x20\x01\x0d\xb8"
    table.disclose(b"4abc", A, 0)
    for number in range(500):
        volunteer = bytes([number % limits.PROVIDER_SHARES])
        table.disclose(provider + number.to_bytes(3), volunteer, 0)
    assert len(table) == 40
    assert A in table.of(b"4abc")
    known = table.all_it_may_know(provider + b"new", 1, 0)
    assert known is not None
    assert len(known) == limits.PROVIDER_SHARES
