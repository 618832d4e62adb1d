"""What benchmarks print: the one JSON object, the table, and how targets are judged."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from bench.machine import Machine
from bench.report import Report, Row, at_least, at_most, median, percentile

MACHINE = Machine("A CPU", 2, "Linux 6", "3.11.2", "Chromium 1.2")


def report() -> Report:
    rows = (
        Row("ratio", 0.896, "", at_least(0.9), digits=2),
        Row("wait", 20.04, "ms", at_most(20)),
        Row("gap", 51.0, "ms", at_most(50)),
        Row("rate", 12.34, "Mbit/s"),
    )
    return Report("sample", MACHINE, rows)


def test_the_json_has_exactly_the_agreed_fields() -> None:
    parsed = json.loads(report().json())
    assert list(parsed) == ["bench", "machine", "rows"]
    assert parsed["bench"] == "sample"
    assert parsed["machine"] == {
        "cpu": "A CPU",
        "cores": 2,
        "kernel": "Linux 6",
        "python": "3.11.2",
        "browser": "Chromium 1.2",
    }
    assert parsed["rows"][0] == {
        "name": "ratio",
        "value": 0.9,
        "unit": "",
        "target": "≥ 0.9",
        "ok": True,
    }


def test_a_row_without_a_target_is_neither_good_nor_bad() -> None:
    row = Row("rate", 12.34, "Mbit/s").plain()
    assert row["target"] is None
    assert row["ok"] is None


def test_the_json_is_one_line() -> None:
    assert "\n" not in report().json()


@pytest.mark.parametrize(
    ("row", "ok"),
    [
        (Row("x", 50, "ms", at_most(50)), True),
        (Row("x", 50.1, "ms", at_most(50)), False),
        (Row("x", 0.9, "", at_least(0.9), digits=2), True),
        (Row("x", 0.89, "", at_least(0.9), digits=2), False),
    ],
)
def test_a_target_is_met_up_to_and_with_its_bound(row: Row, ok: bool) -> None:
    assert row.ok is ok


def test_the_value_judged_is_the_value_shown() -> None:
    """Else a table could say that 20.0 misses 20."""
    row = Row("wait", 20.04, "ms", at_most(20))
    assert row.rounded == 20.0
    assert row.ok


def test_the_table_says_what_was_met_and_missed_and_where() -> None:
    console = Console(record=True, width=100, file=None, quiet=True)
    console.quiet = False
    with console.capture() as captured:
        report().show(console, "How to read it.")
    text = captured.get()
    for words in ("ratio", "0.90", "met", "missed", "≤ 50", "How to read it.", "A CPU", "2 cores"):
        assert words in text


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 5), (0.9, 9), (0.95, 10), (1.0, 10)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == value


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_the_median_of_two_lies_between_them() -> None:
    assert median([1.0, 2.0]) == 1.5
