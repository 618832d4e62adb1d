from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.io.webrtc.chrome.library import NoEngine
from passerelle.io.webrtc.chrome.process import ProcessEngine
from passerelle.io.webrtc.engine import PythonEngine, choose
from tests.chrome import needs_chrome


@needs_chrome
def test_chromes_engine_is_taken_where_it_is() -> None:
    for name in ("auto", "chrome"):
        engine, reason = choose(name)
        assert isinstance(engine, ProcessEngine)
        assert reason == ""
    engine, reason = choose("python")
    assert isinstance(engine, PythonEngine)
    assert reason == ""


def test_a_machine_without_chromes_engine_has_the_other_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Asked for by name it is refused, and otherwise a sentence says what is missing."""
    (tmp_path / "webrtc.py").write_text("raise ImportError('nothing here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    engine, reason = choose("auto")
    assert isinstance(engine, PythonEngine)
    assert reason == "the package wrtc cannot be loaded (nothing here)"
    assert choose("python")[1] == ""
    with pytest.raises(NoEngine):
        choose("chrome")
