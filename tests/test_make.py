"""What the Makefile's targets would run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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


@pytest.mark.parametrize("target", ["unit", "e2e", "lab", "packaging", "soak"])
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


@pytest.mark.parametrize(
    ("target", "folder"),
    [
        ("unit", "tests"),
        ("e2e", "tests/e2e"),
        ("lab", "tests/lab"),
        ("packaging", "tests/packaging"),
        ("soak", "tests"),
    ],
)
def test_options_leave_the_folder(target: str, folder: str) -> None:
    """Without a folder among the arguments it is the target's own."""
    for arguments in ("", "-k unknown"):
        words = pytest_words(target, arguments)
        assert [word for word in words if word.startswith("tests")] == [folder]
