"""Facts about the machine on which the numbers were measured."""

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
    """The properties of a machine that decide how fast it is."""

    cpu: str
    cores: int
    """The number of cores that this process may use."""
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
    # The name, in parentheses, may hold any character; utime and stime are fields 14 and 15
    # (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process, shared pages included; 0 once it has ended."""
    try:
        # The second field of statm is the number of resident pages (proc(5)).
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def pss_bytes(pid: int) -> int:
    """Return the resident memory of a process, of shared pages its share; 0 once it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def family_cpu_s(pid: int) -> float:
    """Return what `cpu_s` does, for a process and all that descend from it."""
    return sum(map(cpu_s, family(pid)))


def family_pss_bytes(pid: int) -> int:
    """Return what `pss_bytes` does, for a process and all that descend from it."""
    return sum(map(pss_bytes, family(pid)))


def family(pid: int) -> list[int]:
    """Return `pid` and the ids of all processes that descend from it."""
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
    return _started_with(pid, b"--type=renderer")


def extension_processes(pid: int) -> list[int]:
    """Return the processes below `pid` in which Chromium runs extensions and nothing else."""
    return _started_with(pid, b"--extension-process")


def _started_with(pid: int, word: bytes) -> list[int]:
    found = []
    for each in family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if word in Path(f"/proc/{each}/cmdline").read_bytes():
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
