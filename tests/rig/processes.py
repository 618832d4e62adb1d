"""Look at processes that a test has not started itself."""

from __future__ import annotations

from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started and that have not ended."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [child for child in found if runs(child)]


def runs(pid: int) -> bool:
    """Whether a process exists and has not ended; one that nobody waits for stays as a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The name, in parentheses, may hold any character; the state follows it (proc(5)).
    return stat.rpartition(")")[2].split()[0] != "Z"
