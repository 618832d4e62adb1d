"""aiortc without PyAV, each time in a fresh interpreter: here it is loaded already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(script: str, path: Path | None = None) -> str:
    """Run a script, with `path` searched for modules first; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(path or "")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def pyav(tmp_path: Path) -> Path:
    """A folder with a package that is called as PyAV is and tells of its being loaded."""
    (tmp_path / "av").mkdir()
    (tmp_path / "av" / "__init__.py").write_text("print('PyAV is loaded')")
    return tmp_path


def test_installed_pyav_is_not_loaded(pyav: Path) -> None:
    """What the client needs of aiortc comes without FFmpeg, also where FFmpeg is there."""
    assert run("import passerelle.io.webrtc.ortc, aiortc", pyav) == ""


def test_pyav_is_found_afterwards(pyav: Path) -> None:
    """The placeholders serve one import and stand in nobody else's way."""
    assert run("import passerelle.io.webrtc.ortc, av", pyav) == "PyAV is loaded\n"


@pytest.mark.parametrize(
    "use",
    [
        "from aiortc.codecs import h264; h264.H264Decoder()",
        "from aiortc.mediastreams import AudioFrame; AudioFrame(layout='mono')",
    ],
)
def test_codecs_say_that_they_are_absent(use: str) -> None:
    """Code that comes to use a codec after all is told why there is none."""
    script = (
        "from passerelle.io.webrtc.ortc import CodecAbsent\n"
        f"try:\n    exec({use!r})\n"
        "except CodecAbsent as error: print(error)"
    )
    assert "Passerelle loads aiortc without PyAV, so there is no " in run(script)
