"""Facts about the machine on which a benchmark ran, and about its processes."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from passerelle.browser import find_chromium

VERSION_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Machine:
    """What a benchmark's numbers depend on."""

    cpu: str
    cores: int
    """Cores that this process may use."""
    kernel: str
    python: str
    browser: str

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.kernel}, Python {self.python}, {self.browser}"
        )


def this_machine() -> Machine:
    """Return the facts about this machine."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        browser=_browser(),
    )


def cpu_s(pid: int) -> float:
    """Return the seconds of processor time that a process has used, in steps of 10 ms."""
    # proc(5): utime and stime are fields 14 and 15; the name, in parentheses, may hold blanks.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Return the memory that a process has in use now, shared pages included; 0 once it is gone."""
    try:
        # proc(5): the second field of statm is resident pages.
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """Return `pid` and all processes below it."""
    found = []
    parents = [pid]
    while parents:
        parent = parents.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                parents += [int(child) for child in (task / "children").read_text().split()]
            found.append(parent)
    return found


def renderers(pid: int) -> list[int]:
    """Return the processes below `pid` in which Chromium runs pages."""
    found = []
    for each in family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"--type=renderer" in Path(f"/proc/{each}/cmdline").read_bytes():
                found.append(each)
    return found


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _browser() -> str:
    path = find_chromium()
    if path is None:
        return "no browser"
    ended = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
    )
    found = re.search(r"(Chrom\w+) ([\d.]+)", ended.stdout)
    return f"{found[1]} {found[2]}" if found else "unknown browser"
