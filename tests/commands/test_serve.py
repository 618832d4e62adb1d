"""What `passerelle serve` says of its databases of places."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from passerelle.commands import serve
from passerelle.io.net import locations
from passerelle.io.net.locations import BUILT_IN, LocationDatabase


def test_the_age_of_each_database_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    """The name and the month are said, and no warning while it is fresh."""
    (edition,) = LocationDatabase().load()
    month = time.strftime("%B %Y", time.gmtime(edition.built_s))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: edition.built_s + 364 * serve.DAY_S)
        serve._tell_places([edition])
    assert capfd.readouterr().err == f"Places come from {BUILT_IN.name}, of {month}.\n"


def test_an_old_database_is_warned_of(capfd: pytest.CaptureFixture[str]) -> None:
    """After twelve months a person is told what to do."""
    (edition,) = LocationDatabase().load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: edition.built_s + 400 * serve.DAY_S)
        serve._tell_places([edition])
    assert "Warning: countries.mmdb.xz is 13 months old." in capfd.readouterr().err


def test_no_database_is_warned_of(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone whose set-up brought none runs, and says what it cannot do."""
    monkeypatch.setattr(locations, "BUILT_IN", tmp_path / "none")
    serve._tell_places(LocationDatabase().load())
    assert "Warning: there is no database of countries" in capfd.readouterr().err
