"""Background tasks: the only place that calls `asyncio.create_task`.

A `TaskSet` holds its tasks by reference (the loop does not), logs the failure of each once, and
ends them all when it closes.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from passerelle.errors import PasserelleError

T = TypeVar("T")

_log = logging.getLogger(__name__)


class TaskSet:
    """Named background tasks of one owner. Close it, or use it as an async context manager."""

    def __init__(self, owner: str, *, limit: int | None = None) -> None:
        """`owner` starts the name of every task; at most `limit` tasks run at once."""
        self._owner = owner
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Return how many tasks are running."""
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether `spawn` would refuse: ask first where a peer decides how many there are."""
        return self._limit is not None and len(self._tasks) >= self._limit

    def spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        """Run `work` in the background as `owner/name`, and forget it: `start` gives the task.

        If it fails, that is logged once. Raises RuntimeError, and does not run `work`, when the
        set is closed or full.
        """
        self.start(work, name)  # type: ignore[unused-awaitable]

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Do as `spawn` does, and return the task, to be awaited or cancelled."""
        if self._closed or self.full:
            work.close()
            state = "closed" if self._closed else "full"
            raise RuntimeError(f"no task {name!r}: the tasks of {self._owner} are {state}")
        task = asyncio.create_task(work, name=f"{self._owner}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel all tasks and wait until they have ended. Idempotent.

        A task of the set may call this: it is left to end by itself. Cancelling leaves the tasks
        cancelled and not waited for.
        """
        self._closed = True
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task %s failed: %s", task.get_name(), describe(error))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def race(work: Coroutine[Any, Any, T], *, until: Coroutine[Any, Any, object]) -> T | None:
    """Return what `work` returns, or None when `until` ends first.

    Whichever is late is cancelled and waited for. A failure of either is raised. Cancelling
    cancels both.
    """
    main = asyncio.create_task(work, name="race/work")
    other = asyncio.create_task(until, name="race/until")
    try:
        await asyncio.wait((main, other), return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            return main.result()
        other.result()
        return None
    finally:
        late = [task for task in (main, other) if not task.done()]
        for task in late:
            task.cancel()
        for task in {main, other} - set(late):
            # Of two that end in the same turn, or as this is cancelled, one is not asked.
            if not task.cancelled():
                task.exception()
        if late:
            await asyncio.gather(*late, return_exceptions=True)


def describe(error: BaseException) -> str:
    """Return what may be logged of `error`: its type and where it was raised.

    The message is left out unless the error is one of ours: the operating system's errors quote
    addresses, a parser's quote its input.
    """
    message = f": {error}" if isinstance(error, PasserelleError) else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}{message}\n{frames}".rstrip()


class AllFailed(PasserelleError):
    """None of the attempts succeeded; `errors` says why, in the order they ended."""

    def __init__(self, errors: tuple[PasserelleError, ...]) -> None:
        super().__init__(errors)
        self.errors = errors


async def staggered(attempts: Iterable[tuple[Coroutine[Any, Any, T], float]]) -> T:
    """Return what the first successful attempt returns; the others are cancelled.

    Each attempt comes with a delay in seconds: when nothing has ended by then, the next one is
    started beside it; when one fails, at once. An attempt fails by a PasserelleError; any other
    error is raised. Raises AllFailed. Cancelling cancels all.
    """
    waiting = iter(attempts)
    running: set[asyncio.Task[T]] = set()
    ended: list[asyncio.Task[T]] = []
    errors: list[PasserelleError] = []
    try:
        while True:
            delay_s = None
            if (upcoming := next(waiting, None)) is not None:
                work, delay_s = upcoming
                running.add(asyncio.create_task(work, name="staggered"))
            if not running:
                raise AllFailed(tuple(errors))
            done, _ = await asyncio.wait(
                running, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED
            )
            ended += done
            running -= done
            for task in done:
                try:
                    return await task
                except PasserelleError as error:
                    errors.append(error)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *ended, return_exceptions=True)
        for work, _ in waiting:
            work.close()
