"""The public page at `/status`, and at `/`: how many people the network helps, for anybody.

It is made anew once a minute, and shows the same to all who ask in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from passerelle.broker.audience import pages
from passerelle.broker.audience.figures import Figures, figures
from passerelle.broker.audience.gathering import Gathering
from passerelle.broker.audience.pages import FigurePage, Words
from passerelle.broker.cluster import BrokerCluster
from passerelle.core.rounding import rounded
from passerelle.wire.descriptor import Descriptor

STATUS_AGE_S: Final = 60
"""How old a page may be, here and in caches."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """The figures of one minute, rounded."""

    at_s: float
    volunteers: int
    """Volunteers at all brokers."""
    readers: int
    counted: Figures
    brokers: int
    """Brokers that `counted` is from."""


class StatusPage:
    """The handlers of the page."""

    def __init__(
        self,
        descriptor: Descriptor,
        cluster: BrokerCluster,
        gathering: Gathering,
        clock: Callable[[], float],
    ) -> None:
        """`clock` tells Unix time."""
        self._name = descriptor.name
        self._brokers = len(descriptor.brokers)
        self._cluster = cluster
        self._gathering = gathering
        self._looking = asyncio.Lock()
        self._clock = clock
        self._page = FigurePage("status")
        self._shown: _Shown | None = None
        self._made: dict[str, str] = {}
        """The page of `_shown` in each language that was asked for."""

    def add_routes(self, router: web.UrlDispatcher, *, front: bool) -> None:
        """Serve the page from `router`; with `front` it is what `/` shows, too."""
        router.add_get("/status", self._show)
        router.add_get("/status/{file}", self._page.file)
        if front:
            router.add_get("/", self._show)

    async def _show(self, request: web.Request) -> web.Response:
        words = self._page.words(request)
        async with self._looking:
            shown, now_s = self._shown, self._clock()
            if shown is None or not 0 <= now_s - shown.at_s < STATUS_AGE_S:
                # All languages show the same minute: thirteen looks must not tell more than one.
                self._shown = shown = await self._look(now_s)
                self._made.clear()
        if words.code not in self._made:
            self._made[words.code] = self._make(words, shown)
        return web.Response(
            text=self._made[words.code],
            content_type="text/html",
            headers={
                **pages.HEADERS,
                "Cache-Control": f"public, max-age={STATUS_AGE_S}",
                "Content-Language": words.code,
                "Vary": "Accept-Language",
            },
        )

    async def _look(self, now_s: float) -> _Shown:
        totals = self._cluster.totals()
        gathered = await self._gathering.gather(None)
        return _Shown(
            at_s=now_s,
            volunteers=int(rounded(totals.volunteers)),
            readers=int(rounded(totals.people)),
            counted=figures(gathered.counted),
            brokers=gathered.brokers,
        )

    def _make(self, words: Words, shown: _Shown) -> str:
        counted = shown.counted
        parts = (
            "" if shown.volunteers else f"<p>{words['nobody']}</p>",
            pages.sums(
                words,
                {
                    "now": shown.volunteers,
                    "people": shown.readers,
                    "helped": counted.helped,
                    "data": counted.megabytes,
                },
            ),
            pages.as_of(words, shown.at_s),
            pages.counted_by(words, shown.brokers, self._brokers),
            pages.hours_and_countries(words, counted),
        )
        lead = words.filled("lead", network=self._name)
        return self._page.page(words, words["status"], lead, "\n".join(parts))
