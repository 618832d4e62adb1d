"""One answer of the site for all readers who ask for it.

Whoever asks first is the *owner* and asks the site; others who ask meanwhile wait for the head. If
that says that the answer may be shared, it is recorded, and all follow the recording. If not, each
asks for itself, and so it is remembered that nobody needs to wait there.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from passerelle import limits
from passerelle.core.gateway.cache import AnswerCache, Kept
from passerelle.core.gateway.freshness import fresh_s, may_share, selecting
from passerelle.exit.gateway.recording import Recording
from passerelle.exit.gateway.refusals import RequestRefused
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.gateway.site import Site, SiteAnswer, Target
from passerelle.io.tasks import TaskSet
from passerelle.wire.binaryhttp import Request


class Shared:
    """Answers that all readers of a gateway share."""

    def __init__(
        self,
        site: Site,
        settings: GatewaySettings,
        tasks: TaskSet,
        clock: Callable[[], float],
    ) -> None:
        """`tasks` run recordings; `clock` tells monotonic seconds."""
        self._site = site
        self._settings = settings
        self._tasks = tasks
        self._clock = clock
        self._cache = AnswerCache(settings.cache_bytes)
        self._flights: dict[str, asyncio.Future[Recording | None]] = {}
        """Answers that are on their way; None if each who waits is to ask for itself."""
        self._recordings = 0
        self._unshared: OrderedDict[str, float] = OrderedDict()
        """Addresses whose answers may not be shared, and until when that is believed."""

    def find(self, target: Target, request: Request) -> Kept | None:
        """Return an answer that is kept and fresh."""
        if not may_share(request):
            return None
        return self._cache.find(str(target), request.fields, self._clock())

    def changed(self, target: Target, status: int) -> None:
        """Forget what a request has changed that was answered with `status` (RFC 9111 §4.4)."""
        if 200 <= status < 400:
            self._cache.forget(str(target))

    async def ask(self, target: Target, request: Request) -> tuple[Recording | SiteAnswer, bool]:
        """Return an answer, and whether it is the asker's own; a SiteAnswer always is.

        The owner closes it in the end. Raises RequestRefused.
        """
        url = str(target)
        if may_share(request) and not self._is_unshared(url):
            flight = self._flights.get(url)
            if flight is None:
                return await self._begin(url, target, request), True
            # A reader who is cancelled does not take the answer from the others.
            recording = await asyncio.shield(flight)
            # Whoever waited for what is not shared waits for nobody else.
            if recording and selecting(request.fields, recording.fields) == recording.selecting:
                return recording, False
        return await self._site.ask(target, request), True

    async def _begin(self, url: str, target: Target, request: Request) -> Recording | SiteAnswer:
        flight: asyncio.Future[Recording | None] = asyncio.get_running_loop().create_future()
        self._flights[url] = flight
        recording: Recording | None = None
        try:
            answer = await self._site.ask(target, request)
            recording = self._record(url, request, answer)
            return recording or answer
        except RequestRefused as error:
            # A site that is down is asked once for all who wait.
            flight.set_exception(error)
            flight.exception()
            raise
        finally:
            if recording is None:
                del self._flights[url]
            if not flight.done():
                flight.set_result(recording)

    def _record(self, url: str, request: Request, answer: SiteAnswer) -> Recording | None:
        """Begin to record an answer, or return None if each must ask for itself."""
        most_bytes = self._settings.cached_bytes
        life_s = fresh_s(request.fields, answer.status, answer.fields)
        if life_s <= 0 or (answer.size or 0) > most_bytes:
            if _has_cookie(request):
                # It says nothing of the answers to those who have none.
                return None
            self._unshared[url] = self._clock() + limits.GATEWAY_UNSHARED_S
            if len(self._unshared) > limits.GATEWAY_UNSHARED:
                self._unshared.popitem(last=False)
            return None
        if (self._recordings + 1) * most_bytes > self._settings.cache_bytes:
            return None
        recording = Recording(answer, most_bytes, selecting(request.fields, answer.fields))
        self._recordings += 1
        self._tasks.spawn(self._run(url, recording, life_s), "recording")
        return recording

    async def _run(self, url: str, recording: Recording, life_s: float) -> None:
        came_s = self._clock()
        try:
            await recording.run()
        finally:
            self._recordings -= 1
            del self._flights[url]
        if recording.is_complete:
            kept = Kept(
                recording.status,
                recording.fields,
                recording.content,
                recording.selecting,
                came_s,
                came_s + life_s,
            )
            self._cache.keep(url, kept, self._clock())

    def _is_unshared(self, url: str) -> bool:
        until_s = self._unshared.get(url)
        if until_s is None:
            return False
        if until_s > self._clock():
            return True
        del self._unshared[url]
        return False


def _has_cookie(request: Request) -> bool:
    return any(name == b"cookie" for name, _ in request.fields)
