"""Place an offer on one of this broker's own volunteers.

The one way to a volunteer: a client's request and another broker's go through it alike. An exit's
word about a link finds its volunteer here, by the ticket that the link was opened with.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Protocol

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.broker.mint import Mint
from passerelle.broker.volunteers import Volunteers
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.matching.pool import Pick
from passerelle.core.matching.quality import LinkExperience
from passerelle.wire.description import Description
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import BrokerOffer

_TRIES = 2
"""Volunteers asked for one offer, one after the other."""
_WAKES = 8
"""Waiting offers looked at when a slot becomes free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One link that somebody wants."""

    exit_id: str
    offer: Description
    seeker: ClientProfile
    lanes: int = 0
    """Lane tickets wanted with the answer."""
    only: bytes | None = None
    """Place it on this volunteer or on none."""


class Placer(Protocol):
    """Finds volunteers for wishes."""

    @property
    def waiting(self) -> int:
        """How many offers wait for a volunteer to come."""

    async def place(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        """Ask one volunteer that is not in `asked`, and, if that is in vain, another one.

        Whoever is asked is added to `asked` before anything is awaited, so wishes placed at the
        same time with one set get distinct volunteers. `deadline` is the event loop's time.
        Cancelling withdraws the offer.
        """

    async def wait(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        """Do as `place` does, as soon as a volunteer is there; wait for one only so long that it
        still has time to answer.
        """

    def complain(self, seeker: ClientProfile, volunteer: bytes) -> None:
        """Note that a client found no way through `volunteer`."""


@dataclass(slots=True, eq=False)
class _Waiting:
    wish: Wish
    asked: set[bytes]
    picked: asyncio.Future[Pick]


class Placement:
    """The `Placer` of a broker's own volunteers."""

    def __init__(self, config: BrokerConfig, volunteers: Volunteers, mint: Mint) -> None:
        self._config = config
        self._volunteers = volunteers
        self._mint = mint
        self._waiting: OrderedDict[_Waiting, None] = OrderedDict()
        self._waiting_by_key: Counter[bytes | None] = Counter()
        self._issued: OrderedDict[bytes, Pick] = OrderedDict()
        volunteers.freed = self._serve_waiting

    @property
    def waiting(self) -> int:
        """See `Placer.waiting`."""
        return len(self._waiting)

    async def place(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        """See `Placer.place`."""
        miss = Miss.NO_VOLUNTEER
        for tries_left in reversed(range(_TRIES)):
            if _now() >= deadline:
                break
            pick = self._volunteers.pick(wish.seeker, asked, wish.only)
            if pick is None:
                break
            asked.add(pick.volunteer)
            answer = await self._ask(wish, pick, deadline, last=not tries_left)
            if answer is not None:
                return answer
            miss = Miss.NO_ANSWER
        return miss

    async def wait(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        """See `Placer.wait`. Nothing is waited for when too many wait already."""
        key = wish.seeker.key
        many = self._waiting_by_key[key] >= self._config.waiting_of_network and (
            not wish.seeker.key_is_shared
        )
        if many or len(self._waiting) >= self._config.waiting or self._volunteers.closing:
            return Miss.NO_VOLUNTEER
        picked: asyncio.Future[Pick] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(wish, asked, picked)
        self._waiting[waiting] = None
        self._waiting_by_key[key] += 1
        try:
            async with asyncio.timeout_at(min(deadline, _now() + self._config.wait_s)):
                pick = await picked
        except TimeoutError:
            self._give_back(picked)
            return Miss.NO_VOLUNTEER
        except asyncio.CancelledError:
            self._give_back(picked)
            raise
        finally:
            self._waiting.pop(waiting, None)
            self._waiting_by_key[key] -= 1
            if not self._waiting_by_key[key]:
                del self._waiting_by_key[key]
        return await self._ask(wish, pick, deadline, last=True) or Miss.NO_ANSWER

    def complain(self, seeker: ClientProfile, volunteer: bytes) -> None:
        """See `Placer.complain`."""
        self._volunteers.complain(seeker, volunteer)

    def report(self, ticket_id: bytes, report: LinkExperience) -> None:
        """Note what an exit saw of the link that was opened with a ticket of ours.

        Once for each; one that is not ours, or was forgotten, is ignored.
        """
        pick = self._issued.pop(ticket_id, None)
        if pick is not None:
            self._volunteers.report(pick.volunteer, report, expected=pick.chance)

    async def _ask(self, wish: Wish, pick: Pick, deadline: float, *, last: bool) -> Answer | None:
        # Asked for by name: the answer goes back by hand.
        patient = wish.only is not None
        ticket_id, ticket = self._mint.link(wish.exit_id, patient=patient)
        left_s = deadline - _now()
        description = await self._volunteers.introduce(
            pick,
            BrokerOffer(0, wish.exit_id, ticket, wish.offer, patient, wish.seeker.location.country),
            timeout_s=left_s if last else min(left_s, self._config.patience_s),
        )
        if description is None:
            return None
        self._issued[ticket_id] = pick
        if len(self._issued) > limits.LINKS_REPORTED:
            self._issued.popitem(last=False)
        lanes = self._mint.lanes(wish.exit_id, wish.lanes)
        return Answer(description, pick.volunteer, lanes)

    def _serve_waiting(self) -> None:
        """Let those who wait longest try again; whom it does not suit goes to the end."""
        # A waiting offer that gave up earlier in this turn of the event loop is still listed: its
        # future is cancelled, and its task removes it in the next turn.
        present = (waiting for waiting in self._waiting if not waiting.picked.done())
        for waiting in list(itertools.islice(present, _WAKES)):
            wish = waiting.wish
            pick = self._volunteers.pick(wish.seeker, waiting.asked, wish.only)
            if pick is None:
                self._waiting.move_to_end(waiting)
                continue
            waiting.asked.add(pick.volunteer)
            del self._waiting[waiting]
            waiting.picked.set_result(pick)

    def _give_back(self, picked: asyncio.Future[Pick]) -> None:
        """Put back what was picked for one who had stopped waiting at the same moment."""
        if picked.done() and not picked.cancelled():
            self._volunteers.put_back(picked.result())


def _now() -> float:
    return asyncio.get_running_loop().time()
