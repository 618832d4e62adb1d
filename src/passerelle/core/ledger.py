"""What a stranger's sessions cost the process that serves them, and when that is too much.

A stranger is charged for what is done, not for what is announced:

- An *idle* frame of HTTP/2 moves nothing, or next to nothing. A far side may send a burst of them,
  and then so many a second. More is a flood, which ends the session. Every frame counts, also one
  that HTTP/2 answers or drops by itself, because the frames are counted before HTTP/2 sees them.
- *Work* is processor time. Bytes that arrive or leave pay for it at a fixed price. What they do not
  pay for comes out of an allowance, and without allowance nothing is read until it has grown again.
  So frames that are small, which honest ones may be too, cost their sender speed and nothing else.

A client has a ledger for its exit. An exit has one for each ticket, so that a new session brings no
fresh allowance.
"""

from __future__ import annotations

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.errors import LinkCode, PeerError

WORK_SHARE = 0.1
"""Share of a core that work may take which no bytes pay for."""
WORK_BURST_S = 0.25
"""Work that no bytes pay for and that may be done at once: a page of a hundred connections."""
WORK_S_PER_BYTE = 50e-9
"""Work that a byte pays for: three times what one costs that comes in a full message, and as much
as one costs that comes in a DATA frame of a kilobyte."""
REFUSAL_FRAMES = 2
"""Idle frames that a refused stream counts as: its request, and the answer."""


class Ledger:
    """What a stranger has cost. Times are monotonic seconds."""

    __slots__ = ("_idle", "_work")

    def __init__(self, now: float = 0.0) -> None:
        self._idle = Bucket(limits.IDLE_FRAMES_PER_S, limits.IDLE_FRAMES_BURST, now)
        self._work = Bucket(WORK_SHARE, WORK_BURST_S, now)

    def charge_idle(self, frames: float, now: float) -> None:
        """Charge idle frames. Raises PeerError(LIMIT) when they are a flood."""
        if frames > 0 and not self._idle.take(now, frames):
            raise PeerError(LinkCode.LIMIT, "too many HTTP/2 frames that move nothing")

    def charge_work(self, work_s: float, moved_bytes: int, now: float) -> None:
        """Charge `work_s` of processor time, in which `moved_bytes` arrived or left."""
        unpaid_s = work_s - moved_bytes * WORK_S_PER_BYTE
        if unpaid_s > 0:
            self._work.spend(unpaid_s, now)

    def pause_s(self, now: float) -> float:
        """Return for how many seconds nothing more is to be read; 0 for none."""
        return self._work.spend(0, now)
