"""Worker processes: start them, restart those that die, and restart all one after the other."""

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
"""The line that a worker prints to its standard output when it is ready to serve."""
FINISH_SIGNAL: Final = signal.SIGUSR1
"""What asks a worker to serve on and to print `FINISHED` as soon as nothing moves any more."""
FINISHED: Final = "finished"
"""The line that a worker prints when it may be ended without cutting anything off."""
READY_TIMEOUT_S: Final = 30.0
"""How long a worker may take from its start until it prints `READY`."""
WORKER_SLACK_S: Final = 10.0
"""How much longer than its drain time a worker may take to end before it is killed."""
PIPES_S: Final = 1.0
"""How long a worker's pipes may outlive it: a process that it started may hold them."""
RESTART_PAUSES_S: Final = (0.2, 10.0)
"""The first and the longest pause before a worker that died is started again."""
_STABLE_S: Final = 60.0
"""After a run of this length, the next restart's pause is the first one again."""

_log = logging.getLogger(__name__)


class Workers:
    """A fixed number of worker processes that run during an `async with`.

    A worker serves once it has printed `READY`. It must end in good order at SIGTERM, and also when
    its standard input closes, which means that this process is gone. It answers `FINISH_SIGNAL`
    with the line `FINISHED`. Workers are numbered from 1.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        count: int,
        *,
        grace_s: float,
        environment: Mapping[str, str] | None = None,
        name: str = "Exit worker",
    ) -> None:
        """`command` returns the command line of the worker with a given number.

        `name` is what a person is told of that did not start.

        After SIGTERM a worker has `grace_s` to end; then it is killed. Workers have this process's
        environment with `environment` on top: secrets belong there, because every user of a machine
        can read every command line.
        """
        self._name = name
        self._grace_s = grace_s
        whole = {**os.environ, **(environment or {})}
        self._workers = [_Worker(number, command(number), whole) for number in range(1, count + 1)]
        self._tasks = TaskSet("workers")
        self._restarting = asyncio.Lock()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that run, in the order of the workers' numbers."""
        running = (each.process for each in self._workers)
        return tuple(each.pid for each in running if each and each.returncode is None)

    async def __aenter__(self) -> Self:
        """Start all workers one by one, each when the one before serves.

        Raises LocalError, and ends those that were started, when one does not serve within
        `READY_TIMEOUT_S`.
        """
        try:
            for worker in self._workers:
                running = self._tasks.start(worker.keep_running(), f"worker {worker.number}")
                waiting = self._tasks.start(worker.ready.wait(), "ready")
                await asyncio.wait(
                    (running, waiting), timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not worker.ready.is_set():
                    raise LocalError(
                        f"{self._name} {worker.number} did not start. What it printed says why."
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

    async def finish(self) -> None:
        """Let all workers serve on until each has said `FINISHED`; wait `grace_s` at most.

        None ends before the others are as far, so that clients have somewhere to go until the end.
        """
        for worker in self._workers:
            worker.ask_to_finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                for worker in self._workers:
                    await worker.finished.wait()

    def restart_soon(self) -> None:
        """Begin `restart` in the background, unless a restart is under way."""
        if not self._restarting.locked():
            self._tasks.spawn(self.restart(), "restart")

    async def restart(self) -> None:
        """End each worker and start it again, one at a time.

        A worker is ended only when the one before serves again. Raises TimeoutError when a worker
        does not serve within `READY_TIMEOUT_S`. Cancelling leaves the remaining workers as they
        are.
        """
        async with self._restarting:
            for worker in self._workers:
                _log.info("worker %d is being restarted", worker.number)
                worker.ready.clear()
                await worker.end(self._grace_s)
                async with asyncio.timeout(READY_TIMEOUT_S):
                    await worker.ready.wait()

    async def _stop(self) -> None:
        """End all workers at the same time. Cancelling kills those that still run."""
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.close(self._grace_s), name="workers/close")
        finally:
            for worker in self._workers:
                worker.kill()
            await self._tasks.close()


class _Worker:
    """One worker, which is a new process after each restart."""

    def __init__(self, number: int, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.number = number
        self.ready = asyncio.Event()
        self.finished = asyncio.Event()
        """Set when the worker has said that nothing moves, or has ended."""
        self.wanted = True
        self.process: Process | None = None
        self._over = asyncio.Event()
        """Set while no process runs or is being started; all that the last one said is read."""
        self._over.set()
        self._has_served = False
        self._command = command
        self._environment = environment

    async def keep_running(self) -> None:
        """Run the process, and start it again whenever it ends.

        Returns when the worker is no longer wanted, or when it ends before it ever served.
        """
        loop = asyncio.get_running_loop()
        pause_s = RESTART_PAUSES_S[0]
        while self.wanted:
            began_s = loop.time()
            await self._run()
            if not self._has_served:
                return
            self.ready.clear()
            if loop.time() - began_s > _STABLE_S:
                pause_s = RESTART_PAUSES_S[0]
            if self.wanted:
                await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RESTART_PAUSES_S[1])

    def ask_to_finish(self) -> None:
        """Send `FINISH_SIGNAL`; `finished` is set as soon as the worker has answered or ended."""
        process = self.process
        if process is None or process.returncode is not None or not self.ready.is_set():
            self.finished.set()
            return
        self.finished.clear()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(FINISH_SIGNAL)

    async def end(self, grace_s: float) -> None:
        """Send SIGTERM, kill the process after `grace_s`, and wait until it has ended."""
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

    async def close(self, grace_s: float) -> None:
        """End the process as `end` does, also one that is being started, and start none again."""
        self.wanted = False
        await self.end(grace_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PIPES_S):
                await self._over.wait()

    def kill(self) -> None:
        """Kill the process. Idempotent."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def _run(self) -> None:
        self._over.clear()
        self.process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, env=self._environment
        )
        if not self.wanted:
            self.kill()
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            said = line.decode(errors="replace").strip()
            if said == READY:
                self._has_served = True
                self.ready.set()
            elif said == FINISHED:
                self.finished.set()
        code = await self.process.wait()
        self.finished.set()
        self._over.set()
        if self.wanted and code:
            _log.warning("worker %d ended with %d", self.number, code)


async def orphaned() -> None:
    """Wait, in a worker, until standard input closes: the process that started it is then gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        await reader.read()
    finally:
        transport.close()
