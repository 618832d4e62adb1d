"""How much processor time one link may take, so that a hostile volunteer costs its own link only.

All links of a client share one thread. A volunteer's packets are work, and packets can be made that
are small on the wire and dear to handle. So the time that each packet takes is counted for its
link. A link may use half of the time in which the thread would be idle, a small share of the rest,
and what the bytes that it carries are worth. A link that takes more is ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost


class Allowance:
    """The processor time of one link, in seconds of its thread."""

    def __init__(
        self,
        exceeded: Callable[[LinkLost], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        processor: Callable[[], float] = time.thread_time,
    ) -> None:
        """`exceeded` is called once, when the link has taken too much.

        `clock` returns seconds, and `processor` the seconds that this thread has worked.
        """
        self._exceeded = exceeded
        self._clock = clock
        self._processor = processor
        self._left_s = limits.LINK_WORK_S
        self._clock_s = clock()
        self._processor_s = processor()
        self.spent = False
        """Whether the link has taken too much. It stays so."""

    def start(self) -> float:
        """Return the moment at which a piece of work begins, for `charge`."""
        return self._processor()

    def charge(self, start_s: float) -> None:
        """Count the work that began at `start_s` and ends now."""
        processor_s, clock_s = self._processor(), self._clock()
        busy_s = processor_s - self._processor_s
        idle_s = max(0.0, clock_s - self._clock_s - busy_s)
        self._processor_s, self._clock_s = processor_s, clock_s
        gained_s = limits.LINK_WORK_BUSY_SHARE * busy_s + limits.LINK_WORK_IDLE_SHARE * idle_s
        self._left_s = min(limits.LINK_WORK_S, self._left_s + gained_s) - (processor_s - start_s)
        if self._left_s < 0 and not self.spent:
            self.spent = True
            self._exceeded(LinkLost(LinkCode.LIMIT, "the volunteer makes too much work"))

    def earn(self, size: int) -> None:
        """Allow the work that `size` bytes of messages are worth, either way."""
        self._left_s = min(limits.LINK_WORK_S, self._left_s + size * limits.LINK_WORK_S_PER_BYTE)
