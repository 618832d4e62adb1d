"""The brokers of one network, which share their volunteers and hear from exits over a bus.

A broker that has nobody for an offer asks another one that has: each listens on the bus for clients
of those NAT classes only that its free volunteers can reach. Nothing is replicated, so a broker
that dies takes with it what was in its hands and nothing else; its volunteers go to another.

A member of the bus is a peer. Brokers know each other by their seal (`channel`), an exit by its
signature, and what either says is bounded and judged like a stranger's.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec

from passerelle import serverlimits
from passerelle.broker.brokers import OtherBrokers
from passerelle.broker.channel import BrokerChannel
from passerelle.broker.exits import Exits, link_experience
from passerelle.broker.placement import Placement, VolunteerRequest
from passerelle.broker.volunteers import Volunteers
from passerelle.core.address.candidates import vet
from passerelle.core.matching.peers import ClientProfile, PeerLocation
from passerelle.core.nat.classifier import NatClass, chance
from passerelle.core.origin import UNKNOWN
from passerelle.errors import LinkCode, LocalError, PeerError
from passerelle.io.server.bus import Bus, Subscription
from passerelle.io.server.faultlog import FaultLog
from passerelle.io.tasks import TaskSet
from passerelle.wire import bus, bus_signature
from passerelle.wire.bus import BrokerTotals, Complaint, ExitLoad, LinkOutcome, Subjects
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss

_GROUP = "brokers"
_TRIES: Final = 2
"""Other brokers asked for one offer, one after the other."""
_FOLLOW_S: Final = 0.25
"""How often the subscriptions follow which volunteers there are."""
COUNT_S: Final = 2.0
"""How often a broker tells how many volunteers it has."""
_LEAST_LEFT_S: Final = 0.05
"""No other broker is asked with less time left than this."""
_ANSWER_SHARE: Final = 0.9
"""Share of the time left that the other broker gets; the rest is for the way back."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NetworkTotals:
    """How many people there are, over all brokers and exits that are heard of; exact numbers."""

    people: int
    """Sessions at the exits."""
    volunteers: int
    available: int
    """Volunteers with a free slot."""
    countries: Counter[str]
    """Volunteers by country; those whose country is unknown are left out."""


