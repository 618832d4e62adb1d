from __future__ import annotations

from datetime import time

import pytest

from passerelle.errors import ConfigError
from passerelle.volunteer.hours import ALWAYS, parse


def test_a_span_begins_with_its_first_minute_and_ends_before_its_last() -> None:
    hours = parse("08:00-12:30, 22:00-06:00")
    for text, helped in (
        *(("07:59", False), ("08:00", True), ("12:29", True), ("12:30", False)),
        *(("21:59", False), ("22:00", True), ("00:00", True), ("05:59", True), ("06:00", False)),
    ):
        assert hours.has(time.fromisoformat(text)) is helped, text


def test_nothing_means_always() -> None:
    assert parse("") is ALWAYS
    assert all(ALWAYS.has(time(hour, 59)) for hour in range(24))
    assert parse("00:00-24:00").has(time(23, 59))


@pytest.mark.parametrize(
    "text", ["8-12", "08:00-25:00", "24:00-02:00", "08:60-09:00", "08:00", ",", "x" * 1000]
)
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="08:00-12:30"):
        parse(text)


def test_many_spans_are_refused() -> None:
    with pytest.raises(ConfigError):
        parse(",".join(["08:00-09:00"] * 9))
