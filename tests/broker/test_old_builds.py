import hashlib
import logging
import os
from pathlib import Path

import pytest

from passerelle import serverlimits
from passerelle.broker.old_builds import keep


def built(content: bytes, part: str = "passerelle") -> dict[str, bytes]:
    return {f"{part}.{hashlib.sha256(content).hexdigest()[:8]}.js": content}


def test_an_earlier_build_is_found_again(tmp_path: Path) -> None:
    """Each start adds its own files and gives back those before."""
    old, new = built(b"old"), built(b"new")
    assert keep(tmp_path / "widget", old) == {}
    assert keep(tmp_path / "widget", new) == old
    assert keep(tmp_path / "widget", new) == old


def test_only_what_its_name_says_is_served(tmp_path: Path) -> None:
    """Nothing that was changed, nothing of another kind, nothing from elsewhere."""
    (name,) = built(b"genuine")
    (tmp_path / name).write_bytes(b"changed")
    (tmp_path / "notes.txt").write_text("private")
    (tmp_path / "key.json").write_text("private")
    (tmp_path / "words-fa.00000000.json").mkdir()
    assert keep(tmp_path, built(b"new")) == {}
    assert (tmp_path / name).read_bytes() == b"changed"


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The builds used last stay; other files are not touched."""
    monkeypatch.setattr(serverlimits, "WIDGET_KEPT_FILES", 3)
    (tmp_path / "notes.txt").write_text("private")
    for number in range(6):
        content = b"%d" % number
        keep(tmp_path, built(content))
        (name,) = built(content)
        os.utime(tmp_path / name, (number, number))
    left = keep(tmp_path, built(b"5"))
    assert sorted(left.values()) == [b"3", b"4"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_large_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, built(b"large"))
    monkeypatch.setattr(serverlimits, "WIDGET_FILE_BYTES", 4)
    assert keep(tmp_path, built(b"new")) == {}


def test_a_directory_that_cannot_be_made_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "widget").write_text("a file")
    with caplog.at_level(logging.WARNING):
        assert keep(tmp_path / "widget", built(b"new")) == {}
    assert "cannot be kept" in caplog.text
