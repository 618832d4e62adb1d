"""One network namespace, which is a host of the laboratory."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.lab.child import Child, kill
from tests.lab.errors import LabError
from tests.lab.tools import ROOT, call, show

ETC = Path("/etc/netns")
"""The directory whose files `ip netns exec` puts in place of those in `/etc`, by namespace."""


class Namespace:
    """A network namespace with `lo` up; programs run in it, and end with it.

    `label` names the host inside the laboratory; `name` is unique on the machine.
    """

    def __init__(self, label: str, name: str, directory: Path) -> None:
        self.label = label
        self.name = name
        self.directory = directory
        """The directory for the output of programs."""
        self.address = ""
        """The IPv4 address of the first interface that this host got; empty before."""
        self.address6 = ""
        """The IPv6 address of that interface; empty if the network has none."""
        self._children: list[Child] = []
        self._numbers = itertools.count(1)

    def create(self) -> None:
        """Make the namespace on the machine."""
        call("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def remove(self) -> None:
        """End all programs in the namespace and remove it. Idempotent."""
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        remove(self.name)

    def ip(self, *words: str) -> str:
        """Run `ip` on the interfaces, addresses and routes of the namespace."""
        return call("ip", "-n", self.name, *words)

    def set_kernel(self, key: str, value: str) -> None:
        """Set a `net.…` kernel parameter of this namespace."""
        path = "/proc/sys/" + key.replace(".", "/")
        self.run("sh", "-c", 'printf %s "$1" > "$2"', "sh", value, path)

    def set_hosts(self, addresses: Mapping[str, str]) -> None:
        """Let programs started from now on resolve these names and localhost, and no others."""
        directory = ETC / self.name
        directory.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        lines += [f"{address} {name}" for name, address in addresses.items()]
        (directory / "hosts").write_text("\n".join(lines) + "\n")

    def run(
        self, *command: str, timeout_s: float = 30, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the namespace to its end.

        Raises `LabError` if it takes longer than `timeout_s`, or if it fails while `check` is set.
        """
        try:
            ended = subprocess.run(
                self.words(*command),
                input=text,
                stdin=subprocess.DEVNULL if text is None else None,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                cwd=ROOT,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"`{show(command)}` in {self.label} took over {timeout_s} s") from None
        if check and ended.returncode != 0:
            why = f"({ended.returncode}): {ended.stderr[-2000:]}"
            raise LabError(f"`{show(command)}` in {self.label} failed {why}")
        return ended

    def popen(
        self, *command: str, env: Mapping[str, str] | None = None, dialogue: bool = False
    ) -> Child:
        """Start a program in the namespace; it is ended with the namespace at the latest.

        `env` is added to this process's environment. The program's outputs go to files under
        `directory`, unless `dialogue` is set (see `Child`).
        """
        stem = f"{self.label}-{next(self._numbers)}-{Path(command[0]).name}"
        child = Child(
            self.words(*command),
            out=self.directory / f"{stem}.out",
            err=self.directory / f"{stem}.err",
            env=env,
            dialogue=dialogue,
        )
        self._children.append(child)
        return child

    def python(
        self, *arguments: str, env: Mapping[str, str] | None = None, dialogue: bool = False
    ) -> Child:
        """Start this interpreter in the namespace, in the repository's root (see `popen`)."""
        return self.popen(sys.executable, "-u", *arguments, env=env, dialogue=dialogue)

    def words(self, *command: str) -> list[str]:
        """Return the command line that runs `command` in the namespace, by exec."""
        return ["ip", "netns", "exec", self.name, *command]


def remove(name: str) -> None:
    """Remove a namespace with all that runs in it, and its `/etc/netns` files."""
    with contextlib.suppress(LabError):
        for pid in call("ip", "netns", "pids", name).split():
            kill(int(pid))
    with contextlib.suppress(LabError):
        call("ip", "netns", "del", name)
    shutil.rmtree(ETC / name, ignore_errors=True)
