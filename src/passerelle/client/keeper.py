"""Keeps a client's links ready: one session, N links, one rendezvous at a time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import time
from collections import deque
from dataclasses import dataclass, field

from passerelle import limits
from passerelle.client.config import ClientConfig
from passerelle.client.links import Introduction, Membership
from passerelle.client.notices import (
    BrokerUnreachable,
    LinkDown,
    LinkUp,
    NoVolunteer,
    Observe,
    Searching,
)
from passerelle.client.rendezvous import BrokerSilent, Method, ask
from passerelle.core.backoff import Backoff
from passerelle.errors import Failure, LinkCode, LinkLost, StreamFailed
from passerelle.io.rtc import ChannelOffer, ChannelTransport
from passerelle.io.tasks import TaskSet
from passerelle.io.tls import client_context
from passerelle.io.tunnel import Tunnel, TunnelStream
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.frames import SESSION_ID_BYTES
from passerelle.wire.rendezvous import Answer, Reply

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """An answered offer, and what its link needs besides."""

    membership: Membership
    offer: ChannelOffer
    answer: Answer
    ticket: str = field(repr=False)
    pins: tuple[bytes, ...]
    asked_s: float
    """What the rendezvous took."""


class Keeper:
    """Owns the session and brings links to it.

    `run` is its one loop. A session that is lost is followed by a new one; streams of the old one
    have failed by then.
    """

    def __init__(
        self, config: ClientConfig, descriptor: Descriptor, method: Method, observe: Observe
    ) -> None:
        self._config = config
        self._descriptor = descriptor
        self._method = method
        self._observe = observe
        self._context = client_context()
        self._tasks = TaskSet("links")
        self._numbers = itertools.count(1)
        self._attempts: dict[int, _Attempt] = {}
        """Links that are being made, are up, or are closing."""
        self._connecting: set[int] = set()
        self._up: set[int] = set()
        """Links of the present session that the exit has welcomed."""
        self._failed: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Volunteers whose links failed lately: others first."""
        self._stumbled = False
        """Whether a link could not be made since the last pause."""
        self._changed = asyncio.Event()
        self._linked = asyncio.Event()
        self._first_retry = Backoff(*config.retry_s)
        self._spare_retry = Backoff(*config.spare_retry_s)
        self._closing = False
        self._membership = self._new_session()

    def _new_session(self) -> Membership:
        tunnel = Tunnel(self, client=True, grace_s=self._config.grace_s)
        return Membership(secrets.token_bytes(SESSION_ID_BYTES), tunnel)

    @property
    def link_count(self) -> int:
        """Links that can take new data."""
        return self._membership.tunnel.ready_links

    async def open(self, host: str, port: int) -> TunnelStream:
        """Return a new stream, waiting up to `patience_s` for a first link.

        The exit's answer is still to come (`TunnelStream.opened`). Raises
        StreamFailed(NO_VOLUNTEER).
        """
        try:
            async with asyncio.timeout(self._config.patience_s):
                while not self._up:
                    self._linked.clear()
                    await self._linked.wait()
        except TimeoutError:
            raise StreamFailed(Failure.NO_VOLUNTEER) from None
        return self._membership.tunnel.open(host, port)

    async def run(self) -> None:
        """Bring links as long as it is not cancelled."""
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

    def _missing(self) -> int:
        made = len(self._connecting)
        # Stalled and draining links are replaced, and yet count against the session's limit.
        most = limits.LINKS_PER_SESSION - len(self._up)
        return min(self._config.links - self.link_count, most) - made

    async def close(self) -> None:
        """End the session, at the exit too, and all links. `run` must have ended."""
        self._closing = True
        self._membership.tunnel.close()
        await self._tasks.close()
        for attempt in self._attempts.values():  # those whose task never began
            await attempt.offer.close()
        self._attempts.clear()

    # --- TunnelHandler --------------------------------------------------------------------------

    def link_down(self, number: int, error: LinkLost) -> None:
        """Replace a link that ended."""
        if number in self._up:  # of others, whoever makes them tells
            self._part(number, error)

    def link_leaving(self, number: int) -> None:
        """Replace a link that will end."""
        self._changed.set()

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Exits ask nothing of clients."""
        stream.refuse(Failure.POLICY)

    def tunnel_ended(self, reason: LinkCode) -> None:
        """Start a new session in place of a lost one."""
        self._up.clear()
        if not self._closing:
            _log.info("the session ended (%s); starting a new one", reason.name.lower())
            self._membership = self._new_session()
            self._changed.set()

    # --- inside ---------------------------------------------------------------------------------

    async def _pause(self, pause_s: float) -> None:
        """Wait `pause_s`, less when the last link is lost meanwhile."""
        had_link = bool(self._up)
        deadline = time.monotonic() + pause_s
        while (left_s := deadline - time.monotonic()) > 0:
            if had_link and not self._up:
                self._first_retry.reset()
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _acquire(self, count: int) -> float:
        """Ask for `count` volunteers; return how long to wait before asking again."""
        start = time.monotonic()
        membership = self._membership
        self._observe(Searching())
        offers = await self._gather(count)
        taken: set[ChannelOffer] = set()
        try:
            reply = await self._ask(membership, offers)
            for attempt in _match(membership, offers, reply, self._descriptor, start):
                taken.add(attempt.offer)
                self._start(attempt)
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
        if not self._up:
            self._observe(NoVolunteer(retry_s))
        return retry_s

    def _next_pause_s(self) -> float:
        backoff = self._spare_retry if self._up or self._connecting else self._first_retry
        return backoff.next_s(random.random())  # noqa: S311  (jitter)

    async def _gather(self, count: int) -> list[ChannelOffer]:
        stun = self._descriptor.stun
        chosen = (secrets.choice(stun),) if stun else ()
        offers: list[ChannelOffer] = []

        async def gather() -> None:
            offers.append(await ChannelOffer.gather(chosen))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(gather(), name="links/gather")
        except BaseException:
            for offer in offers:
                await offer.close()
            raise
        return offers

    async def _ask(self, membership: Membership, offers: list[ChannelOffer]) -> Reply:
        busy = [attempt.answer.volunteer for attempt in self._attempts.values()]
        avoid = dict.fromkeys(busy + list(self._failed))
        return await ask(
            self._method,
            self._descriptor.brokers[0],
            tuple(offer.description for offer in offers),
            exit_id=membership.exit_id,
            avoid=tuple(avoid)[: limits.AVOIDED_VOLUNTEERS],
        )

    def _start(self, attempt: _Attempt) -> None:
        number = next(self._numbers)
        self._connecting.add(number)
        self._attempts[number] = attempt
        self._tasks.spawn(self._live(number, attempt), "link")

    async def _live(self, number: int, attempt: _Attempt) -> None:
        """Make a link, and stay with it until its connection is closed."""
        try:
            transport = await attempt.offer.connect(
                attempt.answer.description, timeout_s=self._config.connect_timeout_s
            )
            try:
                await self._introduce(number, transport, attempt)
                await transport.wait_closed()
            finally:
                transport.close(LinkCode.NORMAL)
                await transport.wait_closed()
        except LinkLost as error:
            self._stumbled = True
            self._part(number, error)
        finally:
            self._attempts.pop(number, None)
            self._up.discard(number)
            self._settle(number)

    async def _introduce(self, number: int, transport: ChannelTransport, attempt: _Attempt) -> None:
        introduction = Introduction(attempt.membership, attempt.ticket)
        timeout_s = self._config.welcome_timeout_s
        await introduction.run(number, transport, self._context, attempt.pins, timeout_s)
        self._up.add(number)
        self._settle(number)
        self._first_retry.reset()
        self._spare_retry.reset()
        steps = (("rendezvous", attempt.asked_s), *attempt.offer.steps, *introduction.steps)
        self._observe(LinkUp(number, steps))

    def _settle(self, number: int) -> None:
        """A link is up, or will not be."""
        self._connecting.discard(number)
        self._linked.set()
        self._changed.set()

    def _part(self, number: int, error: LinkLost) -> None:
        """A link ended, or could not be made."""
        self._up.discard(number)
        self._failed.append(self._attempts[number].answer.volunteer)
        self._observe(LinkDown(number, str(error)))
        self._changed.set()


def _match(
    membership: Membership,
    offers: list[ChannelOffer],
    reply: Reply,
    network: Descriptor,
    asked_at: float,
) -> list[_Attempt]:
    """Return what to try; fixes the session's exit with the first answer."""
    entry = network.exit(reply.exit or "")
    if entry is None or membership.exit_id not in (None, entry.id):
        return []
    asked_s = time.monotonic() - asked_at
    attempts = [
        _Attempt(membership, offer, answer, reply.ticket, entry.spki_sha256, asked_s)
        for offer, answer in zip(offers, reply.answers, strict=False)
        if isinstance(answer, Answer)
    ]
    if attempts:
        membership.exit_id = entry.id
    return attempts
