"""The one loop that keeps a client's session linked."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from passerelle import limits
from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.client.exits import ExitHealth
from passerelle.client.interruptions import Interruptions
from passerelle.client.nat_probe import NatProbe
from passerelle.client.notices import (
    BrokerUnreachable,
    FamilyPresence,
    HandshakesDropped,
    NoVolunteer,
    Observe,
    Searching,
)
from passerelle.client.pool import ClientLink, LinkPool
from passerelle.client.rendezvous import BrokerSilent
from passerelle.client.retry import RetryPolicy
from passerelle.client.sessions import Sessions
from passerelle.client.supply import LinkSupply
from passerelle.errors import Failure, LinkCode, LinkLost, LinkRefused, StreamFailed
from passerelle.io.tasks import TaskSet, race
from passerelle.io.tunnel.stream import TunnelStream

HANDSHAKES_DROPPED = 2
"""One handshake that gets no answer may be chance. The person is told of this many in a row."""


class LinkSupervisor:
    """Brings links to the present session, with one request for volunteers at a time.

    Each of its parts owns one thing: `Sessions` the present session and what follows it, `LinkPool`
    the links' lives, `LinkSupply` where links come from, `RetryPolicy` when to ask again,
    `ExitHealth` which exit to ask for, `NatProbe` the class of the NAT, `Interruptions` when all of
    that is out of date. `Sessions` and `LinkPool`
    call `links_changed` at every change, and that wakes the loop.
    """

    def __init__(self, config: ClientConfig, brokers: Brokers, observe: Observe) -> None:
        """`brokers` have loaded their descriptor. Make it inside a running event loop."""
        self._config = config
        self._brokers = brokers
        self._observe = observe
        self._family_helps: bool | None = None
        """What was told last of the invite's family; None before the first answer."""
        self._changed = asyncio.Event()
        self._interrupted = asyncio.Event()
        """Set until the next request after an interruption; ends one that is under way."""
        self._handshakes_dropped = 0
        """Links in a row that volunteers were reached for, and that ended before DTLS was."""
        self._waiting = 0
        """Applications' requests that wait for a link."""
        self._tasks = TaskSet("supervisor")
        self._retry = RetryPolicy(
            first_s=config.retry_s,
            spare_s=config.spare_retry_s,
            urgent_s=config.urgent_retry_s,
            door_s=config.door_retry_s,
        )
        self._exits = ExitHealth()
        self._nat_probe = NatProbe(lambda: brokers.network.stun, observe)
        self._links = LinkPool(config, observe, owner=self)
        self._sessions = Sessions(
            self._links,
            self._exits,
            exit_count=lambda: len(brokers.network.exits),
            grace_s=config.grace_s,
            changed=self.links_changed,
        )
        self._supply = LinkSupply(config, brokers, self._exits, self._links, self._nat_probe)

    @property
    def link_count(self) -> int:
        """How many links can take new data."""
        return len(self._links.ready(self._sessions.present))

    @property
    def received_bytes(self) -> dict[int, int]:
        """Bytes that each link has brought so far, by its number."""
        return self._links.received_bytes

    # --- streams --------------------------------------------------------------------------------

    async def open(self, host: str, port: int) -> TunnelStream:
        """Return a new stream, waiting up to `patience_s` for a first link.

        The exit's answer is still to come (`TunnelStream.opened`). Raises
        StreamFailed(NO_VOLUNTEER).
        """
        async with self._patience():
            tunnel = await self._sessions.linked_tunnel()
        return tunnel.open(host, port)

    async def open_flow(self, host: str, port: int) -> TunnelStream:
        """Do as `open` does for a UDP flow. Raises StreamFailed, NO_DATAGRAMS besides."""
        async with self._patience():
            tunnel = await self._sessions.linked_tunnel()
            await tunnel.offers_flows()
        return tunnel.open_flow(host, port)

    async def offers_flows(self) -> bool:
        """Return whether the exit carries UDP. Waits and raises as `open` does."""
        async with self._patience():
            return await (await self._sessions.linked_tunnel()).offers_flows()

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        self._waiting += 1
        self._changed.set()  # a pause may be shorter now
        try:
            async with asyncio.timeout(self._config.patience_s):
                yield
        except TimeoutError:
            raise StreamFailed(Failure.NO_VOLUNTEER) from None
        finally:
            self._waiting -= 1

    # --- the loop -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring links until cancelled. Raises ConfigError when this release is too old."""
        self._nat_probe.probe()
        interruptions = Interruptions(self._take_interruption, slept_s=self._config.slept_s)
        self._tasks.spawn(interruptions.watch(), "interruptions")
        while True:
            self._changed.clear()
            missing = self._missing_volunteers()
            if missing <= 0:
                await self._changed.wait()
            elif (wait_s := self._wait_s()) > 0:
                self._supply.add_lanes(self._sessions.present)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
            else:
                await self._request(min(missing, limits.OFFERS_PER_REQUEST))

    async def close(self) -> None:
        """End the sessions, at their exits too, and all links. `run` must have ended."""
        await self._tasks.close()
        self._sessions.close()
        await self._supply.close()
        await self._links.close()
        await self._nat_probe.close()  # last, because a link that fails has the NAT probed

    def _missing_volunteers(self) -> int:
        """Return how many more volunteers the present session needs; 0 or less: none."""
        if self._sessions.is_changing_exit:
            return 0
        session = self._sessions.present
        links = (*self._links.lasting(session), *self._links.connecting(session))
        found = {link.path.volunteer for link in links} - {None}
        return min(self._config.links - len(found), self._links.room(session))

    async def _request(self, count: int) -> None:
        """Ask for `count` volunteers, and tell the observer when that brings nobody."""
        self._observe(Searching())
        if self._interrupted.is_set():
            self._interrupted.clear()
            await self._brokers.forget_connections()
        request = self._supply.request(self._sessions.present, count)
        try:
            result = await race(request, until=self._interrupted.wait())
        except BrokerSilent as error:
            if not self._is_linked:
                # This computer may have had no network, and then no volunteer has failed.
                self._supply.forget_failures()
            pause_s = self._request_ended(found_all=False)
            self._observe(BrokerUnreachable(str(error), pause_s))
            return
        if result is None:
            return  # the pause is over already
        if self._config.invite.family and result.family_helps is not self._family_helps:
            self._family_helps = result.family_helps
            self._observe(FamilyPresence(helps=result.family_helps))
        if result.found:
            self._request_ended(found_all=result.found == count)
            return
        pause_s = self._request_ended(found_all=False, least_s=result.retry_after_s)
        if not self._is_linked:
            self._observe(NoVolunteer(pause_s))

    # --- when to ask again ----------------------------------------------------------------------

    def _request_ended(self, *, found_all: bool, least_s: float = 0.0) -> float:
        return self._retry.request_ended(
            found_all=found_all,
            only_spares=self._only_spares_are_missing,
            least_s=least_s,
            by_door=self._brokers.asked_by_door,
            now=time.monotonic(),
            chance=random.random(),  # noqa: S311  (jitter)
        )

    def _wait_s(self) -> float:
        return self._retry.wait_s(
            only_spares=self._only_spares_are_missing,
            urgent=bool(self._waiting),
            now=time.monotonic(),
            chance=random.random(),  # noqa: S311  (jitter)
        )

    @property
    def _is_linked(self) -> bool:
        return bool(self._links.answering(self._sessions.present))

    @property
    def _only_spares_are_missing(self) -> bool:
        return self._is_linked or bool(self._links.connecting(self._sessions.present))

    def _take_interruption(self) -> None:
        """Ask for new links at once: the old ones, and a request under way, lead nowhere."""
        self._sessions.interrupted()
        self._supply.forget_failures()
        self._retry.start_over(time.monotonic())
        self._interrupted.set()
        self._nat_probe.probe()
        self._changed.set()

    # --- LinkOwner ------------------------------------------------------------------------------

    def links_changed(self) -> None:
        """Wake the loop after a change of the present session or of a link."""
        links = len(self._links.answering(self._sessions.present))
        self._retry.links_changed(links, now=time.monotonic())
        if links:
            self._handshakes_dropped = 0
            self._exits.link_is_up()
        self._sessions.links_changed()
        self._changed.set()

    def link_failed(self, link: ClientLink, error: LinkLost) -> None:
        """Learn from a link that could not be made, or ended."""
        if isinstance(error, LinkRefused) and error.code is LinkCode.UNKNOWN_SESSION:
            # The exit is there and has forgotten the session only.
            self._retry.start_over(time.monotonic())
        if link.stopped_at_handshake and error.code is LinkCode.TIMEOUT:
            self._handshakes_dropped += 1
            if self._handshakes_dropped == HANDSHAKES_DROPPED:
                self._observe(HandshakesDropped())
        if link.session is not self._sessions.present:
            return
        # A lane or a door that fails says nothing of volunteers, nor of the exit.
        if not (link.was_made or link.is_lane or link.is_unrelayed):
            self._retry.link_failed()
            failed = self._exits.link_failed(met_volunteer=link.met_volunteer)
            gone = failed or error.code is LinkCode.DRAINING
            if gone or link.session.exit_seems_gone:
                self._sessions.exit_seems_gone()
        self._supply.link_failed(link, error)
