"""The table has every feature, and stands between two markers."""

import json

import pytest

from tests.lab.twins.__main__ import DOCUMENT
from tests.lab.twins.compare import Difference
from tests.lab.twins.features import READER, Feature, Features, describe
from tests.lab.twins.groups import (
    BROWSERS,
    CALL,
    KINDS,
    KNOWN,
    OURS,
    TWINS,
    Group,
    differences,
    joined,
    learned,
)
from tests.lab.twins.packets import Datagram, Link
from tests.lab.twins.table import BEGIN, END, replaced, table

SUITES, RATE = Feature("suites", READER), Feature("rate", READER)
TWIN_GROUPS = [Group(TWINS, kind, browser) for kind in KINDS for browser in BROWSERS]
ODD = Group("python", CALL, "Firefox")


def links() -> dict[Group, list[Features]]:
    """Return links that are like their twins, but for those of one group."""
    same: Features = {SUITES: frozenset("a"), RATE: 1.0}
    made = {group: [same] for group in (*TWIN_GROUPS, *OURS)}
    return {**made, ODD: [{SUITES: frozenset("b"), RATE: 5.0}]}


def test_each_group_is_compared_with_its_twins() -> None:
    found = differences(links())
    assert {group for group, each in found.items() if each} == {ODD}
    assert found[ODD] == [
        Difference(RATE, "higher"),
        Difference(SUITES, "ours alone", "b"),
        Difference(SUITES, "never ours", "a"),
    ]


def test_every_feature_has_a_row() -> None:
    """A cell says what differs, and for which browser opposite where that is not the same."""
    made = links()
    rows = table(made, differences(made)).splitlines()[2:]
    assert rows == [
        "| suites | reader | `a` | = | = | Chromium: =<br>Firefox: + `b`; − `a` | = | = |",
        "| rate | reader | 1 | = | = | Chromium: =<br>Firefox: higher: 5 for 1 | = | = |",
    ]


def test_rounds_are_joined_and_learned_from() -> None:
    even = {**links(), ODD: links()[ODD.twin]}
    assert len(joined([links(), even])[ODD]) == 2
    known = learned([links(), even])
    assert set(known[str(ODD)].values()) == {"sometimes"}
    assert known[str(OURS[0])] == {}


def test_the_list_of_known_differences_is_of_these_groups() -> None:
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    assert list(known) == [str(group) for group in OURS]
    assert {how for each in known.values() for how in each.values()} <= {"always", "sometimes"}


def test_the_table_is_put_between_the_markers() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replaced(document, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


def test_the_threat_model_has_the_table() -> None:
    """Each feature that is compared has a row in the document."""
    document = DOCUMENT.read_text(encoding="utf-8")
    made = document.partition(BEGIN)[2].partition(END)[0]
    told = {tuple(row.split(" | ")[:2]) for row in made.splitlines()[3:]}
    end = Datagram(0.0, ("10.0.0.1", 1), ("10.0.0.2", 2), b"", {})
    compared = describe(Link(end.source, end.target, (end,), ()))
    assert told == {(f"| {name}", side) for name, side in compared}


@pytest.mark.parametrize("document", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}"])
def test_a_document_without_markers_is_an_error(document: str) -> None:
    with pytest.raises(ValueError, match="has no"):
        replaced(document, "new")
