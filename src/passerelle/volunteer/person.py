"""One person who is being helped, with their first link and the lanes beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.volunteer.rate import Rate


class Person:
    """Nothing of a person is kept but this, and only while a link of theirs lives."""

    def __init__(
        self, exit_id: str, country: str | None, addresses: Iterable[str], rate: Rate
    ) -> None:
        """`addresses` are theirs as the broker vetted them; their lanes may name no others."""
        self.exit = exit_id
        self.country = country
        self.addresses = frozenset(addresses)
        self.rate = rate
        self.links = 0
        """Their links now, those that are opening or closing included."""
        self.open = 0
        """Their links that are open on both sides now."""
        self.was_helped = False
        """Whether a link of theirs was ever open."""
        burst, per_s = limits.LANE_REQUESTS
        self._lanes = Bucket(per_s, burst, asyncio.get_running_loop().time())

    def may_ask_for_lane(self) -> bool:
        """Return whether they may ask for one more lane so soon. If so, it is counted."""
        return self._lanes.take(asyncio.get_running_loop().time())
