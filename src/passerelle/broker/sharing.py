"""Brokers of one network share their volunteers, and hear from exits, over a bus.

A broker that has nobody for an offer asks another one, which has: it listens on the bus for clients
of those NAT classes only that its free volunteers can reach. So nothing is replicated, and a broker
that dies takes with it what was in its hands, and nothing else; its volunteers go to another.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Final

from passerelle import limits
from passerelle.broker.exits import Exits
from passerelle.broker.placement import Placement, Wish
from passerelle.broker.volunteers import Volunteers
from passerelle.core.matching.best import Origin, Seeker
from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.core.nat.classifier import NatClass, chance
from passerelle.errors import LinkCode, LocalError, PeerError
from passerelle.io.server.bus import Bus, LocalBus, Subscription
from passerelle.io.tasks import TaskSet
from passerelle.wire import bus
from passerelle.wire.bus import Subjects
from passerelle.wire.rendezvous import Answer, Miss

_GROUP = "brokers"
_TRIES = 2
"""Brokers asked for one offer, one after the other."""
_LOOK_S: Final = 0.25
"""How often the subscriptions follow what volunteers there are."""
COUNT_S: Final = 2.0
"""How often a broker tells how many volunteers it has."""
FRESH_S: Final = 10.0
_LEAST_LEFT_S = 0.05
_ANSWER_SHARE = 0.9
"""Of the time left, what the other broker gets: the rest is for the way back."""
_CLEAN = (LinkCode.NORMAL, LinkCode.DRAINING)
_BROKEN = (LinkCode.MALFORMED, LinkCode.IDENTITY)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is there, over all brokers and exits that are heard of; exact numbers."""

    people: int
    """Sessions at the exits."""
    volunteers: int
    available: int
    countries: Counter[str]
    """Volunteers by country; those whose country is unknown are in none."""


