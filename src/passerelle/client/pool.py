"""A client's links from their making to their end, and the volunteers they lead through."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from passerelle import limits
from passerelle.client.config import ClientConfig
from passerelle.client.handshake import ClientHandshake
from passerelle.client.notices import LinkDown, LinkUp, Observe
from passerelle.client.paths import LanePath, Path
from passerelle.client.session import ClientSession
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import client_context
from passerelle.io.webrtc.engine import ClosingTransport
from passerelle.wire.control import Control, LaneAnswer, LaneRefused
from passerelle.wire.frames import Drain

LOOK_S = 0.5
"""Time between two looks for a link in the place of one that is old."""


@dataclass(slots=True, eq=False)
class ClientLink:
    """One link, from the path that leads to its exit to the end of its connection."""

    session: ClientSession
    """The session that the link joins."""
    path: Path
    ticket: str = field(repr=False)
    """The client ticket that its HELLO shows the exit."""
    pins: tuple[bytes, ...]
    """SHA-256 hashes of the keys the exit may have."""
    lane_tickets: list[str] = field(default_factory=list, repr=False)
    """Tickets for more links through the same volunteer."""
    exit_is_doubted: bool = False
    """Whether its exit seems gone and there are others: it is not waited for as long as usual."""
    met_volunteer: bool = False
    """Whether its transport was open, so that only the way from there to the exit can be broken."""
    secured: SecureLink | None = None
    """The link itself, once the exit has welcomed it."""
    round_trip_s: float = 0.0
    """Seconds from HELLO to WELCOME."""
    is_old: bool = False
    """Whether it will be ended soon, so that another one is needed."""
    decided: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set once it is up or could not be made."""

    @property
    def was_made(self) -> bool:
        """Whether the exit has welcomed it; it may have ended since."""
        return self.secured is not None

    @property
    def stopped_at_handshake(self) -> bool:
        """Whether the volunteer was reached, and its DTLS was not.

        Chrome's engine does not tell one from the other, and then this is False.
        """
        return bool(self.path.steps) and self.path.steps[-1][0] == "ice"

    @property
    def is_lane(self) -> bool:
        """Whether another link through the same volunteer came before."""
        return isinstance(self.path, LanePath)

    @property
    def is_unrelayed(self) -> bool:
        """Whether it leads through no volunteer."""
        return self.path.server is not None


class LinkOwner(Protocol):
    """Who is told what becomes of links."""

    def link_failed(self, link: ClientLink, error: LinkLost) -> None:
        """A link could not be made, or ended. Called once for each, before `links_changed`."""

    def links_changed(self) -> None:
        """A link is up, could not be made, or ended. Called at least once for each of these."""


