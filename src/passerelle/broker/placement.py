"""Place an offer on one of this broker's own volunteers.

The one way to a volunteer: a client's request and another broker's go through it alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from passerelle.broker.config import BrokerConfig
from passerelle.broker.mint import Mint
from passerelle.broker.volunteers import Volunteers
from passerelle.core.matching import Seeker
from passerelle.wire.description import Description
from passerelle.wire.rendezvous import Answer, Miss

_TRIES = 2
"""Volunteers asked for one offer, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One link that somebody wants."""

    exit_id: str
    offer: Description
    seeker: Seeker
    lanes: int = 0
    """Lane tickets wanted with the answer."""
    only: bytes | None = None
    """Place it on this volunteer or on none."""


Place = Callable[[Wish, set[bytes], float], Coroutine[Any, Any, Answer | Miss]]
"""Find a volunteer for a wish: see `Placement.place`."""


class Placement:
    """Asks volunteers, one after the other, until one answers."""

    def __init__(self, config: BrokerConfig, volunteers: Volunteers, mint: Mint) -> None:
        self._config = config
        self._volunteers = volunteers
        self._mint = mint

    async def place(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        """Ask one volunteer that is not in `asked`, and, if that is in vain, another one.

        Whoever is asked is added to `asked` before anything is awaited, so wishes placed at the
        same time with one set get distinct volunteers. `deadline` is the event loop's time.
        Cancelling withdraws the offer.
        """
        miss = Miss.NO_VOLUNTEER
        for tries_left in reversed(range(_TRIES)):
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            volunteer = self._volunteers.pick(wish.seeker, asked, wish.only)
            if volunteer is None:
                break
            asked.add(volunteer.handle)
            _, ticket = self._mint.link(wish.exit_id)
            description = await self._volunteers.introduce(
                volunteer,
                wish.exit_id,
                ticket,
                wish.offer,
                timeout_s=min(left_s, self._config.patience_s) if tries_left else left_s,
            )
            if description is not None:
                lanes = self._mint.lanes(wish.exit_id, wish.lanes)
                return Answer(description, volunteer.handle, lanes)
            miss = Miss.NO_ANSWER
        return miss
