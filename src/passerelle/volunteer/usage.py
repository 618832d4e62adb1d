"""What a volunteer has given today, this month and in all, and whether its bounds leave room.

It is pure: the date is an argument. A clock that goes back takes no count away, and one that then
returns to the day it left takes none away either, so that a day's bytes are not given twice: a
computer without a battery for its clock does both at each start. Any other later date begins a new
day or month.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from passerelle import limits

Count = Annotated[int, Meta(ge=0, le=1 << 60)]
UNKNOWN = "??"
"""Stands for a country that is not known."""


class Usage(msgspec.Struct):
    """Counts, as they are stored."""

    day: str = ""
    """The date of `day_bytes` and `flows`, as YYYY-MM-DD."""
    left: str = ""
    """The date that a clock left when it went back; empty if it did not."""
    day_bytes: Count = 0
    month_bytes: Count = 0
    total_bytes: Count = 0
    helped: Count = 0
    """People helped so far. Somebody who comes back counts again."""
    failed: Count = 0
    """Links that came to nothing."""
    flows: Annotated[dict[str, Count], Meta(max_length=limits.VOLUNTEER_COUNTRIES)] = {}
    """New links of the day by the client's country."""

    def turn(self, today: date) -> None:
        """Begin a new day or month where `today` is a later one."""
        text = today.isoformat()
        if text < self.day:
            # What was left first is later than what is left on the way to an even earlier day.
            self.left = self.left or self.day
        elif text > self.day:
            if text != self.left:
                self.day_bytes = 0
                self.flows = {}
            if text[:7] not in (self.day[:7], self.left[:7]):
                self.month_bytes = 0
            if text >= self.left:
                self.left = ""
        self.day = text

    def carry(self, size: int) -> None:
        """Count bytes that passed."""
        self.day_bytes += size
        self.month_bytes += size
        self.total_bytes += size

    def flow(self, country: str | None) -> None:
        """Count one more link with a client in `country`."""
        name = country or UNKNOWN
        if name in self.flows or len(self.flows) < limits.VOLUNTEER_COUNTRIES:
            self.flows[name] = self.flows.get(name, 0) + 1

    def flows_of(self, country: str | None) -> int:
        """Return how many links there were today with clients in `country`."""
        return self.flows.get(country or UNKNOWN, 0)
