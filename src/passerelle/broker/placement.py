"""Place an offer on one of this broker's own volunteers.

Requests of clients and of other brokers both come here, and whatever brought one, it is judged
here: its exit, its DTLS role and its candidates. An exit's report of a link finds its volunteer
here too, by the ticket that the link was opened with.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from passerelle import serverlimits
from passerelle.broker.audience.counting import Audience
from passerelle.broker.config import BrokerConfig
from passerelle.broker.issuer import TicketIssuer
from passerelle.broker.volunteers import Volunteers
from passerelle.core.address.candidates import vet_carried, vet_near
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.matching.pool import Pick
from passerelle.core.matching.quality import LinkExperience
from passerelle.core.tally import Tally
from passerelle.errors import LinkCode, PasserelleError, PeerError
from passerelle.io.tasks import AllFailed, staggered
from passerelle.wire.description import Description, Setup
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import BrokerOffer

_TRIES: Final = 2
"""Volunteers asked for one offer."""


class _Missed(PasserelleError):
    """A volunteer gave no answer to an offer, or there was none to ask."""

    def __init__(self, miss: Miss) -> None:
        super().__init__(miss)
        self.miss = miss


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerRequest:
    """One link that a client wants."""

    exit_id: str
    offer: Description
    client: ClientProfile
    lanes: int = 0
    """Lane tickets wanted with the answer."""
    gateway: bool = False
    """Whether the link goes to the exit's gateway."""
    last_resort: bool = False
    """Whether a volunteer that failed this client lately is better than none: all were asked."""
    only: bytes | None = None
    """Place it on this volunteer or on none. The volunteer brought the request itself, by hand."""