class LinkPool:
    """Makes links, and stays with each until its connection is closed.

    Links of all sessions are here; what is asked of the pool is asked for one session.
    """

    def __init__(self, config: ClientConfig, observe: Observe, owner: LinkOwner) -> None:
        self._config = config
        self._observe = observe
        self._owner = owner
        self._context = client_context()
        self._tasks = TaskSet("links")
        self._numbers = itertools.count(1)
        self._links: dict[int, ClientLink] = {}
        """Links that are being made, are up, or are closing."""
        self._making: dict[int, asyncio.Task[None]] = {}
        """The task of each link, until its connection is closed."""
        self._connecting: set[int] = set()
        self._up: set[int] = set()
        """Links that the exit has welcomed and that have not ended."""

    def up(self, session: ClientSession) -> list[ClientLink]:
        """Return the links that are up, those that stall or leave included."""
        return [link for _, link in self._of(session, self._up)]

    def answering(self, session: ClientSession) -> list[ClientLink]:
        """Return the links that are up and have not fallen silent."""
        up = self._of(session, self._up)
        return [link for number, link in up if not session.tunnel.is_silent(number)]

    def ready(self, session: ClientSession) -> list[ClientLink]:
        """Return the links that can take new data."""
        up = self._of(session, self._up)
        return [link for number, link in up if session.tunnel.is_ready(number)]

    def lasting(self, session: ClientSession) -> list[ClientLink]:
        """Return the links that can take new data and are not to be ended soon."""
        return [link for link in self.ready(session) if not link.is_old]

    def connecting(self, session: ClientSession) -> list[ClientLink]:
        """Return the links that are being made."""
        return [link for _, link in self._of(session, self._connecting)]

    def volunteers(self, session: ClientSession) -> list[bytes]:
        """Return the volunteers that links lead through, those being made included.

        Those of links that will be ended soon are left out: another one may lead through them.
        """
        links = (*self.up(session), *self.connecting(session))
        found = (link.path.volunteer for link in links if not link.is_old)
        return list(dict.fromkeys(each for each in found if each is not None))

    def room(self, session: ClientSession) -> int:
        """Return how many more links the session may have.

        Links that stall or leave are replaced, and yet count against its limit.
        """
        return limits.LINKS_PER_SESSION - len(self.up(session)) - len(self.connecting(session))

    def _of(self, session: ClientSession, numbers: Iterable[int]) -> list[tuple[int, ClientLink]]:
        links = ((number, self._links[number]) for number in numbers)
        return [(number, link) for number, link in links if link.session is session]

    @property
    def received_bytes(self) -> dict[int, int]:
        """Bytes that each link of any session has brought so far, by number, until it is closed."""
        made = ((number, link.secured) for number, link in self._links.items())
        return {number: secured.bytes_received for number, secured in made if secured}

    def start(self, link: ClientLink) -> None:
        """Make a link in the background; its owner hears of what becomes of it."""
        number = next(self._numbers)
        self._connecting.add(number)
        self._links[number] = link
        self._making[number] = self._tasks.start(self._run(number, link), "link")

    def relay_said(self, message: Control) -> None:
        """Hand a relay's answer to the lane that waits for it."""
        if isinstance(message, LaneAnswer | LaneRefused):
            for path in self._lanes_being_made():
                path.answered(message)

    def _lanes_being_made(self) -> list[LanePath]:
        paths = (self._links[number].path for number in self._connecting)
        return [path for path in paths if isinstance(path, LanePath)]

    def link_down(self, number: int, error: LinkLost) -> ClientLink | None:
        """Learn that a link ended, and return it if it was up.

        A link that is still being made is ended by its own task, which learns of it as well.
        """
        if number not in self._up:
            return None
        link = self._links[number]
        self._link_ended(number, error)
        return link

    def give_up(self, session: ClientSession, reason: str) -> None:
        """End the session's links, and those that are being made.

        Their volunteers have not failed: they are not among `volunteers` any more.
        """
        for number, link in self._of(session, self._up | self._connecting):
            if link.secured is None:
                self._tasks.spawn(self._break_off(number, link), "break off")
            else:
                link.secured.give_up(LinkLost(LinkCode.TIMEOUT, reason))
            self._connecting.discard(number)
            self._links.pop(number, None)

    async def _break_off(self, number: int, link: ClientLink) -> None:
        making = self._making.pop(number)
        making.cancel()
        await asyncio.wait((making,))
        await link.path.close()  # the task may not have begun

    async def close(self) -> None:
        """Break all links off and wait until they are closed."""
        await self._tasks.close()
        for link in self._links.values():  # of these, the task was cancelled before it began
            await link.path.close()
        self._links.clear()
        self._making.clear()

    async def _run(self, number: int, link: ClientLink) -> None:
        try:
            transport = await link.path.open(self._config.connect_timeout_s)
            link.met_volunteer = link.path.volunteer is not None
            try:
                await self._make(number, transport, link)
                await transport.wait_closed()
            finally:
                transport.close(LinkCode.NORMAL)
                await transport.wait_closed()
        except LinkLost as error:
            self._link_ended(number, error)
        finally:
            self._links.pop(number, None)
            self._making.pop(number, None)
            self._up.discard(number)
            self._connecting.discard(number)
            self._owner.links_changed()
            await link.path.close()

    async def _make(self, number: int, transport: ClosingTransport, link: ClientLink) -> None:
        handshake = ClientHandshake(link.session, link.ticket)
        config = self._config
        doubted = link.exit_is_doubted
        timeout_s = config.doubted_welcome_timeout_s if doubted else config.welcome_timeout_s
        link.secured = await handshake.run(number, transport, self._context, link.pins, timeout_s)
        link.round_trip_s = handshake.steps[-1][1]
        self._up.add(number)
        steps = (*link.path.steps, *handshake.steps)
        self._observe(LinkUp(number, steps, link.path.has_media, link.path.server))
        self._connecting.discard(number)
        link.decided.set()
        if self._config.call:
            self._tasks.spawn(self._grow_old(number, link), "age")
        if not link.is_unrelayed:
            self._tasks.spawn(self._replace_unrelayed(link), "replace")
        self._owner.links_changed()

    async def _replace_unrelayed(self, link: ClientLink) -> None:
        """Leave all links without a volunteer once `link`, through one, has lasted a while.

        A link that lasts no longer shows that the network lets volunteers be reached, and then
        stops what they send.
        """
        await asyncio.sleep(self._config.unrelayed_overlap_s)
        if link in self.answering(link.session):
            for number, other in self._of(link.session, self._up):
                if other.is_unrelayed and not other.is_old:
                    other.is_old = True
                    reason = "volunteers are there again"
                    self._tasks.spawn(self._leave(number, other, reason), "leave")

    async def _grow_old(self, number: int, link: ClientLink) -> None:
        """End a link at a random age, as a call ends, once the session has another one."""
        config = self._config
        await asyncio.sleep(config.call_age_s(random.gauss(0, 1)))
        wanted = len(self.lasting(link.session))
        link.is_old = True
        self._owner.links_changed()
        patience_s = config.call_overlap_s
        while number in self._up:
            others = len(self.lasting(link.session))
            if others >= (wanted if patience_s > 0 else 1):
                await self._leave(number, link, "as a call does, after its time")
                return
            await asyncio.sleep(LOOK_S)
            patience_s -= LOOK_S

    async def _leave(self, number: int, link: ClientLink, reason: str) -> None:
        """Send nothing new over a link, and end it when what is under way has come."""
        assert link.secured is not None  # it is up
        link.secured.send([Drain()])
        link.session.tunnel.link_draining(link.secured)
        await asyncio.sleep(self._config.farewell_s)
        if number in self._up:
            link.secured.give_up(LinkLost(LinkCode.NORMAL, reason))

    def _link_ended(self, number: int, error: LinkLost) -> None:
        self._up.discard(number)
        self._connecting.discard(number)
        link = self._links[number]
        for path in self._lanes_being_made():
            if path.parent is link.path:
                path.parent_ended()
        link.decided.set()
        self._observe(LinkDown(number, str(error)))
        self._owner.link_failed(link, error)
        self._owner.links_changed()
