"""What `make release` builds."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from passerelle import __version__
from tools import bootstrap, release

pytestmark = pytest.mark.timeout(180)
WHEEL = f"passerelle-{__version__}-py3-none-any.whl"
SDIST = f"passerelle-{__version__}.tar.gz"


def test_hashes_hold(dist: Path) -> None:
    """The ordinary program checks every file against them."""
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", release.SUMS],
        cwd=dist,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name}: OK" for name in (WHEEL, SDIST, release.READER)]
    assert {path.name for path in dist.iterdir()} == {WHEEL, SDIST, release.READER, release.SUMS}


def test_sources_make_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    """Without network, Node or this clone, at another time: byte for byte."""
    made = tmp_path / "made"
    build = ["build", "--quiet", "--offline", "--wheel", "--no-create-gitignore", "-o", str(made)]
    with tarfile.open(dist / SDIST) as sources:
        commit_s = sources.getmembers()[0].mtime
    subprocess.run(
        [str(bootstrap.uv()), *build, str(dist / SDIST)],
        env={
            **os.environ,
            "PATH": str(tmp_path),
            "UV_PYTHON": bootstrap.PYTHON,
            "SOURCE_DATE_EPOCH": str(commit_s),
        },
        cwd=tmp_path,
        check=True,
    )
    assert (made / WHEEL).read_bytes() == (dist / WHEEL).read_bytes()


def test_times_are_the_commit_s(dist: Path) -> None:
    """Nothing tells when or where a release was built."""
    commit_s = int(release.git("log", "-1", "--format=%ct"))
    with tarfile.open(dist / SDIST) as sources:
        assert {member.mtime for member in sources} == {commit_s}
        assert {(member.uid, member.gid, member.uname) for member in sources} == {(0, 0, "")}
    even_s = time.gmtime(commit_s - commit_s % 2)  # a zip counts in twos
    with zipfile.ZipFile(dist / WHEEL) as wheel:
        assert {each.date_time for each in wheel.infolist()} == {even_s[:6]}


def test_the_wheel_holds_the_program_and_what_it_serves_from(dist: Path) -> None:
    with zipfile.ZipFile(dist / WHEEL) as wheel:
        names = wheel.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        told = email.message_from_bytes(wheel.read(metadata))
    tops = {name.split("/")[0] for name in names}
    assert tops == {"passerelle", f"passerelle-{__version__}.dist-info"}
    assert "passerelle/_widget/manifest.json" in names
    assert "passerelle/_reader/shell.js" in names
    assert {"passerelle/_places/countries.mmdb.xz", "passerelle/_places/NOTICE"} <= set(names)
    assert told["Version"] == __version__
    assert told["Requires-Python"] == ">=3.11"
    assert told.get_all("Provides-Extra") == ["chrome", "server"]


def test_the_sources_hold_no_more_than_git_does(dist: Path) -> None:
    """Neither packages of npm nor what an editor or a test has left behind."""
    known = set(release.git("ls-files", "--cached", "--others", "--exclude-standard").split())
    with tarfile.open(dist / SDIST) as sources:
        found = {name.partition("/")[2] for name in sources.getnames()}
    built = tuple(f"src/passerelle/_{name}/" for name in ("widget", "reader", "places"))
    extra = {name for name in found - known if not name.startswith(built)}
    assert extra == {"PKG-INFO"}
    assert "widget/build.mjs" in found


def test_reader_list_pins_everything_but_pyav(dist: Path) -> None:
    """Each line is one version, and none is of PyAV or of a server."""
    lines = (dist / release.READER).read_text().splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    assert packages.pop(0) == 'av ; python_version < "3"'
    assert all("==" in line for line in packages)
    names = {line.partition("==")[0] for line in packages}
    assert {"aiortc", "aiohttp", "curl-cffi"} <= names
    assert not names & {"av", "uvloop", "maxminddb", "nats-py", "prometheus-client", "pytest"}


def test_changes_that_are_not_committed_stop_it(tmp_path: Path) -> None:
    """A release can be told by its commit."""
    shutil.copytree(bootstrap.ROOT / "tools", tmp_path / "tools")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tools.release"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "?? tools/" in done.stderr
    assert not (tmp_path / "dist").exists()
