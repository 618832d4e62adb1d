"""Takes offers from the broker, makes and holds links, and keeps to what its person gives."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from passerelle import limits
from passerelle.core.address.candidates import vet
from passerelle.core.bucket import Bucket
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.websocket import MESSAGE_LIMIT_BYTES, SUBPROTOCOL
from passerelle.io.webrtc.chrome.process import ProcessEngine
from passerelle.volunteer.config import VolunteerConfig
from passerelle.volunteer.conversation import OfferReply
from passerelle.volunteer.exits import ExitRecord
from passerelle.volunteer.link import Link
from passerelle.volunteer.network import NetworkSource
from passerelle.volunteer.person import Person
from passerelle.volunteer.rate import Rate
from passerelle.volunteer.store import UsageStore
from passerelle.wire.control import Lane, LaneAnswer, LaneRefused
from passerelle.wire.description import CALL_MEDIA_VERSION, Description, Setup
from passerelle.wire.descriptor import Descriptor, ExitEntry
from passerelle.wire.signalling import BrokerOffer, Decline

STUN_SERVERS = 2
"""STUN servers used at once."""
_SETTLE_S = 0.4
"""Time that links have to close after they were told to."""


@dataclass(slots=True, kw_only=True)
class _Request:
    """What an offer of the broker and a client's request for a lane have in common."""

    person: Person
    ticket: str
    description: Description
    answer: Callable[[Description], None]
    decline: Callable[[Decline], None]
    is_lane: bool = False
    is_patient: bool = False
    is_answered: bool = field(default=False)


