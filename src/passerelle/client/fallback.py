"""Links without a volunteer, for networks in which none can be reached.

They are WebSockets, straight to the exit where the network allows that, or through a door. A client
that has no link begins one after `unrelayed_delay_s`, and leaves it when volunteers are there again
(`pool`). The exit lets it in by its ticket, so that is asked for ahead of volunteers, for whom a
broker may wait for seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from passerelle import limits
from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.client.paths import Path
from passerelle.client.pool import ClientLink, LinkPool
from passerelle.client.rendezvous import BrokerSilent
from passerelle.client.session import ClientSession
from passerelle.errors import ConfigError
from passerelle.io.tasks import TaskSet
from passerelle.wire.descriptor import ExitEntry


@dataclass(frozen=True, slots=True)
class _Admission:
    """What lets a session in at an exit."""

    session: ClientSession
    entry: ExitEntry
    ticket: str = field(repr=False)
    got_s: float
    """When it came, in monotonic seconds."""

    def holds_for(self, session: ClientSession, now: float) -> bool:
        """Whether `session` may use it: it has not left the exit, and the ticket is good."""
        age_s = now - self.got_s
        stays = session.exit_id in (None, self.entry.id)
        return self.session is session and stays and age_s < limits.CLIENT_TICKET_USED_S


class StartLink(Protocol):
    """Starts a link over a path; see `LinkSupply`."""

    def __call__(
        self, session: ClientSession, entry: ExitEntry, path: Path, ticket: str
    ) -> ClientLink:
        """Return the link, which is being made."""


class Fallback:
    """Begins links without a volunteer when a session has been without links for a while."""

    def __init__(
        self,
        config: ClientConfig,
        brokers: Brokers,
        links: LinkPool,
        choose_exit: Callable[[], str | None],
        start: StartLink,
    ) -> None:
        """`brokers` have loaded their descriptor. `choose_exit` names the exit for a new session,
        or leaves it to the broker.
        """
        self._config = config
        self._brokers = brokers
        self._links = links
        self._choose_exit = choose_exit
        self._start = start
        self._admission: _Admission | None = None
        self._tasks = TaskSet("fallback", limit=1)

    async def close(self) -> None:
        """Start no more links. Idempotent."""
        await self._tasks.close()

    def exit_id(self, session: ClientSession) -> str | None:
        """Return the exit that the session was let in at, if there is one yet."""
        admission = self._admission_of(session)
        return None if admission is None else admission.entry.id

    def admitted(self, session: ClientSession, entry: ExitEntry, ticket: str) -> None:
        """Remember by which ticket a broker lets the session in."""
        self._admission = _Admission(session, entry, ticket, time.monotonic())

    async def admit(self, session: ClientSession) -> BrokerSilent | ConfigError | None:
        """Have links without a volunteer begin after a while, where the session has no link.

        Asks for a ticket first if there is none. Returns why no broker gave one, as another request
        would meet with the same. Cancelling gives the asking up.
        """
        begin = time.monotonic()
        if not self._is_possible or self._links.answering(session):
            return None
        if self._admission_of(session) is None:
            try:
                await self._ask_for_ticket(session)
            except (BrokerSilent, ConfigError) as error:
                return error
        if not (self._tasks.full or self._tasks.closed):
            due = begin + self._config.unrelayed_delay_s
            self._tasks.spawn(self._fall_back(session, due), "unrelayed")
        return None

    @property
    def _is_possible(self) -> bool:
        if self._config.call or self._config.friend:
            return False  # no call looks like a WebSocket, and with a friend no server is asked
        network = self._brokers.network
        return any(entry.direct for entry in network.exits) or any(
            door.links for door in network.doors
        )

    def _admission_of(self, session: ClientSession) -> _Admission | None:
        found = self._admission
        return found if found and found.holds_for(session, time.monotonic()) else None

    async def _ask_for_ticket(self, session: ClientSession) -> None:
        exit_id = session.exit_id or self._choose_exit()
        reply = await self._brokers.ask((), exit_id=exit_id, avoid=(), lanes=0)
        entry = self._brokers.network.exit(reply.exit or "")
        if entry is not None and session.exit_id in (None, entry.id):
            self.admitted(session, entry, reply.ticket)

    async def _fall_back(self, session: ClientSession, due: float) -> None:
        """Try one way after the other until the session has a link, by whatever way."""
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        admission = self._admission_of(session)
        if admission is None:
            return
        from passerelle.client.unrelayed import UnrelayedPath  # noqa: PLC0415  (memory)

        entry = admission.entry
        urls = [entry.url] if entry.direct else []
        urls += self._brokers.link_doors(entry.id)
        for url in urls[: limits.UNRELAYED_LINKS]:
            if self._links.answering(session) or session.tunnel.ended:
                return
            if session.exit_id not in (None, entry.id) or self._links.room(session) <= 0:
                return
            path = UnrelayedPath(url, admission.ticket)
            link = self._start(session, entry, path, admission.ticket)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.unrelayed_patience_s):
                    await link.decided.wait()
