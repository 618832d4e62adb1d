"""What the Makefile's targets would run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "unit": ["tests"],
    "e2e": ["tests/e2e", "tests/demo", "tests/test_browser.py"],
    "lab": ["tests/lab"],
    "packaging": ["tests/packaging"],
    "soak": ["tests"],
}
"""What each target runs where nothing else is named."""


def pytest_words(target: str, arguments: str) -> list[str]:
    """The words after `pytest` in what a target runs, those in quotes as several."""
    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target, f"ARGS={arguments}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(
        line for line in shown.stdout.replace("\\\n", "").splitlines() if "/pytest " in line
    )
    return line.split()[1:]


@pytest.mark.parametrize("target", FOLDERS)
@pytest.mark.parametrize(
    "arguments", ["tests/wire", "-k unknown tests/wire/test_frames.py", "tests/x.py::test_y -x"]
)
def test_arguments_name_all_that_runs(target: str, arguments: str) -> None:
    """A folder or file replaces the target's own."""
    words = pytest_words(target, arguments)
    assert [word for word in words if word.startswith("tests")] == [
        word for word in arguments.split() if word.startswith("tests")
    ]
    assert set(arguments.split()) <= set(words)


@pytest.mark.parametrize("path", ["./tests/wire", f"{ROOT}/tests/wire/test_frames.py"])
def test_a_path_may_be_written_in_another_way(path: str) -> None:
    """Shells complete paths from `./`, editors copy them from the root."""
    words = pytest_words("unit", path)
    assert path in words
    assert "tests" not in words


@pytest.mark.parametrize("target", FOLDERS)
def test_options_leave_the_folders(target: str) -> None:
    """Without a folder among the arguments they are the target's own."""
    for arguments in ("", "-k unknown"):
        words = pytest_words(target, arguments)
        assert [word for word in words if word.startswith("tests")] == FOLDERS[target]


@pytest.mark.parametrize("mark", ["e2e", "lab"])
def test_what_unit_leaves_out_is_run_by_its_own_target(mark: str) -> None:
    """A test with the mark that is in none of its target's folders would never run."""
    marked = [
        path
        for path in (ROOT / "tests").rglob("test_*.py")
        if f"pytest.mark.{mark}" in path.read_text() and path != Path(__file__)
    ]
    folders = [ROOT / name for name in FOLDERS[mark]]
    assert marked
    for path in marked:
        assert any(path.is_relative_to(folder) for folder in folders), path
