"""Requests that must not be done twice, though their readers repeat them."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from passerelle import limits
from passerelle.exit.gateway.recording import Recording
from passerelle.exit.gateway.refusals import Refusal, RequestRefused
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.gateway.site import Site, Target
from passerelle.io.tasks import TaskSet
from passerelle.wire.binaryhttp import Request


@dataclass(slots=True)
class _Deed:
    """A request that must not be done twice."""

    task: asyncio.Task[Recording | RequestRefused]
    until_s: float
    ticket: bytes
    """The id of the ticket that brought it."""


class Once:
    """Requests with an `Idempotency-Key`: each is done once, and its answer remembered for a while.

    It is done to the end although the way to its reader is lost, because the reader repeats it over
    another way and is told how it went.
    """

    def __init__(
        self, site: Site, settings: GatewaySettings, tasks: TaskSet, clock: Callable[[], float]
    ) -> None:
        """Take the parameters of `Shared`."""
        self._site = site
        self._settings = settings
        self._tasks = tasks
        self._clock = clock
        self._deeds: OrderedDict[bytes, _Deed] = OrderedDict()
        self._of_tickets: Counter[bytes] = Counter()
        """How many are remembered of each ticket."""

    def __len__(self) -> int:
        """Return how many requests are remembered."""
        return len(self._deeds)

    async def ask(
        self, ticket: bytes, key: bytes, target: Target, request: Request
    ) -> tuple[Recording, bool]:
        """Return the answer, and whether this is the first time. The first closes it in the end.

        `key` is what repeated requests have in common. Raises RequestRefused: QUOTA if too many
        are remembered, of this ticket or of all.
        """
        self._forget()
        deed = self._deeds.get(key)
        is_first = deed is None
        if deed is None:
            if (
                len(self._deeds) >= limits.GATEWAY_ONCE
                or self._of_tickets[ticket] >= limits.GATEWAY_ONCE_OF_TICKET
            ):
                raise RequestRefused(Refusal.QUOTA)
            task = self._tasks.start(self._do(target, request), "once")
            deed = _Deed(task, self._clock() + limits.GATEWAY_ONCE_S, ticket)
            self._deeds[key] = deed
            self._of_tickets[ticket] += 1
        try:
            found = await asyncio.shield(deed.task)
        except asyncio.CancelledError:
            if is_first and deed.task.done() and not deed.task.cancelled():
                self._disown(deed.task.result())
            elif is_first:
                deed.task.add_done_callback(self._ended)
            raise
        if isinstance(found, RequestRefused):
            raise RequestRefused(found.refusal)
        return found, is_first

    async def _do(self, target: Target, request: Request) -> Recording | RequestRefused:
        try:
            answer = await self._site.ask(target, request)
        except RequestRefused as error:
            return error
        recording = Recording(answer, self._settings.cached_bytes, ())
        self._tasks.spawn(recording.run(), "recording")
        return recording

    def _ended(self, task: asyncio.Task[Recording | RequestRefused]) -> None:
        if not task.cancelled():
            self._disown(task.result())

    @staticmethod
    def _disown(found: Recording | RequestRefused) -> None:
        if isinstance(found, Recording):
            found.close()

    def _forget(self) -> None:
        """Forget what is old, and answers that take too much memory but not that they were."""
        now = self._clock()
        while self._deeds and next(iter(self._deeds.values())).until_s <= now:
            _, old = self._deeds.popitem(last=False)
            self._of_tickets[old.ticket] -= 1
            if not self._of_tickets[old.ticket]:
                del self._of_tickets[old.ticket]
        held = 0
        for deed in reversed(self._deeds.values()):
            if deed.task.done() and not deed.task.cancelled():
                found = deed.task.result()
                if isinstance(found, Recording):
                    held += found.size
                    if held > limits.GATEWAY_ONCE_BYTES:
                        held -= found.size
                        found.drop()
