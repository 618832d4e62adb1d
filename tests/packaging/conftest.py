"""One release for all tests here, and a place where its commands run."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import bootstrap, release

README = bootstrap.ROOT / "README.md"


@dataclass(frozen=True)
class Place:
    """A folder with `dist/` in it, and what is installed from there."""

    folder: Path
    name: str
    """Of whoever installs; each has programs of their own."""

    @property
    def home(self) -> Path:
        """Where uv and pipx put everything."""
        return self.folder / self.name

    @property
    def program(self) -> Path:
        """The `passerelle` command."""
        return self.home / "bin" / "passerelle"

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of the README in a shell."""
        tools = f"{bootstrap.uv().parent}:{bootstrap.VENV / 'bin'}"
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.program.parent}:{tools}:{os.environ['PATH']}",
                "UV_PYTHON": bootstrap.PYTHON,
                "UV_TOOL_DIR": str(self.home / "uv"),
                "UV_TOOL_BIN_DIR": str(self.program.parent),
                "PIPX_DEFAULT_PYTHON": bootstrap.PYTHON,
                "PIPX_DEFAULT_BACKEND": "pip",  # as where there is no uv
                "PIPX_HOME": str(self.home / "pipx"),
                "PIPX_BIN_DIR": str(self.program.parent),
                "PIPX_MAN_DIR": str(self.home / "man"),
                "PIPX_COMPLETION_DIR": str(self.home / "completion"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, *lines: str) -> None:
        """Run lines that must succeed."""
        for line in lines:
            done = self.run(line)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def readme_lines(pattern: str) -> list[str]:
    """Return the command lines of the README that begin like this."""
    blocks = re.findall(r"^```\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    found = [line for block in blocks for line in block.splitlines() if re.match(pattern, line)]
    assert found, f"README.md has no line that begins with {pattern}"
    return found


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `dist/` is the release of this working tree."""
    made = tmp_path_factory.mktemp("release")
    release.release(made / "dist")
    return made


@pytest.fixture(scope="session")
def dist(folder: Path) -> Path:
    return folder / "dist"


@pytest.fixture(scope="session")
def reader_by_uv(folder: Path) -> Place:
    """A reader's installation, made with uv."""
    place = Place(folder, "uv-reader")
    (line,) = (each for each in readme_lines("uv tool install") if "[" not in each)
    place.install(line)
    return place


@pytest.fixture(scope="session")
def reader_with_chromes_engine(folder: Path) -> Place:
    """A reader's installation with Chrome's WebRTC."""
    place = Place(folder, "chrome-reader")
    (line,) = (each for each in readme_lines("uv tool install") if "[chrome]" in each)
    place.install(line)
    return place


@pytest.fixture(scope="session")
def reader_by_pipx(folder: Path) -> Place:
    """A reader's installation, made with pipx."""
    place = Place(folder, "pipx-reader")
    place.install(*readme_lines("pipx "))
    return place


@pytest.fixture(scope="session")
def operator(folder: Path) -> Place:
    """An operator's installation."""
    place = Place(folder, "operator")
    (line,) = (each for each in readme_lines("uv tool install") if "[server]" in each)
    place.install(line)
    return place
