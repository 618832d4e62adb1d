"""Decide which volunteers are asked to take a client's offers.

A volunteer has slots; being asked reserves one until the offer is settled. Whoever waited
longest is asked first. One that left an offer unanswered rests for a while: it is asked only when
nobody else is there. Every operation takes constant time, however many volunteers wait.
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Container
from dataclasses import dataclass

REST_S = 30.0
"""Rest after an unanswered offer: a page that was suspended or lost its network."""


class Outcome(enum.Enum):
    """How an offer ended."""

    ANSWERED = "answered"
    """The slot is in use until the volunteer says otherwise."""
    BUSY = "busy"
    """It has no slot left, whatever it said before."""
    DECLINED = "declined"
    SILENT = "silent"
    """No answer in time."""
    WITHDRAWN = "withdrawn"
    """The client or the broker no longer wanted it: says nothing about the volunteer."""


@dataclass(frozen=True, slots=True)
class Seeker:
    """What is known of a client that asks for a volunteer."""


@dataclass(slots=True)
class _Entry:
    free: int
    """Slots the volunteer declared, less those it has answered with since."""
    reserved: int = 0
    resting_until: float = 0.0

    @property
    def available(self) -> bool:
        return self.free > self.reserved


class Pool:
    """Volunteers known to one broker, each by an opaque handle.

    `now` is monotonic seconds and never decreases. Handles that are not in the pool are ignored:
    an offer may be settled after its volunteer has left.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        # OrderedDict, not dict: a dict walks over all entries ever taken from its front.
        self._waiting: OrderedDict[bytes, None] = OrderedDict()
        self._resting: OrderedDict[bytes, None] = OrderedDict()
        self._rests: deque[tuple[float, bytes]] = deque()

    def __len__(self) -> int:
        """Return how many volunteers are in the pool, free or not."""
        return len(self._entries)

    def __contains__(self, volunteer: bytes) -> bool:
        return volunteer in self._entries

    @property
    def available(self) -> int:
        """How many volunteers have a free slot."""
        return len(self._waiting) + len(self._resting)

    def add(self, volunteer: bytes, free: int, now: float) -> None:
        """Take in a new `volunteer` with `free` slots. Raises ValueError if it is here already."""
        if volunteer in self._entries:
            raise ValueError("this volunteer is in the pool already")
        self._entries[volunteer] = entry = _Entry(free)
        self._place(volunteer, entry, now)

    def remove(self, volunteer: bytes) -> None:
        """Forget `volunteer`."""
        self._entries.pop(volunteer, None)
        self._waiting.pop(volunteer, None)
        self._resting.pop(volunteer, None)

    def set_free(self, volunteer: bytes, free: int, now: float) -> None:
        """Note how many slots `volunteer` says it has. A word from it ends its rest."""
        entry = self._entries.get(volunteer)
        if entry is None:
            return
        entry.free = free
        entry.resting_until = 0.0
        self._place(volunteer, entry, now)

    def pick(
        self, _seeker: Seeker, avoid: Container[bytes], now: float, *, only: bytes | None = None
    ) -> bytes | None:
        """Return a volunteer that is not in `avoid`, and reserve a slot of it.

        With `only`, that one or none. Whoever is returned must be settled.
        """
        self._wake(now)
        picked = next(
            (
                volunteer
                for queue in (self._waiting, self._resting)
                for volunteer in queue
                if volunteer not in avoid and only in (None, volunteer)
            ),
            None,
        )
        if picked is not None:
            entry = self._entries[picked]
            entry.reserved += 1
            self._place(picked, entry, now, last=True)
        return picked

    def settle(self, volunteer: bytes, outcome: Outcome, now: float) -> None:
        """End one reservation of `volunteer`."""
        entry = self._entries.get(volunteer)
        if entry is None:
            return
        entry.reserved -= 1
        if outcome is Outcome.ANSWERED:
            entry.free = max(0, entry.free - 1)
            entry.resting_until = 0.0
        elif outcome is Outcome.BUSY:
            entry.free = 0
        elif outcome is Outcome.SILENT:
            entry.resting_until = now + REST_S
            self._rests.append((entry.resting_until, volunteer))
        self._place(volunteer, entry, now)

    def _place(self, volunteer: bytes, entry: _Entry, now: float, *, last: bool = False) -> None:
        """Put `volunteer` into the queue it belongs to; it keeps its place there unless `last`."""
        resting = entry.resting_until > now
        queue, other = (self._resting, self._waiting) if resting else (self._waiting, self._resting)
        other.pop(volunteer, None)
        if not entry.available:
            queue.pop(volunteer, None)
            return
        queue.setdefault(volunteer)
        if last:
            queue.move_to_end(volunteer)

    def _wake(self, now: float) -> None:
        while self._rests and self._rests[0][0] <= now:
            _, volunteer = self._rests.popleft()
            entry = self._entries.get(volunteer)
            if entry is not None:
                self._place(volunteer, entry, now)
