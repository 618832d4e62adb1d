"""The volunteer's systemd unit: systemd accepts it, and its command line starts a volunteer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from passerelle.volunteer.config import VolunteerConfig
from tests.chrome import needs_chrome
from tests.network import KEYS, network
from tests.program import passerelle
from tests.rig.frontserver import DEPLOY
from tests.rig.ports import free_port

UNIT = DEPLOY / "passerelle-volunteer.service"
PROGRAM = "/usr/local/bin/passerelle"
MOST_EXPOSED = 2.5
"""Of the ten points that `systemd-analyze security` gives: up to here it says OK."""


def settings() -> dict[str, str]:
    """Return the unit's settings by their names, with continued lines joined."""
    lines = UNIT.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def analyze(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on a copy of the unit whose program is there."""
    program = tmp_path / "passerelle"
    program.symlink_to(sys.executable)
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, str(program)))
    return subprocess.run(
        ["systemd-analyze", *words, str(copy)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify", "--man=no")
    assert done.returncode == 0, done.stderr
    assert "passerelle" not in done.stderr, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_finds_little_that_could_be_taken_away(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--no-pager")
    if "nrecognized option" in done.stderr:
        pytest.skip("this systemd judges no files")
    found = re.search(r"exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED, done.stdout


@needs_chrome
async def test_its_command_line_starts_a_volunteer(tmp_path: Path) -> None:
    """The options of the unit are options of the program, and SIGTERM ends it well."""
    words = shlex.split(settings()["ExecStart"])
    assert words[0] == PROGRAM
    own = {"/var/lib/passerelle-volunteer": str(tmp_path), "9120": str(free_port())}
    assert own.keys() <= set(words)
    async with network() as net:
        invite = str(KEYS.invite(net.url))
        given = [own.get(word, word) for word in words[1:]]
        async with passerelle(given, PASSERELLE_INVITE=invite) as program:
            await program.until("Waiting for people to help.")
            program.process.send_signal(signal.SIGTERM)
            assert await program.ended() == 0, program.output


def test_systemd_waits_for_the_drain() -> None:
    found = settings()
    config = VolunteerConfig(invite=KEYS.invite("http://127.0.0.1:1"))
    assert float(found["TimeoutStopSec"]) > 2 * config.drain_s
    assert found["KillMode"] == "mixed"
