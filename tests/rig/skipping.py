"""An event loop whose clock skips the time in which nothing happens."""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVarTuple

REAL_S: Final = 0.02
"""How long the loop really waits before it skips: what is on its way on this machine arrives."""
Given = TypeVarTuple("Given")
_watched: contextvars.ContextVar[bool] = contextvars.ContextVar("watched", default=False)


class _SkippingSelector(selectors.DefaultSelector):
    """Waits for files hardly at all, and counts what it did not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.is_skipping = False
        self.skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """See `selectors.BaseSelector.select`."""
        if not self.is_skipping or timeout is None or timeout <= REAL_S:
            return super().select(timeout)
        ready = super().select(REAL_S)
        if not ready:
            self.skipped_s += timeout - REAL_S
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """Real sockets and files with a clock that runs ahead whenever all of them are quiet."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)
        self.waits_s: Counter[int] = Counter()
        """How many timers of the watched code went off while time was skipped, by the whole seconds
        that they waited."""

    def time(self) -> float:
        """Return the skipping clock, in seconds."""
        return super().time() + self._skipping.skipped_s

    def call_at(
        self,
        when: float,
        callback: Callable[[*Given], object],
        *args: *Given,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.loop.call_at`."""
        if not _watched.get():
            return super().call_at(when, callback, *args, context=context)
        wait_s = when - self.time()

        def noted(*args: *Given) -> None:
            if self._skipping.is_skipping:
                self.waits_s[round(wait_s)] += 1
            callback(*args)

        return super().call_at(when, noted, *args, context=context)

    @contextmanager
    def skipping(self) -> Iterator[None]:
        """Skip the time in which nothing happens."""
        self._skipping.is_skipping = True
        try:
            yield
        finally:
            self._skipping.is_skipping = False


@contextmanager
def watched() -> Iterator[None]:
    """Have the timers noted of all tasks that begin inside."""
    token = _watched.set(True)
    try:
        yield
    finally:
        _watched.reset(token)
