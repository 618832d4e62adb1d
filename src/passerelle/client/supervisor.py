"""Keeps a client's links ready: one session, N volunteers, one rendezvous at a time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from passerelle import limits
from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.client.exits import ExitHealth
from passerelle.client.handshake import ClientSession
from passerelle.client.nat_probe import NatProbe
from passerelle.client.notices import BrokerUnreachable, NoVolunteer, Observe, Searching
from passerelle.client.paths import LanePath, UnrelayedPath, VolunteerPath
from passerelle.client.pool import Attempt, LinkPool
from passerelle.client.rendezvous import BrokerSilent
from passerelle.core.backoff import Backoff
from passerelle.errors import Failure, LinkCode, LinkLost, LinkRefused, StreamFailed
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.io.webrtc.channel import ChannelOffer
from passerelle.wire.control import Control
from passerelle.wire.descriptor import Descriptor, ExitEntry
from passerelle.wire.frames import SESSION_ID_BYTES
from passerelle.wire.rendezvous import Answer, RendezvousReply

_log = logging.getLogger(__name__)


class LinkSupervisor:
    """Owns the session and brings links to it.

    `run` is its one loop. A session that is lost is followed by a new one; streams of the old one
    have failed by then.
    """

    def __init__(self, config: ClientConfig, brokers: Brokers, observe: Observe) -> None:
        """`brokers` have loaded their descriptor."""
        self._config = config
        self._brokers = brokers
        self._observe = observe
        self._pool = LinkPool(config, observe, changed=self._note, failed=self._fail)
        self._tasks = TaskSet("supervisor")
        self._nat_probe = NatProbe(lambda: self._descriptor.stun, observe)
        self._lanes = itertools.count(1)
        self._failed: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Volunteers whose links failed lately: others first."""
        self._unreached: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Those to whom no link could be made, and the broker was not told yet."""
        self._stumbled = False
        """Whether a link could not be made since the last pause."""
        self._falling_back = False
        self._changed = asyncio.Event()
        self._linked = asyncio.Event()
        self._first_retry = Backoff(*config.retry_s)
        self._spare_retry = Backoff(*config.spare_retry_s)
        self._closing = False
        self._exits = ExitHealth()
        self._leaving: list[ClientSession] = []
        """Sessions whose exit goes away, while their streams go on."""
        self._session = self._new_session()

    def _new_session(self) -> ClientSession:
        owner = _SessionOwner(self)
        tunnel = Tunnel(owner, client=True, grace_s=self._config.grace_s)
        made = ClientSession(secrets.token_bytes(SESSION_ID_BYTES), tunnel, self._linked.set)
        owner.session = self._pool.session = made
        return made

    @property
    def _descriptor(self) -> Descriptor:
        """The network as it is now known."""
        assert self._brokers.descriptor is not None
        return self._brokers.descriptor

    @property
    def link_count(self) -> int:
        """Links that can take new data."""
        return len(self._pool.ready)

    @property
    def received_bytes(self) -> dict[int, int]:
        """Bytes that each link has brought so far, by its number."""
        return self._pool.received_bytes

    async def open(self, host: str, port: int) -> TunnelStream:
        """Return a new stream, waiting up to `patience_s` for a first link.

        The exit's answer is still to come (`TunnelStream.opened`). Raises
        StreamFailed(NO_VOLUNTEER).
        """
        async with self._patience():
            tunnel = await self._linked_tunnel()
        return tunnel.open(host, port)

    async def open_flow(self, host: str, port: int) -> TunnelStream:
        """Do as `open` does for a UDP flow. Raises StreamFailed, NO_DATAGRAMS besides."""
        async with self._patience():
            tunnel = await self._linked_tunnel()
            await tunnel.offers_flows()
        return tunnel.open_flow(host, port)

    async def offers_flows(self) -> bool:
        """Whether the exit carries UDP; waits as `open` does, and raises as it does."""
        async with self._patience():
            return await (await self._linked_tunnel()).offers_flows()

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._config.patience_s):
                yield
        except TimeoutError:
            raise StreamFailed(Failure.NO_VOLUNTEER) from None

    async def _linked_tunnel(self) -> Tunnel:
        # Data may follow HELLO: the exit's WELCOME is not waited for.
        while not self._session.tunnel.link_count:
            self._linked.clear()
            await self._linked.wait()
        return self._session.tunnel

    async def run(self) -> None:
        """Bring links as long as it is not cancelled."""
        self._nat_probe.look()
        while True:
            self._changed.clear()
            missing = self._missing()
            if missing <= 0:
                await self._changed.wait()
            elif self._stumbled:
                # Volunteers who answer and then fail must not make us ask without end.
                self._stumbled = False
                await self._pause(self._next_pause_s())
            else:
                await self._pause(await self._acquire(min(missing, limits.OFFERS_PER_REQUEST)))

    async def close(self) -> None:
        """End the session, at the exit too, and all links. `run` must have ended."""
        self._closing = True
        for session in (*self._leaving, self._session):
            session.tunnel.close()
        await self._tasks.close()
        await self._pool.close()
        await self._nat_probe.close()  # until then, a link that fails may have it look

    # --- what happens to its sessions -----------------------------------------------------------

    def link_down(self, number: int, error: LinkLost) -> None:
        """Replace a link that ended."""
        attempt = self._pool.lost(number, error)
        if attempt is None or attempt.session is not self._session:
            return
        vanished = error.code is LinkCode.TRANSPORT
        if vanished and self._exits.lost(attempt.path.volunteer, time.monotonic()):
            self._give_up_exit()

    def link_leaving(self, number: int) -> None:
        """Replace a link that will end."""
        self._note()

    def link_control(self, number: int, message: Control) -> None:
        """A relay answers for a lane."""
        self._pool.control(message)

    def session_leaving(self, session: ClientSession) -> None:
        """Open what comes next through another exit; what is open may finish."""
        if session is not self._session or self._closing:
            return
        _log.info("the exit goes away; moving to another one")
        self._exits.avoid(session.exit_id, time.monotonic())
        self._leaving.append(session)
        self._session = self._new_session()
        if not session.tunnel.stream_count:
            # Not in the midst of what its tunnel is doing.
            asyncio.get_running_loop().call_soon(session.tunnel.close)
        self._note()

    def session_ended(self, session: ClientSession, reason: LinkCode) -> None:
        """Start a new session in place of a lost one."""
        if session in self._leaving:
            self._leaving.remove(session)
        if session is self._session and not self._closing:
            _log.info("the session ended (%s); starting a new one", reason.name.lower())
            self._session = self._new_session()
            self._note()

    def _give_up_exit(self) -> None:
        """Go to another exit, if there is one; the session comes along if it can."""
        session = self._session
        if self._pool.up or self._closing or len(self._descriptor.exits) < 2:
            return
        if session.untouched and self._pool.connecting:
            return  # it must not begin at two exits: those links fail too, or one is welcomed
        _log.info("the exit cannot be reached; going to another one")
        self._exits.avoid(session.exit_id, time.monotonic())
        if session.untouched:
            session.exit_id = None
        else:
            asyncio.get_running_loop().call_soon(session.tunnel.close)

    # --- how many -------------------------------------------------------------------------------

    def _missing(self) -> int:
        """Return how many more volunteers are wanted."""
        found = {each.path.volunteer for each in (*self._pool.ready, *self._pool.connecting)}
        return min(self._config.links - len(found - {None}), self._room())

    def _room(self) -> int:
        # Stalled and draining links are replaced, and yet count against the session's limit.
        return limits.LINKS_PER_SESSION - len(self._pool.up) - len(self._pool.connecting)

    def _note(self) -> None:
        self._changed.set()
        if self._pool.up:
            self._first_retry.reset()
            self._exits.joined()

    def _fail(self, attempt: Attempt, error: LinkLost) -> None:
        if attempt.session is not self._session:
            return
        if attempt.link is None:
            self._stumbled = True
            if error.code is LinkCode.DRAINING or self._exits.missed():
                self._give_up_exit()
        if isinstance(error, LinkRefused):
            return  # the volunteer has done its part
        if attempt.link is None:
            self._nat_probe.look()
        if attempt.path.volunteer is not None and not attempt.is_lane:
            self._failed.append(attempt.path.volunteer)
            if attempt.link is None:
                self._unreached.append(attempt.path.volunteer)

    # --- asking ---------------------------------------------------------------------------------

    async def _pause(self, pause_s: float) -> None:
        """Wait `pause_s`, less when the last link is lost meanwhile."""
        had_link = bool(self._pool.up)
        deadline = time.monotonic() + pause_s
        while (left_s := deadline - time.monotonic()) > 0:
            if had_link and not self._pool.up:
                self._first_retry.reset()
                return
            had_link = had_link or bool(self._pool.up)
            self._add_lanes()
            self._changed.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _next_pause_s(self) -> float:
        some = self._pool.up or self._pool.connecting
        backoff = self._spare_retry if some else self._first_retry
        return backoff.next_s(random.random())  # noqa: S311  (jitter)

    async def _acquire(self, count: int) -> float:
        """Ask for `count` volunteers; return how long to wait before asking again."""
        start = time.monotonic()
        session = self._session
        self._observe(Searching())
        offers = await self._gather(count)
        taken: set[ChannelOffer] = set()
        try:
            reply = await self._ask(session, offers)
            entry = self._exit_of(session, reply)
            if entry is not None:
                asked_s = time.monotonic() - start
                for offer, answer in zip(offers, reply.answers, strict=False):
                    if isinstance(answer, Answer):
                        taken.add(offer)
                        self._start(session, entry, reply, offer, answer, asked_s=asked_s)
                self._fall_back(session, entry, reply.ticket)
        except BrokerSilent as error:
            retry_s = self._next_pause_s()
            self._observe(BrokerUnreachable(str(error), retry_s))
            return retry_s
        finally:
            for offer in offers:
                if offer not in taken:
                    await offer.close()
        if taken:
            return 0.0 if len(taken) == count else self._next_pause_s()
        self._failed.clear()
        retry_s = max(reply.retry_after_s, self._next_pause_s())
        if not self._pool.up:
            self._observe(NoVolunteer(retry_s))
        return retry_s

    async def _gather(self, count: int) -> list[ChannelOffer]:
        private = self._descriptor.private_candidates
        offers: list[ChannelOffer] = []

        async def gather(number: int) -> None:
            stun = self._nat_probe.server(number)
            media = self._config.media
            offers.append(await ChannelOffer.gather(stun, private=private, media=media))

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(count):
                    group.create_task(gather(number), name="links/gather")
        except BaseException:
            for offer in offers:
                await offer.close()
            raise
        return offers

    async def _ask(self, session: ClientSession, offers: list[ChannelOffer]) -> RendezvousReply:
        avoid = dict.fromkeys(self._pool.volunteers + list(self._failed))
        told = tuple(self._unreached)
        reply = await self._brokers.ask(
            tuple(offer.description for offer in offers),
            exit_id=session.exit_id or self._choose_exit(),
            avoid=tuple(avoid)[: limits.AVOIDED_VOLUNTEERS],
            lanes=self._config.lanes - 1,
            nat=self._nat_probe.nat,
            failed=told,
        )
        for volunteer in told:
            if volunteer in self._unreached:
                self._unreached.remove(volunteer)
        return reply

    def _choose_exit(self) -> str | None:
        ids = [entry.id for entry in self._descriptor.exits]
        return self._exits.choose(ids, time.monotonic(), random.random())  # noqa: S311  (balance)

    def _exit_of(self, session: ClientSession, reply: RendezvousReply) -> ExitEntry | None:
        """Return the exit a reply is about, if it can be this session's."""
        entry = self._descriptor.exit(reply.exit or "")
        if entry is None or session.exit_id not in (None, entry.id):
            return None
        return entry

    def _start(
        self,
        session: ClientSession,
        entry: ExitEntry,
        reply: RendezvousReply,
        offer: ChannelOffer,
        answer: Answer,
        *,
        asked_s: float,
    ) -> None:
        session.exit_id = entry.id
        path = VolunteerPath(offer, answer.description, answer.volunteer, asked_s)
        self._pool.start(
            Attempt(session, path, reply.ticket, entry.spki_sha256, list(answer.lane_tickets))
        )

    # --- lanes and direct links -----------------------------------------------------------------

    def _add_lanes(self) -> None:
        """Make up for volunteers that are missing by lanes through those that are there."""
        ready = self._pool.ready
        for attempt in ready:
            missing = self._config.links - len(ready) - len(self._pool.connecting)
            alone = attempt.path.has_media or attempt.round_trip_s < self._config.lane_rtt_s
            if missing <= 0 or alone:
                continue
            while missing > 0 and attempt.lane_tickets and self._room() > 0:
                self._start_lane(attempt, attempt.lane_tickets.pop())
                missing -= 1

    def _start_lane(self, parent: Attempt, link_ticket: str) -> None:
        assert parent.link is not None  # it is ready
        assert isinstance(parent.path, VolunteerPath)  # only their answers bring lane tickets
        number = next(self._lanes)
        path = LanePath(
            number,
            link_ticket,
            parent.path.volunteer,
            parent.link.send_control,
            known=parent.path.addresses,
            stun=self._nat_probe.server(number),
            private=self._descriptor.private_candidates,
        )
        self._pool.start(Attempt(parent.session, path, parent.ticket, parent.pins))

    def _fall_back(self, session: ClientSession, entry: ExitEntry, ticket: str) -> None:
        """Go to the exit without a volunteer if none is found or reached for a while."""
        if entry.direct and not self._falling_back and not self._pool.up:
            self._falling_back = True
            self._tasks.spawn(self._connect_directly(session, entry, ticket), "direct")

    async def _connect_directly(
        self, session: ClientSession, entry: ExitEntry, ticket: str
    ) -> None:
        try:
            await asyncio.sleep(self._config.direct_delay_s)
            moved = session.exit_id not in (None, entry.id)
            if not (self._pool.up or session.tunnel.ended or moved):
                session.exit_id = entry.id
                path = UnrelayedPath(entry.url, ticket)
                self._pool.start(Attempt(session, path, ticket, entry.spki_sha256))
        finally:
            self._falling_back = False


class _SessionOwner:
    """Owns one session's tunnel and tells the supervisor which session it speaks of."""

    session: ClientSession

    def __init__(self, supervisor: LinkSupervisor) -> None:
        self._supervisor = supervisor

    def link_down(self, number: int, error: LinkLost) -> None:
        self._supervisor.link_down(number, error)

    def link_leaving(self, number: int) -> None:
        self._supervisor.link_leaving(number)

    def link_control(self, number: int, message: Control) -> None:
        self._supervisor.link_control(number, message)

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Exits ask nothing of clients."""
        stream.refuse(Failure.POLICY)

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Nor here."""
        stream.refuse(Failure.POLICY)

    def tunnel_leaving(self) -> None:
        self._supervisor.session_leaving(self.session)

    def tunnel_ended(self, reason: LinkCode) -> None:
        self._supervisor.session_ended(self.session, reason)
