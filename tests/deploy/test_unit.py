"""The systemd unit in `deploy/`: systemd accepts it, and its command line starts a network."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from passerelle import serverlimits
from passerelle.exit.config import Lifetimes
from passerelle.io.server.processes import WORKER_SLACK_S
from tests.network import HOST
from tests.program import passerelle
from tests.rig.frontserver import DEPLOY
from tests.rig.ports import free_port, free_udp_ports

UNIT = DEPLOY / "passerelle.service"
PROGRAM = "/usr/local/bin/passerelle"


def settings() -> dict[str, str]:
    """Return the unit's settings by their names, with continued lines joined."""
    lines = UNIT.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing to say about it, once the program is there."""
    program = tmp_path / "passerelle"
    program.symlink_to(sys.executable)
    copy = tmp_path / "passerelle.service"
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert done.returncode == 0, done.stderr
    assert "passerelle" not in done.stderr, done.stderr


async def test_its_command_line_starts_a_network(tmp_path: Path) -> None:
    """The options of the unit are options of the program, and SIGTERM ends it well."""
    words = shlex.split(settings()["ExecStart"])
    assert words[0] == PROGRAM
    port, (stun, _) = free_port(), free_udp_ports(2)
    own = {
        "/var/lib/passerelle": str(tmp_path),
        "127.0.0.1:8080": f"{HOST}:{port}",
        ":3478": f"{HOST}:{stun}",
    }
    assert own.keys() <= set(words)
    async with passerelle([own.get(word, word) for word in words[1:]]) as program:
        await program.until("https://bridge.example/#")
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{HOST}:{port}/healthz") as answer,
        ):
            assert answer.status == 200
        program.process.send_signal(signal.SIGTERM)
        assert await program.ended() == 0, program.output


async def test_a_network_without_stun_is_warned_of(tmp_path: Path) -> None:
    """The note has the option, and stays away where STUN is answered or nobody needs it."""
    port, (stun, _) = free_port(), free_udp_ports(2)
    at = f"{HOST}:{port}"
    words = ["serve", "--state", str(tmp_path), "--listen", at]
    for url, more, warned in (
        ("https://bridge.example", [], True),
        ("https://bridge.example", ["--stun-listen", f"{HOST}:{stun}"], False),
        (f"http://{at}", [], False),
    ):
        async with passerelle([*words, "--url", url, *more]) as program:
            await program.until("passerelle-switch")
            program.process.terminate()
            assert await program.ended() == 0, program.output
        assert ("Give --stun-listen :3478" in program.output) is warned


def test_systemd_waits_for_the_drain() -> None:
    """systemd kills nothing that still drains, and permits the files that a server opens."""
    found = settings()
    assert float(found["TimeoutStopSec"]) > Lifetimes().drain_s + WORKER_SLACK_S
    assert found["KillMode"] == "mixed"
    assert int(found["LimitNOFILE"]) >= serverlimits.HTTP_CONNECTIONS + serverlimits.FILES_KEPT


async def test_a_reload_without_workers_ends_nothing(tmp_path: Path) -> None:
    """`systemctl reload` sends SIGUSR2, which by itself would kill a server without workers."""
    assert settings()["ExecReload"] == "/bin/kill -USR2 $MAINPID"
    at = f"{HOST}:{free_port()}"
    words = ["serve", "--state", str(tmp_path), "--listen", at, "--url", f"http://{at}"]
    async with passerelle(words) as program, asyncio.timeout(20):
        await program.until("/#")
        program.process.send_signal(signal.SIGUSR2)
        await program.until("no workers")
        async with aiohttp.ClientSession() as http, http.get(f"http://{at}/healthz") as answer:
            assert answer.status == 200
