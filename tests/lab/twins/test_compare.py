"""The rule: no value of ours that no twin shows, and none of all twins that ours never show."""

import pytest

from tests.lab.twins.compare import Difference, compare, judge, learn
from tests.lab.twins.features import READER, Feature, Features

SUITES = Feature("suites", READER)
RATE = Feature("rate", READER)


def sets(*links: str) -> list[Features]:
    """Return links whose values of one feature are the letters of a word."""
    return [{SUITES: frozenset(word)} for word in links]


def rates(*values: float) -> list[Features]:
    return [{RATE: value} for value in values]


@pytest.mark.parametrize(
    ("twins", "ours", "told"),
    [
        (("ab", "ac"), ("a", "ab"), []),
        (("ab", "ac"), ("a", "ad"), ["suites (reader): ours alone: d"]),
        (("ab", "ac"), ("b", "c"), ["suites (reader): never ours: a"]),
        (("", "a"), ("",), []),
        (("x",), ("y",), ["suites (reader): ours alone: y", "suites (reader): never ours: x"]),
    ],
)
def test_values(twins: tuple[str, ...], ours: tuple[str, ...], told: list[str]) -> None:
    """A value that one twin has and another has not may be missing in ours."""
    assert [str(each) for each in compare(sets(*twins), sets(*ours))] == told


@pytest.mark.parametrize(
    ("twins", "ours", "told"),
    [
        ((4.0, 6.0), (5.0, 50.0), []),
        ((4.0, 6.0), (2.0, 3.0), []),
        ((4.0, 6.0), (1.0, 2.0), ["rate (reader): lower"]),
        ((4.0, 6.0), (10.0, 12.0), ["rate (reader): higher"]),
        ((0.0, 0.01), (0.1, 0.15), []),
    ],
)
def test_numbers(twins: tuple[float, ...], ours: tuple[float, ...], told: list[str]) -> None:
    """The ranges must come near to each other; what is next to nothing counts as nothing."""
    assert [str(each) for each in compare(rates(*twins), rates(*ours))] == told


def test_a_feature_that_only_one_side_has_differs() -> None:
    none: list[Features] = [{}]
    assert [each.how for each in compare(none, sets("a"))] == ["ours alone"]
    assert [each.how for each in compare(sets("a"), none)] == ["never ours"]
    assert [each.how for each in compare(none, rates(9.0))] == ["higher"]


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        compare([], sets("a"))


def test_numbers_may_have_to_be_far_apart() -> None:
    assert compare(rates(4.0), rates(2.0), apart=3.0) == []
    assert [each.how for each in compare(rates(4.0), rates(1.0), apart=3.0)] == ["lower"]


def test_what_is_sure_in_every_round_is_known_to_be_there_always() -> None:
    always, once = Difference(SUITES, "ours alone", "a"), Difference(RATE, "lower")
    known = learn([[always, once], [always, once]], [[always, once], [always]])
    assert known == {str(always): "always", str(once): "sometimes"}
    assert judge(known, [always], [always]) == []
    assert judge(known, [always, once], [always, once]) == []


def test_a_new_difference_and_a_vanished_one_are_faults() -> None:
    """A number that is near enough to the twins' is neither new nor gone."""
    old, new = Difference(SUITES, "ours alone", "a"), Difference(SUITES, "never ours", "b")
    near = Difference(RATE, "lower")
    assert judge({str(old): "always"}, [new, near], [new]) == [
        "a new difference: suites (reader): never ours: b",
        "no difference any more: suites (reader): ours alone: a",
    ]