class Relay:
    """All links of one volunteer."""

    def __init__(
        self,
        config: VolunteerConfig,
        *,
        network: NetworkSource,
        engine: ProcessEngine,
        http: aiohttp.ClientSession,
        store: UsageStore,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called when `free` may have changed."""
        self._config = config
        self._network = network
        self._engine = engine
        self._http = http
        self._store = store
        self._changed = changed
        self._exits = ExitRecord()
        self._rate = Rate(config.mbit)
        self._people: set[Person] = set()
        self._links: dict[Link, asyncio.TimerHandle | None] = {}
        """Links, with what ends each for its age once it is open."""
        now = _now()
        self._offers = Bucket(limits.VOLUNTEER_OFFERS[1], limits.VOLUNTEER_OFFERS[0], now)
        burst, per_s = limits.VOLUNTEER_SURPLUS_OFFERS
        self._surplus = Bucket(per_s, burst, now)
        self._tasks = TaskSet("relay")
        self._ended = asyncio.Event()
        """Set when a link has ended."""
        self._stopping = False
        self.waits_for_consent = False
        """Whether helping may be dangerous here and the person has not said yes once more."""
        self.holds_back = ""
        """Why nobody is helped for a while although nothing forbids it, as a word: `test` until
        this machine's rate is known, `slow` while that helps nobody."""
        self.last_helped_at: float | None = None
        """When somebody was helped last, in monotonic seconds."""

    # --- what can be given ----------------------------------------------------------------------

    @property
    def people(self) -> int:
        """How many people are being helped."""
        return sum(person.open > 0 for person in self._people)

    @property
    def links(self) -> int:
        """How many links there are, those that open or close included."""
        return len(self._links)

    @property
    def free(self) -> int:
        """How many more people can be helped now."""
        return max(0, self._config.people - self._present) if not self.pause else 0

    @property
    def _present(self) -> int:
        """How many people take a place: all but those who may be gone from each of their links."""
        gone = Counter(link.person for link in self._links if not link.is_here)
        return sum(gone[person] < person.links for person in self._people)

    @property
    def pause(self) -> str:
        """Why nobody is helped now, as a word; empty while somebody may be."""
        if self._stopping:
            return "stopping"
        if self.waits_for_consent:
            return "consent"
        if not self._config.hours.has(self._config.now().time()):
            return "hours"
        if spent := self._spent:
            return spent
        if self.holds_back:
            return self.holds_back
        known = self._network.descriptor
        if known and not any(self._exits.may_connect(each.id, _now()) for each in known.exits):
            return "exit"
        return ""

    def look_at_clock(self) -> None:
        """Begin a new day where it is one, and end all links where nobody is to be helped now."""
        self._store.turn(self._config.now().date())
        if self.pause in ("hours", "day", "month"):
            self._drain_all()
        self._changed()

    async def stop(self) -> None:
        """Ask people to move to other volunteers, and end all links soon. Idempotent."""
        self._stopping = True
        self._changed()
        self._drain_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.drain_s + _SETTLE_S):
                while self._links:
                    self._ended.clear()
                    await self._ended.wait()
        await self._tasks.close()

    def _drain_all(self) -> None:
        for link in self._links:
            self._drain(link)

    def _drain(self, link: Link) -> None:
        if not self._tasks.closed:
            self._tasks.spawn(link.drain(self._config.drain_s), "drain")

    # --- offers ---------------------------------------------------------------------------------

    def offered(self, offer: BrokerOffer, reply: OfferReply) -> None:
        """Take or decline an offer. Raises PeerError when a broker makes far too many."""
        if self.free == 0 or not self._offers.take(_now()):
            if not self._surplus.take(_now()):
                raise PeerError(LinkCode.LIMIT, "many offers")
            reply.decline(Decline.BUSY)
            return
        most = self._config.flows_a_day
        seen_enough = most is not None and self._store.usage.flows_of(offer.country) >= most
        # The encoder of a call cannot be held to what its person gives.
        if seen_enough or offer.description.media == CALL_MEDIA_VERSION:
            reply.decline(Decline.BUSY)
            return
        addresses = (candidate.ip for candidate in offer.description.candidates)
        person = Person(offer.exit, offer.country, addresses, Rate(self._config.person_mbit))
        self._take(
            _Request(
                person=person,
                ticket=offer.ticket,
                description=offer.description,
                answer=reply.answer,
                decline=reply.decline,
                is_patient=offer.patient,
            )
        )

    def lane_asked(self, link: Link, lane: Lane) -> None:
        """Open one more link for a person, or refuse it."""
        person = link.person

        def refuse(_reason: Decline) -> None:
            link.say(LaneRefused(lane.lane))

        may = person.links < self._config.lanes and person.may_ask_for_lane() and not self.pause
        if not may:
            refuse(Decline.BUSY)
            return
        self._take(
            _Request(
                person=person,
                ticket=lane.ticket,
                description=lane.description,
                answer=lambda description: link.say(LaneAnswer(lane.lane, description)),
                decline=refuse,
                is_lane=True,
            )
        )

    def _take(self, request: _Request) -> None:
        descriptor = self._network.descriptor
        exit_entry = descriptor.exit(request.person.exit) if descriptor is not None else None
        if descriptor is None or exit_entry is None:
            request.decline(Decline.UNKNOWN_EXIT)
        elif not self._exits.may_connect(exit_entry.id, _now()):
            request.decline(Decline.FAILED)
        elif request.description.setup is Setup.ACTIVE:
            # This end is the DTLS client, as a browser that answers is.
            request.decline(Decline.UNSUPPORTED)
        else:
            person = request.person
            person.links += 1
            self._people.add(person)
            self._tasks.spawn(self._help(request, descriptor, exit_entry), "link")
            self._changed()

    async def _help(self, request: _Request, descriptor: Descriptor, exit_entry: ExitEntry) -> None:
        """Make a link and carry it to its end."""
        person = request.person
        link: Link | None = None
        try:
            link = await self._answer(request, descriptor, exit_entry)
            more_s = self._config.patient_s if request.is_patient else 0.0
            await link.run(client_s=self._config.open_s + more_s)
        except LinkLost:
            if not request.is_answered:
                request.decline(Decline.FAILED)
        finally:
            person.links -= 1
            if not person.links:
                self._people.discard(person)
            if link is not None:
                self._forget(link, request)
            self._changed()

    async def _answer(
        self, request: _Request, descriptor: Descriptor, exit_entry: ExitEntry
    ) -> Link:
        """Have the engine answer, and tell the client. Raises LinkLost."""
        person, config = request.person, self._config
        private = descriptor.private_candidates
        known = person.addresses if request.is_lane else None
        offer = self._of_version(vet(request.description, private=private, known=known))
        stun = random.sample(descriptor.stun, min(STUN_SERVERS, len(descriptor.stun)))
        answer = await self._engine.accept(offer, tuple(stun), private=private)

        async def connect() -> aiohttp.ClientWebSocketResponse:
            try:
                async with asyncio.timeout(config.exit_s):
                    return await self._http.ws_connect(
                        exit_entry.url,
                        protocols=(SUBPROTOCOL, request.ticket),
                        max_msg_size=MESSAGE_LIMIT_BYTES,
                        compress=0,
                        autoping=False,
                    )
            except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
                raise LinkLost(LinkCode.TRANSPORT, "no connection to the exit") from None

        link = Link(self, person, answer, connect, rate=self._rate, is_patient=request.is_patient)
        self._links[link] = None
        self._store.flow(person.country)
        request.is_answered = True
        request.answer(self._of_version(answer.description))
        return link

    def _of_version(self, description: Description) -> Description:
        """Return `description` with the candidates of the IP version that is used."""
        version = self._config.ip_version
        if version is None:
            return description
        return description.with_candidates(
            each for each in description.candidates if (":" in each.ip) == (version == 6)
        )

    # --- links ----------------------------------------------------------------------------------

    def link_opened(self, link: Link) -> None:
        """Count a link whose both sides are open, and let it end at a random age."""
        person = link.person
        person.open += 1
        self.last_helped_at = time.monotonic()
        self._exits.opened(person.exit)
        if not person.was_helped:
            person.was_helped = True
            self._store.helped()
        age_s = self._config.age_s(random.gauss())
        self._links[link] = asyncio.get_running_loop().call_later(age_s, self._drain, link)
        self._changed()

    def link_presence(self, link: Link) -> None:
        """Let nobody who may be gone keep others out."""
        # Who comes back gives way where somebody else has the place by then.
        if link.is_here and self._present > self._config.people:
            self._drain(link)
        self._changed()

    def link_carried(self, size: int) -> None:
        """Count bytes, and end all links once no more are to be given."""
        before = self._spent
        self._store.carry(size)
        if not before and self._spent:
            self._drain_all()
            self._changed()

    @property
    def _spent(self) -> str:
        """The bound on bytes that is reached, as a word; empty while more may be given."""
        config, usage = self._config, self._store.usage
        if config.day_bytes is not None and usage.day_bytes >= config.day_bytes:
            return "day"
        if config.month_bytes is not None and usage.month_bytes >= config.month_bytes:
            return "month"
        return ""

    def _forget(self, link: Link, request: _Request) -> None:
        """Learn from a link that has ended."""
        timer = self._links.pop(link)
        self._ended.set()
        if timer is not None:
            timer.cancel()
        if link.was_open:
            link.person.open -= 1
            self.last_helped_at = time.monotonic()
        else:
            self._store.usage.failed += 1
        exit_id = link.person.exit
        # The ticket of a lane comes from the client, who could make an exit seem out of reach.
        if link.reached is False and not request.is_lane:
            self._exits.failed(exit_id, _now())
        if link.exit_offended:
            self._exits.shun(exit_id)
            for other in self._links:
                if other.person.exit == exit_id:
                    other.close(LinkCode.LIMIT)


def _now() -> float:
    return asyncio.get_running_loop().time()
