"""A client's links: those being made, those in use, and who they lead through."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from passerelle.client.config import ClientConfig
from passerelle.client.handshake import ClientHandshake, ClientSession
from passerelle.client.notices import LinkDown, LinkUp, Observe
from passerelle.client.paths import ClosingTransport, LanePath, Path
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import client_context
from passerelle.wire.control import Control, LaneAnswer, LaneRefused


@dataclass(slots=True, eq=False)
class Attempt:
    """A way to the exit, and what its link needs besides."""

    session: ClientSession
    path: Path
    ticket: str = field(repr=False)
    pins: tuple[bytes, ...]
    lane_tickets: list[str] = field(default_factory=list, repr=False)
    """For more links through the same volunteer."""
    link: SecureLink | None = None
    """Once the exit has welcomed it."""
    round_trip_s: float = 0.0
    """From HELLO to WELCOME."""

    @property
    def is_lane(self) -> bool:
        """Whether another link through the same volunteer came before."""
        return isinstance(self.path, LanePath)


class LinkPool:
    """Makes links, and stays with each until its connection is closed."""

    def __init__(
        self,
        config: ClientConfig,
        observe: Observe,
        *,
        changed: Callable[[], None],
        failed: Callable[[Attempt, LinkLost], None],
    ) -> None:
        """`changed`: a link is up or gone; `failed`: one could not be made, or ended."""
        self._config = config
        self._observe = observe
        self._changed = changed
        self._failed = failed
        self._context = client_context()
        self._tasks = TaskSet("links")
        self._numbers = itertools.count(1)
        self._attempts: dict[int, Attempt] = {}
        """Links that are being made, are up, or are closing."""
        self._connecting: set[int] = set()
        self._up: set[int] = set()
        """Links that the exit has welcomed, those of sessions that go away included."""
        self.session: ClientSession | None = None
        """The present session: properties speak of its links only."""

    @property
    def up(self) -> list[Attempt]:
        """Links of the present session, those that stall or leave included."""
        return [each for each in map(self._attempts.__getitem__, self._up) if self._is_ours(each)]

    @property
    def ready(self) -> list[Attempt]:
        """Links that can take new data."""
        attempts = ((number, self._attempts[number]) for number in self._up)
        return [
            attempt
            for number, attempt in attempts
            if self._is_ours(attempt) and attempt.session.is_ready(number)
        ]

    @property
    def connecting(self) -> list[Attempt]:
        """Links that are being made."""
        attempts = map(self._attempts.__getitem__, self._connecting)
        return [each for each in attempts if self._is_ours(each)]

    def _is_ours(self, attempt: Attempt) -> bool:
        return attempt.session is self.session

    @property
    def volunteers(self) -> list[bytes]:
        """Whom the present session's links lead through, without repeats."""
        ours = (attempt for attempt in self._attempts.values() if self._is_ours(attempt))
        found = (attempt.path.volunteer for attempt in ours)
        return list(dict.fromkeys(each for each in found if each is not None))

    @property
    def received_bytes(self) -> dict[int, int]:
        """Bytes that each link has brought so far, by its number; of links that have not ended."""
        attempts = self._attempts.items()
        return {number: each.link.bytes_received for number, each in attempts if each.link}

    def start(self, attempt: Attempt) -> None:
        """Make a link in the background."""
        number = next(self._numbers)
        self._connecting.add(number)
        self._attempts[number] = attempt
        self._tasks.spawn(self._live(number, attempt), "link")

    def control(self, message: Control) -> None:
        """Hand a relay's answer to the lane that waits for it."""
        if isinstance(message, LaneAnswer | LaneRefused):
            for attempt in self.connecting:
                if isinstance(attempt.path, LanePath):
                    attempt.path.take(message)

    def lost(self, number: int, error: LinkLost) -> Attempt | None:
        """Part from a link that was up, and return what it was; of others, `_live` tells."""
        if number not in self._up:
            return None
        attempt = self._attempts[number]
        self._part(number, error)
        return attempt

    async def close(self) -> None:
        """Break everything off and wait until it is closed."""
        await self._tasks.close()
        for attempt in self._attempts.values():  # those whose task never began
            await attempt.path.close()
        self._attempts.clear()

    async def _live(self, number: int, attempt: Attempt) -> None:
        try:
            transport = await attempt.path.open(self._config.connect_timeout_s)
            try:
                await self._introduce(number, transport, attempt)
                await transport.wait_closed()
            finally:
                transport.close(LinkCode.NORMAL)
                await transport.wait_closed()
        except LinkLost as error:
            self._part(number, error)
        finally:
            self._attempts.pop(number, None)
            self._up.discard(number)
            self._settle(number)
            await attempt.path.close()

    async def _introduce(self, number: int, transport: ClosingTransport, attempt: Attempt) -> None:
        handshake = ClientHandshake(attempt.session, attempt.ticket)
        timeout_s = self._config.welcome_timeout_s
        attempt.link = await handshake.run(
            number, transport, self._context, attempt.pins, timeout_s
        )
        attempt.round_trip_s = handshake.steps[-1][1]
        self._up.add(number)
        steps = (*attempt.path.steps, *handshake.steps)
        self._observe(LinkUp(number, steps, attempt.path.has_media))
        self._settle(number)

    def _settle(self, number: int) -> None:
        """A link is up, or will not be."""
        self._connecting.discard(number)
        self._changed()

    def _part(self, number: int, error: LinkLost) -> None:
        self._up.discard(number)
        self._connecting.discard(number)
        self._observe(LinkDown(number, str(error)))
        self._failed(self._attempts[number], error)
        self._changed()