@dataclass(frozen=True, slots=True)
class _Link:
    exit_id: str
    pick: Pick
    tally: Tally | None
    """Counts for the publisher from whose page the volunteer came."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """A further link through a volunteer. What it carried counts, and nothing else of it."""

    exit_id: str
    tally: Tally | None


class Placement:
    """Asks this broker's own volunteers, and remembers which of them got which ticket."""

    def __init__(
        self,
        config: BrokerConfig,
        volunteers: Volunteers,
        issuer: TicketIssuer,
        audience: Audience,
    ) -> None:
        self._config = config
        self._volunteers = volunteers
        self._issuer = issuer
        self._audience = audience
        self._links_by_ticket: OrderedDict[bytes, _Link] = OrderedDict()
        self._lanes_by_ticket: OrderedDict[bytes, _Lane] = OrderedDict()

    async def place(
        self, request: VolunteerRequest, asked: set[bytes], deadline: float
    ) -> Answer | Miss:
        """Ask a volunteer that is not in `asked`, and another one if the first gives no answer.

        One that takes longer than `hedge_s` of the configuration may still answer while the other
        is asked.

        Whoever is asked is added to `asked` before anything is awaited, so requests placed at the
        same time with one set get distinct volunteers. `deadline` is the event loop's time.
        Cancelling withdraws the offer. Raises PeerError for an offer that no volunteer may be
        shown: for an exit that the network does not have, or in the wrong DTLS role.
        """
        request = self._admitted(request)
        hedge_s = self._config.hedge_s
        tries = (
            (self._try(request, asked, deadline, last=not left), hedge_s)
            for left in reversed(range(_TRIES))
        )
        try:
            return await staggered(tries)
        except AllFailed as failed:
            misses = [error.miss for error in failed.errors if isinstance(error, _Missed)]
            return Miss.NO_ANSWER if Miss.NO_ANSWER in misses else Miss.NO_VOLUNTEER

    async def _try(
        self, request: VolunteerRequest, asked: set[bytes], deadline: float, *, last: bool
    ) -> Answer:
        pick = None
        if _now() < deadline:
            pick = self._volunteers.pick(
                request.client, asked, request.only, last_resort=request.last_resort
            )
        if pick is None:
            raise _Missed(Miss.NO_VOLUNTEER)
        asked.add(pick.volunteer)
        answer = await self._ask(request, pick, deadline, last=last)
        if answer is None:
            raise _Missed(Miss.NO_ANSWER)
        return answer

    async def wait(
        self, request: VolunteerRequest, asked: set[bytes], deadline: float
    ) -> Answer | Miss:
        """Wait for a volunteer and ask it; arguments and cancelling as in `place`.

        Call it when no broker has one to place the offer on: a volunteer that failed this client
        lately is asked then, if it has rested.
        It waits for `wait_s` of the configuration and not beyond `deadline`, and not at all when
        too many wait already or the broker closes. Raises PeerError as `place` does.
        """
        request = self._admitted(request)
        if _now() >= deadline:
            return Miss.NO_VOLUNTEER  # nobody could answer in time, and would count as silent
        until = min(deadline, _now() + self._config.wait_s)
        pick = await self._volunteers.wait_for_pick(request.client, asked, request.only, until)
        if pick is None:
            return Miss.NO_VOLUNTEER
        return await self._ask(request, pick, deadline, last=True) or Miss.NO_ANSWER

    def exit_of(self, ticket_id: bytes) -> str | None:
        """Return the exit whose word on a link is awaited, by the link's ticket.

        None for a ticket that another broker issued, that is forgotten, or that was reported.
        """
        link = self._links_by_ticket.get(ticket_id) or self._lanes_by_ticket.get(ticket_id)
        return None if link is None else link.exit_id

    def report(self, ticket_id: bytes, exit_id: str, experience: LinkExperience) -> None:
        """Note what an exit saw of the link that was opened with a ticket of this broker's.

        A ticket counts once, and only from the exit that it was for. Others are ignored.
        """
        if self.exit_of(ticket_id) != exit_id:
            return
        lane = self._lanes_by_ticket.pop(ticket_id, None)
        if lane is not None:
            self._audience.carried_by_lane(lane.tally, experience)
            return
        link = self._links_by_ticket.pop(ticket_id)
        pick, pool = link.pick, self._volunteers.pool
        pool.report(pick.volunteer, experience, _now(), expected=pick.chance)
        self._audience.carried(link.tally, pick.client.location.country, experience)

    def _admitted(self, request: VolunteerRequest) -> VolunteerRequest:
        """Return the request with those candidates only that its client may name: those of the
        network in which it was seen, if it was. Raises PeerError.
        """
        if self._config.descriptor.exit(request.exit_id) is None:
            raise PeerError(LinkCode.MALFORMED, "an offer for an exit that is not of this network")
        # The browser is the DTLS client: its genuine ClientHello is what a censor sees.
        if request.offer.setup is not Setup.ACTPASS:
            raise PeerError(LinkCode.MALFORMED, "an offer in the wrong DTLS role")
        private = self._config.descriptor.private_candidates
        if request.only is not None:
            offer = vet_carried(request.offer, private=private)
        else:
            offer = vet_near(request.offer, request.client.location.site, private=private)
        return replace(request, offer=offer)

    async def _ask(
        self, request: VolunteerRequest, pick: Pick, deadline: float, *, last: bool
    ) -> Answer | None:
        """Make the offer to the picked volunteer; only the last one asked has all the time left."""
        # The answer to a request brought by hand goes back by hand, and the link opens late.
        patient = request.only is not None
        ticket_id, ticket = self._issuer.link(
            request.exit_id, patient=patient, gateway=request.gateway
        )
        left_s = deadline - _now()
        description = await self._volunteers.introduce(
            pick,
            BrokerOffer(
                0,
                request.exit_id,
                ticket,
                request.offer,
                patient,
                request.client.location.country,
            ),
            timeout_s=left_s if last else min(left_s, self._config.patience_s),
            slow_s=self._config.hedge_s,
        )
        if description is None:
            return None
        # The exit reports on the link when the volunteer may have gone.
        tally = self._audience.tally_of(pick.volunteer)
        self._links_by_ticket[ticket_id] = _Link(request.exit_id, pick, tally)
        if len(self._links_by_ticket) > serverlimits.LINKS_REPORTED:
            self._links_by_ticket.popitem(last=False)
        lanes = self._issuer.lanes(request.exit_id, request.lanes)
        for lane_id, _ in lanes:
            self._lanes_by_ticket[lane_id] = _Lane(request.exit_id, tally)
        while len(self._lanes_by_ticket) > serverlimits.LANES_REPORTED:
            self._lanes_by_ticket.popitem(last=False)
        country = pick.country if request.gateway else None
        return Answer(description, pick.volunteer, tuple(text for _, text in lanes), country)


def _now() -> float:
    return asyncio.get_running_loop().time()
