"""Notices that a relay is gone, where nothing else says so.

A browser that is killed closes nothing: no packet says that its end is over, and a PeerConnection
calls itself failed after some 15 seconds. But the relay of a media link sends a frame every second,
even when there is nothing to send. After two seconds without anything the session asks for a sign
of life by PING, because a hidden page may make no frames. After four the link is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

ASK_S = 2.0
"""Time without anything heard after which the relay counts as silent."""
OVER_S = 4.0
"""Time without anything heard after which the link is over."""


class Silence:
    """Watches one relay, from the first thing heard of it until `close`."""

    def __init__(
        self, heard_at: Callable[[], float], changed: Callable[[], None], over: Callable[[], None]
    ) -> None:
        """`heard_at` returns when something came last, in seconds of `time.monotonic`.

        `changed` is called when `is_silent` has become true, and `over` once, after `OVER_S`.
        """
        self._heard_at = heard_at
        self._changed = changed
        self._over = over
        self._since = time.monotonic()
        self._asked_at = 0.0
        """When something had come last, of the silence that `changed` told of."""
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(ASK_S, self._look)

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard for so long that the relay is to be asked."""
        return self._quiet_s() >= ASK_S

    def close(self) -> None:
        """Watch no more. Idempotent."""
        self._timer.cancel()

    def _quiet_s(self) -> float:
        heard_at = self._heard_at()
        # A relay that waits for its exit has sent nothing yet.
        return time.monotonic() - heard_at if heard_at > self._since else 0.0

    def _look(self) -> None:
        quiet_s = self._quiet_s()
        if quiet_s >= OVER_S:
            self._over()
            return
        is_silent = quiet_s >= ASK_S
        self._timer = self._loop.call_later((OVER_S if is_silent else ASK_S) - quiet_s, self._look)
        heard_at = self._heard_at()
        if is_silent and heard_at != self._asked_at:
            self._asked_at = heard_at
            self._changed()
