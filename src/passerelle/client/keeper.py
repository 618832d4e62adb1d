"""Keeps a client's links ready: one session, N links, one rendezvous at a time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import time
from collections import deque

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
from passerelle.io.rtc import ChannelOffer
from passerelle.io.tasks import TaskSet
from passerelle.io.tls import client_context
from passerelle.io.tunnel import Tunnel, TunnelStream
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.frames import SESSION_ID_BYTES
from passerelle.wire.rendezvous import Answer, Reply

_log = logging.getLogger(__name__)


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
        self._connecting = 0
        self._avoid: deque[bytes] = deque(maxlen=limits.AVOIDED_VOLUNTEERS)
        """Volunteers with a link of ours, and lately failed ones."""
        self._volunteers: dict[int, bytes] = {}
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
                while not self._membership.tunnel.ready_links:
                    self._linked.clear()
                    await self._linked.wait()
        except TimeoutError:
            raise StreamFailed(Failure.NO_VOLUNTEER) from None
        return self._membership.tunnel.open(host, port)

    async def run(self) -> None:
        """Bring links as long as it is not cancelled."""
        while True:
            self._changed.clear()
            missing = self._config.links - self.link_count - self._connecting
            if missing > 0:
                pause_s = await self._acquire(min(missing, limits.OFFERS_PER_REQUEST))
                await self._pause(pause_s)
            else:
                await self._changed.wait()

    async def close(self) -> None:
        """End the session, at the exit too, and all links."""
        self._closing = True
        self._membership.tunnel.close()
        await self._tasks.close()

    # --- TunnelHandler --------------------------------------------------------------------------

    def link_down(self, number: int, error: LinkLost) -> None:
        """Replace a link that ended."""
        self._release(number)
        self._observe(LinkDown(number, str(error)))
        self._changed.set()

    def link_leaving(self, number: int) -> None:
        """Replace a link that will end."""
        self._changed.set()

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Exits ask nothing of clients."""
        stream.refuse(Failure.POLICY)

    def tunnel_ended(self, reason: LinkCode) -> None:
        """Start a new session in place of a lost one."""
        if not self._closing:
            _log.info("the session ended (%s); starting a new one", reason.name.lower())
            self._membership = self._new_session()
            self._changed.set()

    # --- inside ---------------------------------------------------------------------------------

    async def _pause(self, pause_s: float) -> None:
        """Wait `pause_s`, less when the last link is lost meanwhile."""
        had_link = self.link_count > 0
        deadline = time.monotonic() + pause_s
        while (left_s := deadline - time.monotonic()) > 0:
            if had_link and not self.link_count:
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
        try:
            reply = await ask(
                self._method,
                self._descriptor.brokers[0],
                tuple(offer.description for offer in offers),
                exit_id=membership.exit_id,
                avoid=tuple(self._avoid),
            )
        except BrokerSilent as error:
            await self._discard(offers)
            retry_s = self._next_pause_s()
            self._observe(BrokerUnreachable(str(error), retry_s))
            return retry_s
        except BaseException:
            await self._discard(offers)
            raise
        answered = await self._take(membership, offers, reply, time.monotonic() - start)
        if answered:
            return 0.0 if answered == count else self._next_pause_s()
        retry_s = max(reply.retry_after_s, self._next_pause_s())
        if not self.link_count:
            self._observe(NoVolunteer(retry_s))
        return retry_s

    def _next_pause_s(self) -> float:
        backoff = self._spare_retry if self.link_count or self._connecting else self._first_retry
        return backoff.next_s(random.random())  # noqa: S311  (jitter)

    async def _gather(self, count: int) -> list[ChannelOffer]:
        stun = self._descriptor.stun
        chosen = (secrets.choice(stun),) if stun else ()
        return list(await asyncio.gather(*(ChannelOffer.gather(chosen) for _ in range(count))))

    async def _discard(self, offers: list[ChannelOffer]) -> None:
        for offer in offers:
            await offer.close()

    async def _take(
        self, membership: Membership, offers: list[ChannelOffer], reply: Reply, asked_s: float
    ) -> int:
        """Start connecting to those who answered; return how many did."""
        exit_entry = self._descriptor.exit(reply.exit or "")
        answered = 0
        for index, offer in enumerate(offers):
            answer = reply.answers[index] if index < len(reply.answers) else None
            if not isinstance(answer, Answer) or exit_entry is None:
                await offer.close()
                continue
            if membership.exit_id is None:
                membership.exit_id = exit_entry.id
            answered += 1
            self._connecting += 1
            self._avoid.append(answer.volunteer)
            work = self._connect(
                membership, offer, answer, reply.ticket, exit_entry.spki_sha256, asked_s
            )
            self._tasks.spawn(work, "connect")
        return answered

    async def _connect(
        self,
        membership: Membership,
        offer: ChannelOffer,
        answer: Answer,
        ticket: str,
        pins: tuple[bytes, ...],
        asked_s: float,
    ) -> None:
        number = next(self._numbers)
        self._volunteers[number] = answer.volunteer
        introduction = Introduction(membership, ticket)
        try:
            transport = await offer.connect(
                answer.description, timeout_s=self._config.connect_timeout_s
            )
            introduction.restart_clock()
            await introduction.run(
                number, transport, self._context, pins, self._config.welcome_timeout_s
            )
        except LinkLost as error:
            self._release(number, keep_avoiding=True)
            self._observe(LinkDown(number, str(error)))
        else:
            self._first_retry.reset()
            self._spare_retry.reset()
            steps = (("rendezvous", asked_s), *offer.steps, *introduction.steps)
            self._observe(LinkUp(number, steps))
        finally:
            self._connecting -= 1
            self._linked.set()
            self._changed.set()

    def _release(self, number: int, *, keep_avoiding: bool = False) -> None:
        volunteer = self._volunteers.pop(number, None)
        if volunteer is not None and volunteer in self._avoid and not keep_avoiding:
            self._avoid.remove(volunteer)
