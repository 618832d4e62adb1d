"""The programs that the laboratory needs, and how to call them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lab.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
"""The root of the repository; programs start there, to be able to import `tests` and `bench`."""

CHROMIUM = "/usr/bin/chromium"
TUN = Path("/dev/net/tun")
TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "tcpdump": "tcpdump",
    "gcc": "gcc libc6-dev",
    CHROMIUM: "chromium",
}
"""Each program, with the Debian package that has it."""


def require() -> None:
    """Raise `LabError` unless this process may build namespaces and all programs are installed."""
    if os.geteuid() != 0:
        raise LabError(
            "The namespace laboratory makes network namespaces, which only root may. "
            "Run `make lab` as root, for instance with `sudo`, or in a privileged container."
        )
    missing = [packages for tool, packages in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise LabError(
            "The namespace laboratory lacks programs. "
            "Run `make lab` as root, which installs them, or "
            f"`apt-get install --no-install-recommends {' '.join(missing)}`."
        )
    if not TUN.exists():
        raise LabError(
            f"The namespace laboratory needs {TUN}, which this kernel or container does not offer. "
            "Run `modprobe tun`, or give the container that device."
        )


def call(*command: str, text: str | None = None, timeout_s: float = 20) -> str:
    """Run a program to its end, and return what it printed.

    It runs in a new session, because Ctrl-C must not interrupt the removal of namespaces. Raises
    `LabError` with the program's error message.
    """
    ended = subprocess.run(
        command,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        start_new_session=True,
    )
    if ended.returncode != 0:
        raise LabError(f"`{show(command)}` failed ({ended.returncode}): {ended.stderr.strip()}")
    return ended.stdout


def show(command: Sequence[str]) -> str:
    """Return a command as one line, for a message."""
    return " ".join(command)
