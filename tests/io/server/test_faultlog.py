import logging

import pytest

from passerelle import serverlimits
from passerelle.io.server.faultlog import FaultLog


def test_one_line_of_each_kind_and_how_many_it_stands_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serverlimits, "BUS_FAULT_PAUSE_S", 3600.0)
    faults = FaultLog(logging.getLogger("test"))
    for _ in range(1000):
        faults.warn("one", "the first")
        faults.warn("two", "the second")
    assert [record.getMessage() for record in caplog.records] == ["the first", "the second"]


def test_after_the_pause_the_next_line_has_the_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serverlimits, "BUS_FAULT_PAUSE_S", 3600.0)
    faults = FaultLog(logging.getLogger("test"))
    for _ in range(4):
        faults.warn("one", "the first")
    faults._next_s.clear()
    faults.warn("one", "the next")
    faults._next_s.clear()
    faults.warn("one", "the last")
    found = [record.getMessage() for record in caplog.records]
    assert found == ["the first", "the next (and 3 more before)", "the last"]
