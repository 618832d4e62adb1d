"""Which machines have Chrome's engine, and so skip no test of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.tags import Tag, cpython_tags

from tests.chrome import REQUIRED
from tools import bootstrap, wheels

ROOT = Path(__file__).parent.parent

HAVE = {
    "Linux with glibc, x86-64": "manylinux_2_28_x86_64",
    "Linux with glibc, ARM": "manylinux_2_28_aarch64",
    "macOS, x86-64": "macosx_13_0_x86_64",
    "macOS, ARM": "macosx_13_0_arm64",
    "Windows, x86-64": "win_amd64",
}
LACK = {"Linux with musl": "musllinux_1_2_x86_64", "Windows, ARM": "win_arm64"}


def tags(platform: str, version: tuple[int, int]) -> Iterator[Tag]:
    return cpython_tags(version, platforms=[platform])


@pytest.mark.parametrize("machine", HAVE)
@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_these_machines_have_a_wheel(machine: str, version: tuple[int, int]) -> None:
    assert wheels.fits(bootstrap.CHROME_PACKAGE, tags(HAVE[machine], version))


@pytest.mark.parametrize("machine", LACK)
def test_these_machines_have_none(machine: str) -> None:
    assert not wheels.fits(bootstrap.CHROME_PACKAGE, tags(LACK[machine], (3, 13)))


def test_the_lock_names_each_wheel_by_its_hash() -> None:
    """Whatever set-up installs is one of these files."""
    locked = wheels.LOCK.read_text(encoding="utf-8")
    for name in wheels.wheels(bootstrap.CHROME_PACKAGE):
        (line,) = (line for line in locked.splitlines() if f"/{name}" in line)
        _, _, rest = line.partition('hash = "sha256:')
        assert len(bytes.fromhex(rest.partition('"')[0])) == hashlib.sha256().digest_size


def test_set_up_asks_the_interpreter_that_imports_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wheel that is missing is told from a question that failed."""
    assert bootstrap.has_wheel("msgspec")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    interpreter = tmp_path / "bin" / "python"
    interpreter.parent.mkdir()
    interpreter.write_text(f"#!/bin/sh\nexit {bootstrap.NO_WHEEL}\n")
    interpreter.chmod(0o755)
    assert not bootstrap.has_wheel("msgspec")
    interpreter.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(SystemExit, match="failed"):
        bootstrap.has_wheel("msgspec")


@pytest.mark.parametrize(("required", "outcome"), [("", "skipped"), ("1", "failed")])
def test_where_no_wheel_fits_its_tests_are_skipped_unless_it_is_required(
    tmp_path: Path, required: str, outcome: str
) -> None:
    """A machine that must have the engine fails without it."""
    (tmp_path / "webrtc.py").write_text("raise ImportError('nothing here')")
    (tmp_path / "musl.py").write_text(
        "import tools.wheels\ntools.wheels.fits = lambda _package: False\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "musl", "tests/io/webrtc/test_engine.py"]
    done = subprocess.run(
        [*words, "-k", "taken_where_it_is", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", REQUIRED: required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"1 {outcome}" in done.stdout, done.stdout
    if outcome == "skipped":
        assert "has no wheel for this machine" in done.stdout
