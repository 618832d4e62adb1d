"""Background tasks. No other module calls `asyncio.create_task`.

The event loop keeps no strong reference to its tasks, so a task that nobody holds may vanish. A
`TaskSet` holds its tasks, logs the failure of each one once, and cancels all of them when it
closes.
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
    """The background tasks of one owner. Close the set, or use it as an async context manager."""

    def __init__(self, owner: str, *, limit: int | None = None) -> None:
        """The name of every task begins with `owner`; at most `limit` tasks run at once."""
        self._owner = owner
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Return how many tasks are running."""
        return len(self._tasks)

    @property
    def closed(self) -> bool:
        """Whether the set takes no more tasks. A timer that outlived it asks before `spawn`."""
        return self._closed

    @property
    def full(self) -> bool:
        """Whether as many tasks run as may. Ask before `spawn` where a peer decides how many."""
        return self._limit is not None and len(self._tasks) >= self._limit

    def spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        """Run `work` in the background, as a task called `owner/name`.

        A failure of the task is logged once. Raises RuntimeError, and does not run `work`, when the
        set is closed or full. Use `start` to get the task.
        """
        self.start(work, name)  # type: ignore[unused-awaitable]

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` as `spawn` does, and return the task, so that it can be awaited or cancelled.

        Raises RuntimeError as `spawn` does.
        """
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

        A task of the set may call this: it is not cancelled and ends by itself. Cancelling this
        call stops the wait; the tasks are cancelled all the same.
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
    """Return the result of `work`, or None when `until` ends first.

    The one that is late is cancelled, and its end is awaited. A failure of the first to end is
    raised. Cancelling this call cancels both.
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
        for task in (main, other):
            # Read the outcome of both. If both end in the same turn of the loop, or if this call is
            # cancelled, one failure would go unread and asyncio would complain about it.
            task.add_done_callback(_read_outcome)
        if late:
            # Being cancelled while waiting leaves the late one to its cleaning up: cancelling it a
            # second time would break that off.
            await asyncio.wait(late)


def _read_outcome(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def describe(error: BaseException) -> str:
    """Return what may be logged about `error`: its type and its traceback.

    The message is included only for this project's own errors. The messages of others may quote
    addresses (the operating system's errors do) or input (a parser's do).
    """
    message = f": {error}" if isinstance(error, PasserelleError) else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}{message}\n{frames}".rstrip()


class AllFailed(PasserelleError):
    """None of the attempts succeeded. `errors` has their failures, in the order they ended."""

    def __init__(self, errors: tuple[PasserelleError, ...]) -> None:
        super().__init__(errors)
        self.errors = errors


async def staggered(attempts: Iterable[tuple[Coroutine[Any, Any, T], float]]) -> T:
    """Return the result of the first attempt that succeeds, and cancel the others.

    Each attempt comes with a delay in seconds. If no attempt has ended when the delay is over, the
    next one starts beside those that run; when an attempt fails, the next one starts at once. An
    attempt fails by raising a PasserelleError; any other error is raised from here. Raises
    AllFailed when every attempt has failed. Cancelling this call cancels all attempts.
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
