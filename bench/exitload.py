"""An exit worker on this machine, with a site and load in other processes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.host import ThisMachine
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.keyring import LINK_FILE, TICKET_FILE, Keyring
from tests.lab import Child
from tests.rig.ports import free_port

PYTHON = (sys.executable, "-u")
START_S = 30.0
LINK_S = 120.0
QUOTA = """
[quota]
streams = 100_000
new_streams_per_s = 1_000_000
new_streams_burst = 1_000_000
"""


@dataclass(frozen=True, slots=True)
class ExitLoad:
    """A running exit, and the processes that load it."""

    host: ThisMachine
    exit: Child
    url: str
    state: Path
    site_port: int

    def load(self, sessions: int, links: int) -> Child:
        """Start a process with sessions; once it prints `linked` it takes commands (`load`)."""
        pin = LinkIdentity.from_pem((self.state / LINK_FILE).read_bytes()).spki_sha256
        words = [self.url, str(self.state / TICKET_FILE), pin.hex(), str(self.site_port)]
        return self.host.python(
            "-m", "bench.load", *words, str(sessions), str(links), dialogue=True
        )


@contextmanager
def exit_load(settings: str = "", quota: str = QUOTA) -> Iterator[ExitLoad]:
    """Run an exit on the first core, and a site; `settings` are added to its configuration.

    The usual load exceeds what one reader may use, so by default it has a `quota` that never
    limits.
    """
    with ThisMachine() as host:
        state = host.directory / "state"
        Keyring.open_or_create(state)
        config = host.directory / "exit.toml"
        config.write_text(settings + quota)
        site_port, port = free_port(), free_port()
        host.python("-m", "bench.source", str(site_port)).wait_for("ready", timeout_s=START_S)
        words = ["-m", "passerelle", "exit", "--state", str(state), "--config", str(config)]
        words += ["--listen", f"127.0.0.1:{port}", "--allow", "127.0.0.0/8"]
        words += ["--exit-port", str(site_port)]
        pinned = ["taskset", "-c", "0"] if shutil.which("taskset") else []
        child = host.popen(*pinned, *PYTHON, *words)
        child.wait_for("serves", timeout_s=START_S)
        yield ExitLoad(host, child, f"ws://127.0.0.1:{port}/v1/link", state, site_port)


def tell(loads: list[Child], line: str) -> None:
    """Send each process a command, without waiting for the answers."""
    for load in loads:
        assert load.process.stdin is not None
        load.process.stdin.write(line.encode() + b"\n")
        load.process.stdin.flush()


def answers(loads: list[Child], *, timeout_s: float) -> list[int]:
    """Return the answers of all processes, with lists joined."""
    found: list[int] = []
    for load in loads:
        answer = json.loads(load.hear(timeout_s=timeout_s))
        found += answer if isinstance(answer, list) else [answer]
    return found
