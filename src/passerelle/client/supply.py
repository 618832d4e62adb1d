"""Where links come from: volunteers that a broker finds, lanes through them, or none at all."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from passerelle import limits
from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.client.exits import ExitHealth
from passerelle.client.fallback import Fallback
from passerelle.client.nat_probe import NatProbe
from passerelle.client.paths import LanePath, Path, VolunteerPath
from passerelle.client.pool import ClientLink, LinkPool
from passerelle.client.session import ClientSession
from passerelle.errors import EngineLost, LinkCode, LinkLost, LinkRefused
from passerelle.io.webrtc.engine import LinkOffer
from passerelle.wire.descriptor import ExitEntry
from passerelle.wire.rendezvous import Answer, RendezvousReply


@dataclass(frozen=True, slots=True)
class RequestResult:
    """What a request for volunteers brought."""

    found: int
    """Volunteers through whom a link is being made now."""
    retry_after_s: float
    """The broker wants to be asked again no sooner; it counts where nobody was found."""
    family_helps: bool = False
    """Whether a volunteer of the invite's family helps, or is about to."""


class LinkSupply:
    """Finds paths to an exit, and has the pool make a link over each.

    It remembers which volunteers failed. It does not decide when links are needed.
    """

    def __init__(
        self,
        config: ClientConfig,
        brokers: Brokers,
        exits: ExitHealth,
        links: LinkPool,
        nat_probe: NatProbe,
    ) -> None:
        """`brokers` have loaded their descriptor."""
        self._config = config
        self._brokers = brokers
        self._exits = exits
        self._links = links
        self._nat_probe = nat_probe
        self._lane_numbers = itertools.count(1)
        self._failed: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Volunteers who failed lately: others are asked for first."""
        self._doubted: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Volunteers who failed once, where the exit may have been the cause."""
        self._unreported: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Volunteers to whom no link could be made, and of whom no broker was told yet."""
        self._silent: set[bytes] = set()
        """Volunteers whose links fell silent since the last request."""
        self._plain_next = False
        """Whether the next request is for links without video."""
        self._family: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Volunteers of the invite's family."""
        self._fallback = Fallback(config, brokers, links, self._choose_exit, self._start)
        self._session: ClientSession | None = None
        """The session for which volunteers were asked for last."""

    async def close(self) -> None:
        """Start no more links. Idempotent."""
        await self._fallback.close()

    def forget_failures(self) -> None:
        """Forget which volunteers failed: something else did."""
        self._failed.clear()
        self._doubted.clear()
        self._unreported.clear()

    def link_failed(self, link: ClientLink, error: LinkLost) -> None:
        """Remember through whom no link could be made, or through whom one ended.

        An exit that is gone takes the links through good volunteers with it, and fails those that
        try to reach it again. So a volunteer may have failed once before it is to blame. One whose
        link falls silent is to blame at once, unless all others do so, too.
        """
        if isinstance(error, LinkRefused | EngineLost):
            return  # the exit refused it, or this machine's fault; the volunteer has done its part
        if link.is_old:
            return  # it was to end
        if error.code is LinkCode.VERSION:
            if self._config.call and link.path.volunteer is not None:
                self._failed.append(link.path.volunteer)  # its page makes no calls; others' may
            else:
                # Its page would send a video that this engine cannot read. It may well be asked
                # again, and others have a newer page.
                self._plain_next = True
            return
        if not link.was_made:
            self._nat_probe.probe()
        volunteer = link.path.volunteer
        if volunteer is None or link.is_lane:
            return
        silent = link.was_made and error.code is LinkCode.TIMEOUT
        if silent:
            self._silent.add(volunteer)
        exit_may_be_gone = link.met_volunteer and not silent
        if exit_may_be_gone and volunteer not in self._doubted:
            self._doubted.append(volunteer)
        else:
            self._failed.append(volunteer)
            if not link.was_made:
                self._unreported.append(volunteer)

    # --- volunteers -----------------------------------------------------------------------------

    async def request(self, session: ClientSession, count: int) -> RequestResult:
        """Ask the brokers for `count` volunteers, and start a link through each that is found.

        While the session has no link, one without a volunteer follows where the network allows it.
        Raises BrokerSilent, and ConfigError when this version is no longer spoken. Cancelling gives
        the request up.
        """
        if session is not self._session:
            # The exit ended the one before, or vanished, and its volunteers' links with it.
            self._session = session
            self.forget_failures()
        self._acquit_silent(session)
        begin = time.monotonic()
        offers: list[LinkOffer] = []
        answered: set[LinkOffer] = set()
        had_exit = session.exit_id is not None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._gather_offers(offers, count), name="links/offers")
                admitting = group.create_task(self._fallback.admit(session), name="links/admit")
            if (trouble := admitting.result()) is not None:
                raise trouble
            reply = await self._ask_brokers(session, offers)
            rendezvous_s = time.monotonic() - begin
            entry = self._brokers.network.exit(reply.exit or "")
            # A session that has left its exit meanwhile must not begin there after all.
            begins = session.exit_id is None and not had_exit
            if entry is not None and (begins or session.exit_id == entry.id):
                for offer, answer in zip(offers, reply.answers, strict=False):
                    if isinstance(answer, Answer):
                        answered.add(offer)
                        if answer.family and answer.volunteer not in self._family:
                            self._family.append(answer.volunteer)
                        path = VolunteerPath(offer, answer, rendezvous_s)
                        self._start(session, entry, path, reply.ticket, answer.lane_tickets)
                self._fallback.admitted(session, entry, reply.ticket)
        finally:
            await _close_all(offer for offer in offers if offer not in answered)
        if not answered:
            # Nobody else may be there, and then a volunteer that failed is better than none.
            self._failed.clear()
            self._doubted.clear()
        helps = any(each in self._family for each in self._links.volunteers(session))
        return RequestResult(len(answered), reply.retry_after_s, helps)

    def _acquit_silent(self, session: ClientSession) -> None:
        """Ask for volunteers again if all links fell silent at once: the network has cut them."""
        if len(self._silent) > 1 and not self._links.up(session):
            for volunteer in self._silent.intersection(self._failed):
                self._failed.remove(volunteer)
        self._silent.clear()

    async def _gather_offers(self, offers: list[LinkOffer], count: int) -> None:
        """Append `count` offers to `offers`, which its owner closes."""
        private = self._brokers.network.private_candidates
        media = self._config.media and not self._plain_next
        self._plain_next = False

        async def gather(number: int) -> None:
            stun = self._nat_probe.server(number)
            offers.append(await self._config.engine.gather(stun, private=private, media=media))

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(gather(number), name="links/gather")

    async def _ask_brokers(
        self, session: ClientSession, offers: list[LinkOffer]
    ) -> RendezvousReply:
        # Whoever is doubted is better than nobody, but no spare for a link that is up.
        doubted = self._doubted if self._links.up(session) else ()
        avoid = dict.fromkeys((*self._links.volunteers(session), *self._failed, *doubted))
        reported = tuple(self._unreported)
        reply = await self._brokers.ask(
            tuple(offer.description for offer in offers),
            exit_id=session.exit_id or self._choose_exit() or self._fallback.exit_id(session),
            avoid=tuple(avoid)[: limits.AVOIDED_VOLUNTEERS],
            lanes=self._config.lanes - 1,
            nat=self._nat_probe.nat,
            failed=reported,
        )
        for volunteer in reported:
            if volunteer in self._unreported:
                self._unreported.remove(volunteer)
        return reply

    def _choose_exit(self) -> str | None:
        ids = [entry.id for entry in self._brokers.network.exits]
        return self._exits.choose(ids, time.monotonic(), random.random())  # noqa: S311  (balance)

    def _start(
        self,
        session: ClientSession,
        entry: ExitEntry,
        path: Path,
        ticket: str,
        lane_tickets: Sequence[str] = (),
    ) -> ClientLink:
        session.exit_id = entry.id
        pins = entry.spki_sha256
        link = ClientLink(session, path, ticket, pins, list(lane_tickets))
        link.exit_is_doubted = self._exits.is_doubted and len(self._brokers.network.exits) > 1
        self._links.start(link)
        return link

    # --- lanes ----------------------------------------------------------------------------------

    def add_lanes(self, session: ClientSession) -> None:
        """Make up for missing volunteers by more links through those that are there.

        A volunteer that sends video gets no lane, nor does one so near that a single DataChannel
        is as fast as its browser.
        """
        ready = self._links.ready(session)
        for link in ready:
            missing = self._config.links - len(ready) - len(self._links.connecting(session))
            if link.path.has_media or link.round_trip_s < self._config.lane_rtt_s:
                continue
            while missing > 0 and link.lane_tickets and self._links.room(session) > 0:
                self._start_lane(link, link.lane_tickets.pop())
                missing -= 1

    def _start_lane(self, parent: ClientLink, link_ticket: str) -> None:
        assert parent.secured is not None  # it is ready
        assert isinstance(parent.path, VolunteerPath)  # only their answers bring lane tickets
        number = next(self._lane_numbers)
        path = LanePath(
            number,
            link_ticket,
            parent.path,
            parent.secured.send_control,
            engine=self._config.engine,
            stun=self._nat_probe.server(number),
            private=self._brokers.network.private_candidates,
        )
        self._links.start(ClientLink(parent.session, path, parent.ticket, parent.pins))


async def _close_all(offers: Iterable[LinkOffer]) -> None:
    """Close offers at the same time, so that cancelling this leaves no later one open."""
    async with asyncio.TaskGroup() as group:
        for offer in offers:
            group.create_task(offer.close(), name="links/close")
