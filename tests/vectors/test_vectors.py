from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.vectors import make


def test_the_vectors_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The widget is tested against what the Python side does now, not what it did once."""
    monkeypatch.setattr(sys, "argv", ["make", str(tmp_path)])
    make.main()
    kept = {path.name: path.read_bytes() for path in make.HERE.glob("*.json")}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