class Sharing:
    """The `Placer` of a broker that has others beside it."""

    def __init__(
        self, subjects: Subjects, placement: Placement, volunteers: Volunteers, exits: Exits
    ) -> None:
        """Alone until `start`."""
        self._bus: Bus = LocalBus()
        self._subjects = subjects
        self._placement = placement
        self._volunteers = volunteers
        self._exits = exits
        self._name = secrets.token_hex(8)
        self._listening: dict[NatClass, Subscription] = {}
        self._always: list[Subscription] = []
        self._counts: OrderedDict[str, tuple[bus.BrokerCount, float]] = OrderedDict()
        self._tasks = TaskSet("sharing")

    async def start(self, channel: Bus) -> None:
        """Join the others. Raises LocalError when the bus is away."""
        self._bus = channel
        subjects = self._subjects
        for subject, handler in (
            (subjects.complaint, self._hear_complaint),
            (subjects.link, self._hear_link),
            (subjects.exit, self._hear_exit),
            (subjects.broker, self._hear_broker),
        ):
            self._always.append(await self._bus.subscribe(subject, handler))
        self._tasks.spawn(self._follow(), "follow")
        self._tasks.spawn(self._tell(), "tell")

    async def close(self) -> None:
        """Leave the others. Idempotent."""
        await self._tasks.close()
        for subscription in (*self._listening.values(), *self._always):
            await subscription.end()
        self._listening.clear()
        self._always.clear()

    def crowd(self) -> Crowd:
        """Count who is there."""
        now = _now()
        counts = [count for count, heard_at in self._counts.values() if now - heard_at < FRESH_S]
        counts = [count for count in counts if count.broker != self._name]
        counts.append(self._count())
        countries: Counter[str] = Counter()
        for count in counts:
            countries.update(count.countries)
        return Crowd(
            people=self._exits.sessions(now),
            volunteers=sum(count.volunteers for count in counts),
            available=sum(count.available for count in counts),
            countries=countries,
        )

    @property
    def waiting(self) -> int:
        """See `Placer.waiting`: those of this broker."""
        return self._placement.waiting

    # --- Placer ---------------------------------------------------------------------------------

    async def place(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        """See `Placer.place`: a volunteer of ours, else of another broker."""
        result = await self._placement.place(wish, asked, deadline)
        if result is Miss.NO_VOLUNTEER and wish.only is None:
            return await self._ask_others(wish, asked, deadline)
        return result

    async def wait(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        """See `Placer.wait`: for a volunteer of ours; then the others are asked once more."""
        result = await self._placement.wait(wish, asked, deadline)
        if result is Miss.NO_VOLUNTEER and wish.only is None:
            return await self._ask_others(wish, asked, deadline)
        return result

    def complain(self, seeker: Seeker, volunteer: bytes) -> None:
        """Note that a client found no way through `volunteer`, whosever it is."""
        self._placement.complain(seeker, volunteer)
        message = bus.Complaint(_who(seeker), volunteer)
        self._bus.publish(self._subjects.complaint, bus.encode(message))

    async def _ask_others(self, wish: Wish, asked: set[bytes], deadline: float) -> Answer | Miss:
        subject = self._subjects.place(wish.seeker.nat)
        for _ in range(_TRIES):
            left_s = deadline - _now()
            if left_s < _LEAST_LEFT_S:
                break
            message = bus.PlaceOffer(
                exit_id=wish.exit_id,
                offer=wish.offer,
                who=_who(wish.seeker),
                lanes=wish.lanes,
                avoid=tuple(asked)[: limits.BUS_AVOIDED],
                left_s=left_s * _ANSWER_SHARE,
            )
            answered = await self._bus.request(subject, bus.encode(message), timeout_s=left_s)
            if answered is None:
                break
            try:
                result = bus.decode(answered, bus.OfferPlaced).result
            except PeerError as error:
                _log.warning("another broker answered with garbage: %s", error)
                break
            if isinstance(result, Answer):
                asked.add(result.volunteer)
            if result is not Miss.NO_VOLUNTEER:
                return result
        return Miss.NO_VOLUNTEER

    # --- what the others say --------------------------------------------------------------------

    async def _hear_place(self, message: bytes) -> bytes:
        place = bus.decode(message, bus.PlaceOffer)
        wish = Wish(
            exit_id=place.exit_id, offer=place.offer, seeker=_seeker(place.who), lanes=place.lanes
        )
        result = await self._placement.place(wish, set(place.avoid), _now() + place.left_s)
        return bus.encode(bus.OfferPlaced(result))

    async def _hear_complaint(self, message: bytes) -> None:
        complaint = bus.decode(message, bus.Complaint)
        # Our own comes back to us, too: a second word of the same client changes nothing.
        self._volunteers.complain(_seeker(complaint.who), complaint.volunteer)

    async def _hear_link(self, message: bytes) -> None:
        outcome = bus.decode(message, bus.LinkOutcome)
        self._placement.report(outcome.ticket_id, judge(outcome))

    async def _hear_exit(self, message: bytes) -> None:
        self._exits.hear(bus.decode(message, bus.ExitLoad), _now())

    async def _hear_broker(self, message: bytes) -> None:
        count = bus.decode(message, bus.BrokerCount)
        self._counts[count.broker] = (count, _now())
        self._counts.move_to_end(count.broker)
        if len(self._counts) > limits.BUS_BROKERS:
            self._counts.popitem(last=False)

    # --- what we say ----------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Listen for clients that our free volunteers can reach, and no others."""
        while True:
            there = self._volunteers.classes
            for nat in NatClass:
                wanted = any(chance(nat, volunteer) > 0 for volunteer in there)
                try:
                    await self._listen(nat, wanted=wanted and not self._volunteers.closing)
                except LocalError:
                    break  # the bus is away
            await asyncio.sleep(_LOOK_S)

    async def _listen(self, nat: NatClass, *, wanted: bool) -> None:
        if wanted and nat not in self._listening:
            self._listening[nat] = await self._bus.subscribe(
                self._subjects.place(nat), self._hear_place, group=_GROUP
            )
        elif not wanted and nat in self._listening:
            await self._listening.pop(nat).end()

    async def _tell(self) -> None:
        while True:
            self._bus.publish(self._subjects.broker, bus.encode(self._count()))
            await asyncio.sleep(COUNT_S)

    def _count(self) -> bus.BrokerCount:
        return bus.BrokerCount(
            self._name,
            len(self._volunteers),
            self._volunteers.available,
            dict(self._volunteers.countries),
        )


def judge(outcome: bus.LinkOutcome) -> LinkExperience:
    """Return what an exit's word about a link says of its volunteer."""
    if not outcome.joined:
        ending = LinkEnding.UNUSED
    elif outcome.reason in _CLEAN:
        ending = LinkEnding.CLEAN
    elif outcome.reason in _BROKEN:
        ending = LinkEnding.BROKEN
    else:
        ending = LinkEnding.LOST
    return LinkExperience(
        ending=ending,
        duration_s=outcome.duration_s,
        bytes=outcome.received_bytes + outcome.sent_bytes,
        rate_bytes_s=outcome.rate_bytes_s,
    )


def _who(seeker: Seeker) -> bus.BusSeeker:
    origin = seeker.origin
    return bus.BusSeeker(
        nat=seeker.nat,
        site=origin.site,
        country=origin.country,
        asn=origin.asn,
        key=seeker.key,
        most=seeker.most,
        crowd=seeker.crowd,
    )


def _seeker(who: bus.BusSeeker) -> Seeker:
    return Seeker(
        nat=who.nat,
        origin=Origin(site=who.site, country=who.country, asn=who.asn),
        key=who.key,
        most=who.most,
        crowd=who.crowd,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
