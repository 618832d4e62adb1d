from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from passerelle.errors import LocalError
from passerelle.io.server.processes import Workers

GOOD = """
import signal, sys
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
"""
STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
FINISHING = """
import signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
time.sleep(float(sys.argv[1]) / 10)
print("finished", flush=True)
signal.sigwait({signal.SIGTERM})
"""
UNFINISHED = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
"""
ORPHAN = """
import asyncio
from passerelle.io.server.processes import orphaned
print("ready", flush=True)
asyncio.run(orphaned())
"""


def program(text: str) -> Callable[[int], list[str]]:
    return lambda number: [sys.executable, "-u", "-c", text, str(number)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _children() -> set[int]:
    """Return the ids of this process's children."""
    text = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in text.split()}


async def test_workers_run_and_end() -> None:
    """All workers serve inside the `async with`, and none is left after it."""
    async with Workers(program(GOOD), 2, grace_s=10) as workers:
        pids = workers.pids
        assert len(pids) == 2
    assert not any(map(alive, pids))


async def test_all_workers_finish_before_any_is_ended() -> None:
    """A worker that is done waits for one that is not, and for one that died it waits no more."""
    async with Workers(program(FINISHING), 3, grace_s=10) as workers:
        os.kill(workers.pids[2], signal.SIGKILL)
        async with asyncio.timeout(8):
            await workers.finish()
        assert all(map(alive, workers.pids[:2]))


async def test_a_worker_that_never_finishes_is_not_waited_for() -> None:
    """The grace time is the longest wait, and the worker is ended as any other."""
    async with Workers(program(UNFINISHED), 1, grace_s=0.3) as workers:
        async with asyncio.timeout(5):
            await workers.finish()
        (pid,) = workers.pids
        assert alive(pid)
    assert not alive(pid)


async def test_a_worker_that_cannot_start_is_told() -> None:
    """If one worker cannot start, an error names it and all workers are ended."""
    with pytest.raises(LocalError, match="worker 1 did not start"):
        async with Workers(program("raise SystemExit(2)"), 2, grace_s=10):
            pass


async def test_a_worker_that_dies_is_started_again() -> None:
    async with Workers(program(GOOD), 2, grace_s=10) as workers:
        first, second = workers.pids
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(20):
            while len(workers.pids) < 2 or first in workers.pids:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert second in workers.pids


async def test_a_restart_replaces_one_after_the_other() -> None:
    """During a restart at least one worker runs at any time."""
    async with Workers(program(GOOD), 2, grace_s=10) as workers:
        before = set(workers.pids)
        workers.restart_soon()
        workers.restart_soon()
        async with asyncio.timeout(30):
            while before & set(workers.pids):
                assert len(workers.pids) >= 1
                await asyncio.sleep(0.005)
            await workers.restart()
        assert len(workers.pids) == 2


async def test_a_stubborn_worker_is_killed() -> None:
    async with Workers(program(STUBBORN), 1, grace_s=0.2) as workers:
        (pid,) = workers.pids
    assert not alive(pid)


async def test_a_worker_that_is_being_started_is_ended() -> None:
    """The end of all leaves no process, also if one of them died and comes back just then."""
    for _repeat in range(5):
        async with Workers(program(GOOD), 2, grace_s=10) as workers:
            first, _ = workers.pids
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(20):
                # The process is there a moment before the worker knows of it.
                while len(children := _children()) < 2 or first in children:  # noqa: ASYNC110
                    await asyncio.sleep(0)
        assert not _children()


async def test_a_worker_notices_that_it_is_alone() -> None:
    """A worker ends when its standard input closes, because whoever started it is then gone."""
    process = await asyncio.create_subprocess_exec(
        *program(ORPHAN)(1), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdin.close()
    async with asyncio.timeout(20):
        assert await process.wait() == 0
