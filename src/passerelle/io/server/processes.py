"""Worker processes: started, watched, started again, restarted one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from passerelle.errors import LocalError
from passerelle.io.tasks import TaskSet

READY: Final = "ready"
"""The line by which a worker says, on its standard output, that it serves."""
READY_S: Final = 30.0
"""A worker must have said so by then."""
WORKER_SLACK_S: Final = 10.0
"""A worker may take so much longer than its own drain time before it is killed."""
AGAIN_S: Final = (0.2, 10.0)
"""First and longest pause before a worker that died is started again."""
_STEADY_S: Final = 60.0
"""A worker that ran for so long did not die of its start."""

_log = logging.getLogger(__name__)


class Workers:
    """A fixed number of worker processes, running for the length of an `async with`.

    A worker serves once it has printed `READY`; it ends in good order at SIGTERM, and also when its
    standard input ends: nobody is left to look after it then. Workers are numbered from 1.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        count: int,
        *,
        grace_s: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`command` gives a worker's command line. After SIGTERM it has `grace_s` to end.

        Workers have this process's environment with `environment` on top: secrets belong there,
        because every user of a machine sees every command line.
        """
        self._grace_s = grace_s
        whole = {**os.environ, **(environment or {})}
        self._workers = [_Worker(number, command(number), whole) for number in range(1, count + 1)]
        self._tasks = TaskSet("workers")
        self._restarting = asyncio.Lock()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process id of each worker that runs, in order of their numbers."""
        running = (each.process for each in self._workers)
        return tuple(each.pid for each in running if each and each.returncode is None)

    async def __aenter__(self) -> Self:
        """Start all, and wait until they serve. Raises LocalError when one does not."""
        try:
            for worker in self._workers:
                keeping = self._tasks.start(worker.keep(), f"worker {worker.number}")
                waiting = self._tasks.start(worker.ready.wait(), "ready")
                await asyncio.wait(
                    (keeping, waiting), timeout=READY_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not worker.ready.is_set():
                    raise LocalError(
                        f"Exit worker {worker.number} did not start. What it printed says why."
                    )
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    def restart_soon(self) -> None:
        """Restart in the background, one after the other; does nothing while that is going on."""
        if not self._restarting.locked():
            self._tasks.spawn(self.restart(), "restart")

    async def restart(self) -> None:
        """End and start each worker; the next one only when the last one serves again."""
        async with self._restarting:
            for worker in self._workers:
                _log.info("worker %d is being restarted", worker.number)
                worker.ready.clear()
                await worker.end(self._grace_s)
                async with asyncio.timeout(READY_S):
                    await worker.ready.wait()

    async def _stop(self) -> None:
        """End all at once. Cancelling kills those that are left."""
        for worker in self._workers:
            worker.wanted = False
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.end(self._grace_s), name="workers/end")
        finally:
            for worker in self._workers:
                worker.kill()
            await self._tasks.close()


class _Worker:
    """One worker, through all its processes."""

    def __init__(self, number: int, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.number = number
        self.ready = asyncio.Event()
        self.wanted = True
        self.process: Process | None = None
        self._has_served = False
        self._command = command
        self._environment = environment

    async def keep(self) -> None:
        """Run it again and again. Ends when it is not wanted, or when its first start fails."""
        loop = asyncio.get_running_loop()
        pause_s = AGAIN_S[0]
        while self.wanted:
            began_s = loop.time()
            await self._run()
            if not self._has_served:
                return
            self.ready.clear()
            if loop.time() - began_s > _STEADY_S:
                pause_s = AGAIN_S[0]
            if self.wanted:
                await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_S[1])

    async def end(self, grace_s: float) -> None:
        """Ask the process to end, kill it after `grace_s`, and wait until it is gone."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End the process at once. Idempotent."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def _run(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, env=self._environment
        )
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if line.decode(errors="replace").strip() == READY:
                self._has_served = True
                self.ready.set()
        code = await self.process.wait()
        if self.wanted and code:
            _log.warning("worker %d ended with %d", self.number, code)


async def orphaned() -> None:
    """In a worker: wait until standard input ends, because whoever started it is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        await reader.read()
    finally:
        transport.close()