class BrokerCluster:
    """This broker among the others of its network: places offers here or at another one."""

    def __init__(
        self,
        subjects: Subjects,
        channel: BrokerChannel,
        placement: Placement,
        volunteers: Volunteers,
        exits: Exits,
        *,
        private: bool,
        clock: Callable[[], float],
    ) -> None:
        """Until `start` this broker is alone.

        `private` admits private addresses in the answers of other brokers' volunteers; `clock`
        tells Unix time.
        """
        self._subjects = subjects
        self._channel = channel
        self._placement = placement
        self._volunteers = volunteers
        self._exits = exits
        self._private = private
        self._clock = clock
        self._name = secrets.token_hex(8)
        self._others = OtherBrokers(self._name)
        self._faults = FaultLog(_log)
        self._subscriptions: list[Subscription] = []
        self._subscriptions_by_class: dict[NatClass, Subscription] = {}
        self._subscriptions_by_family: dict[bytes, Subscription] = {}
        """By the family's tag."""
        self._tasks = TaskSet("cluster")

    async def start(self, joined: Bus) -> None:
        """Join the others on a bus. Raises LocalError when the bus is away."""
        channel, subjects = self._channel, self._subjects
        channel.join(joined)
        self._subscriptions += [
            await channel.subscribe(subjects.complaint, Complaint, self._hear_complaint),
            await channel.subscribe(subjects.broker, BrokerTotals, self._hear_broker),
            await joined.subscribe(subjects.link, self._hear_link),
            await joined.subscribe(subjects.exit, self._hear_exit),
        ]
        self._tasks.spawn(self._follow_volunteers(), "follow")
        self._tasks.spawn(self._tell_count(), "tell")

    async def close(self) -> None:
        """Leave the others. Idempotent."""
        await self._tasks.close()
        for subscription in (
            *self._subscriptions_by_class.values(),
            *self._subscriptions_by_family.values(),
            *self._subscriptions,
        ):
            await subscription.end()
        self._subscriptions_by_class.clear()
        self._subscriptions_by_family.clear()
        self._subscriptions.clear()

    def totals(self) -> NetworkTotals:
        """Count who is there."""
        now = _now()
        counts = [*self._others.counts(now), self._count()]
        countries: Counter[str] = Counter()
        for count in counts:
            countries.update(count.countries)
        return NetworkTotals(
            people=self._exits.sessions(now),
            volunteers=sum(count.volunteers for count in counts),
            available=sum(count.available for count in counts),
            countries=countries,
        )

    def others(self) -> int:
        """Return how many other brokers are heard of."""
        return len(self._others.counts(_now()))

    # --- offers of this broker's clients --------------------------------------------------------

    async def place(
        self, request: VolunteerRequest, asked: set[bytes], deadline: float
    ) -> Answer | Miss:
        """Do as `Placement.place` does; when no own volunteer suits, ask other brokers.

        A client that names a family gets one of its volunteers, of whichever broker, and anybody
        else's only where none of them answers.
        """
        if request.client.family is not None:
            result = await self._place(request, asked, deadline)
            if isinstance(result, Answer):
                return msgspec.structs.replace(result, family=True)
        return await self._place(_for_anybody(request), asked, deadline)

    async def _place(
        self, request: VolunteerRequest, asked: set[bytes], deadline: float
    ) -> Answer | Miss:
        result = await self._placement.place(request, asked, deadline)
        if result is Miss.NO_VOLUNTEER and request.only is None:
            return await self._ask_others(request, asked, deadline)
        return result

    async def wait(
        self, request: VolunteerRequest, asked: set[bytes], deadline: float
    ) -> Answer | Miss:
        """Do as `Placement.wait` does; when no own volunteer came, ask other brokers once more.

        They may then give one that failed the client lately, too. A family is not waited for.
        """
        request = _for_anybody(request)
        result = await self._placement.wait(request, asked, deadline)
        if result is Miss.NO_VOLUNTEER and request.only is None:
            return await self._ask_others(replace(request, last_resort=True), asked, deadline)
        return result

    def complain(self, client: ClientProfile, volunteer: bytes) -> None:
        """Note that `client` found no way through `volunteer`, whichever broker it is at."""
        self._volunteers.pool.complain(client, volunteer, _now())
        message = Complaint(self._name, _to_wire(client), volunteer)
        self._channel.publish(self._subjects.complaint, message)

    async def _ask_others(
        self, request: VolunteerRequest, asked: set[bytes], deadline: float
    ) -> Answer | Miss:
        tag = request.client.family
        named = self._subjects
        subject = named.place(request.client.nat) if tag is None else named.family(tag)
        for _ in range(_TRIES):
            left_s = deadline - _now()
            if left_s < _LEAST_LEFT_S:
                break
            message = bus.PlaceOffer(
                exit_id=request.exit_id,
                offer=request.offer,
                who=_to_wire(request.client),
                lanes=request.lanes,
                gateway=request.gateway,
                last_resort=request.last_resort,
                avoid=tuple(asked)[: serverlimits.BUS_AVOIDED],
                left_s=min(left_s * _ANSWER_SHARE, serverlimits.BUS_PLACE_S),
            )
            try:
                answered = await self._channel.request(
                    subject, message, bus.OfferPlaced, timeout_s=left_s
                )
                result = None if answered is None else self._judged(answered.result)
            except PeerError as error:
                self._faults.warn("answer", f"an answer on the bus could not be used: {error}")
                break
            if result is None:
                break
            if isinstance(result, Answer):
                asked.add(result.volunteer)
            if result is not Miss.NO_VOLUNTEER:
                return result
        return Miss.NO_VOLUNTEER

    def _judged(self, result: Answer | Miss) -> Answer | Miss:
        """Return another broker's result as a client may be shown it. Raises PeerError."""
        if isinstance(result, Miss):
            return result
        if result.description.setup is not Setup.ACTIVE:
            raise PeerError(LinkCode.MALFORMED, "an answer in the wrong DTLS role")
        description = vet(result.description, private=self._private)
        return msgspec.structs.replace(result, description=description)

    # --- what other brokers and exits say -------------------------------------------------------

    async def _hear_place(
        self, place: bus.PlaceOffer, family: bytes | None = None
    ) -> bus.OfferPlaced:
        request = VolunteerRequest(
            exit_id=place.exit_id,
            offer=place.offer,
            client=replace(_from_wire(place.who), family=family),
            lanes=place.lanes,
            gateway=place.gateway,
            last_resort=place.last_resort,
        )
        deadline = _now() + place.left_s
        return bus.OfferPlaced(await self._placement.place(request, set(place.avoid), deadline))

    def _hear_complaint(self, complaint: Complaint) -> None:
        # The bus brings this broker's own complaints back, which the pool has heard.
        if self._others.may_complain(complaint.broker, _now()):
            client = _from_wire(complaint.who)
            self._volunteers.pool.complain(client, complaint.volunteer, _now())

    def _hear_broker(self, totals: BrokerTotals) -> None:
        self._others.hear(totals, _now())

    def _hear_link(self, word: bytes) -> None:
        def pins(outcome: LinkOutcome) -> Collection[bytes]:
            awaited = self._placement.exit_of(outcome.ticket_id)
            return self._exits.pins(outcome.exit_id) if awaited == outcome.exit_id else ()

        outcome = bus_signature.read(word, LinkOutcome, self._subjects.link, pins)
        if outcome is not None:
            experience = link_experience(outcome)
            self._placement.report(outcome.ticket_id, outcome.exit_id, experience)

    def _hear_exit(self, word: bytes) -> None:
        def pins(load: ExitLoad) -> Collection[bytes]:
            wanted = self._exits.is_news(load, self._clock())
            return self._exits.pins(load.exit_id) if wanted else ()

        load = bus_signature.read(word, ExitLoad, self._subjects.exit, pins)
        if load is not None:
            self._exits.hear(load, _now())

    # --- what this broker says, and listens for -------------------------------------------------

    async def _follow_volunteers(self) -> None:
        """Listen for clients that the free volunteers here can reach, and for no others."""
        while True:
            here = self._volunteers.pool.classes
            for nat in NatClass:
                reachable = any(chance(nat, volunteer) > 0 for volunteer in here)
                try:
                    await self._listen(nat, wanted=reachable and not self._volunteers.closing)
                except LocalError:
                    break  # the bus is away
            with contextlib.suppress(LocalError):
                await self._listen_for_families()
            await asyncio.sleep(_FOLLOW_S)

    async def _listen(self, nat: NatClass, *, wanted: bool) -> None:
        if wanted and nat not in self._subscriptions_by_class:
            self._subscriptions_by_class[nat] = await self._channel.serve(
                self._subjects.place(nat), bus.PlaceOffer, self._hear_place, group=_GROUP
            )
        elif not wanted and nat in self._subscriptions_by_class:
            await self._subscriptions_by_class.pop(nat).end()

    async def _listen_for_families(self) -> None:
        """Listen for clients who name families of the free volunteers here, `BUS_FAMILIES` at most.

        Clients of the others find their volunteers by asking this broker itself.
        """
        closing = self._volunteers.closing
        wanted = frozenset[bytes]() if closing else self._volunteers.pool.families
        known = self._subscriptions_by_family
        for tag in known.keys() - wanted:
            await known.pop(tag).end()
        for tag in itertools.islice(wanted - known.keys(), serverlimits.BUS_FAMILIES - len(known)):
            known[tag] = await self._channel.serve(
                self._subjects.family(tag),
                bus.PlaceOffer,
                partial(self._hear_place, family=tag),
                group=_GROUP,
            )

    async def _tell_count(self) -> None:
        while True:
            self._channel.publish(self._subjects.broker, self._count())
            await asyncio.sleep(COUNT_S)

    def _count(self) -> BrokerTotals:
        pool = self._volunteers.pool
        return BrokerTotals(self._name, len(pool), pool.available, dict(pool.countries()))


def _for_anybody(request: VolunteerRequest) -> VolunteerRequest:
    """Return the request as one that any volunteer may take."""
    return replace(request, client=replace(request.client, family=None))


def _to_wire(client: ClientProfile) -> bus.BusClientProfile:
    location = client.location
    return bus.BusClientProfile(
        nat=client.nat,
        site=location.site,
        country=location.country,
        asn=location.asn,
        key=client.key or UNKNOWN,
        most=client.disclosure_limit,
        crowd=client.key_is_shared or client.key is None,
    )


def _from_wire(who: bus.BusClientProfile) -> ClientProfile:
    return ClientProfile(
        nat=who.nat,
        location=PeerLocation(site=who.site, country=who.country, asn=who.asn),
        key=who.key,
        disclosure_limit=who.most,
        key_is_shared=who.crowd,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
