"""The broker as a whole: its routes, and how it ends."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from passerelle.broker.amp import AmpEndpoint
from passerelle.broker.assets import Assets
from passerelle.broker.audience.countfile import CountKeeper, Kept, load
from passerelle.broker.audience.counting import Audience
from passerelle.broker.audience.gathering import Gathering
from passerelle.broker.audience.newsroom import NewsroomPage
from passerelle.broker.audience.status import StatusPage
from passerelle.broker.channel import BrokerChannel
from passerelle.broker.cluster import BrokerCluster
from passerelle.broker.config import BrokerConfig
from passerelle.broker.counts import BrokerMetrics
from passerelle.broker.demand import DemandWord
from passerelle.broker.doorcounts import DoorCounts
from passerelle.broker.embed import EmbedPage, ExtensionLinks
from passerelle.broker.exits import Exits
from passerelle.broker.friends import FriendRequests
from passerelle.broker.issuer import TicketIssuer
from passerelle.broker.locator import PeerLocator, Sender
from passerelle.broker.placement import Placement
from passerelle.broker.post import PostEndpoint
from passerelle.broker.ratetickets import RateTickets
from passerelle.broker.readpage import ReadPage
from passerelle.broker.rendezvous import Rendezvous
from passerelle.broker.stats import PublicStats
from passerelle.broker.translatedpage import TranslatedPage
from passerelle.broker.volunteerendpoint import VolunteerEndpoint
from passerelle.broker.volunteers import Volunteers
from passerelle.core.embed import EXTENSIONS_PATH
from passerelle.core.matching.pool import VolunteerPool
from passerelle.core.origin import crowd_at
from passerelle.core.rounding import rounded
from passerelle.errors import PeerError
from passerelle.io.server.bus import Bus
from passerelle.io.server.frontserver import FrontServer
from passerelle.io.server.metrics import Metrics
from passerelle.io.server.web import FOR_PAGES, is_from_page
from passerelle.io.tasks import TaskSet
from passerelle.wire import ways
from passerelle.wire.bus import Subjects

BEHIND_GATEWAY: Final = Sender(crowd_at("gateway"), None)
"""Whoever asks through a gateway. No door has that name, because doors are URLs."""

_log = logging.getLogger(__name__)


class Broker:
    """Introduces clients to volunteers. May share an application with an exit."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        clock: Callable[[], float] = time.time,
        token: Callable[[int], bytes] = secrets.token_bytes,
        metrics: Metrics | None = None,
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes; the broker's numbers
        appear in `metrics`.

        Reads the widget's files; raises ConfigError when they are not all there.
        """
        metrics = metrics or Metrics()
        self._config = config
        self._document = config.document
        front = FrontServer()
        locator = PeerLocator(config, front)
        issuer = TicketIssuer(config, clock=clock, token=token)
        exits = Exits(config.descriptor)
        demand = DemandWord(clock=clock, token=token)
        self.volunteers = Volunteers(config, VolunteerPool(), token)
        """The volunteers that are connected here."""
        kept = load(config.counts_file) if config.counts_file else Kept()
        audience = Audience(config.publishers, clock, kept.network, kept.publishers)
        self._keeper = config.counts_file and CountKeeper(config.counts_file, audience, clock)
        self._tasks = TaskSet("broker")
        self.placement = Placement(config, self.volunteers, issuer, audience)
        """Where an offer finds one of this broker's volunteers."""
        subjects = Subjects(config.ticket_key.public_key())
        channel = BrokerChannel(config.seal_key, clock=clock, token=token)
        self._cluster = BrokerCluster(
            subjects,
            channel,
            self.placement,
            self.volunteers,
            exits,
            private=config.descriptor.private_candidates,
            clock=clock,
        )
        self.rendezvous = Rendezvous(
            config,
            self.volunteers,
            locator,
            self._cluster,
            issuer,
            exits=exits,
            counts=BrokerMetrics(metrics),
            demand=demand,
            clock=clock,
            token=token,
        )
        """Where a sealed request is answered, whatever carried it here."""
        self._friends = FriendRequests(self.rendezvous)
        self._volunteer = VolunteerEndpoint(
            config,
            locator,
            self.volunteers,
            self._friends,
            front,
            audience=audience,
            tests=RateTickets(exits, issuer, token=token),
            demand=demand,
        )
        self._gathering = Gathering(
            audience, channel, subjects, others=self._cluster.others, clock=clock
        )
        self._newsroom = NewsroomPage(config, locator, self._gathering, clock)
        self._status = StatusPage(config.descriptor, self._cluster, self._gathering, clock)
        self._post = PostEndpoint(
            config, locator, self.rendezvous, DoorCounts(metrics, config.doors)
        )
        self._amp = AmpEndpoint(locator, self.rendezvous, document_age_s=config.document_age_s)
        self._assets = config.widget_dir and Assets(
            config.widget_dir, entry_age_s=config.document_age_s, kept_dir=config.kept_dir
        )
        self._read_page = config.reading_page and ReadPage(config.reading_page, config.document)
        self._open = False
        for name, meaning, read in (
            ("broker_volunteers", "Volunteers connected.", lambda: len(self.volunteers)),
            (
                "broker_available",
                "Volunteers with a free slot.",
                lambda: self.volunteers.pool.available,
            ),
            (
                "broker_waiting",
                "Offers that wait for a volunteer.",
                lambda: self.volunteers.waiting,
            ),
        ):
            metrics.gauge(name, meaning, read)

    def add_routes(self, app: web.Application) -> None:
        """Serve the broker's paths from `app`."""
        router = app.router
        router.add_get(ways.NETWORK_PATH, self._network)
        router.add_get("/v1/volunteer", self._volunteer.handle, allow_head=False)
        router.add_post(ways.RENDEZVOUS_PATH, self._post.handle)
        if self._config.amp:
            router.add_get(ways.AMP_NETWORK_PATH, self._amp_network)
            path = ways.AMP_RENDEZVOUS_PATH + "{sealed}"
            router.add_get(path, self._amp.answer, allow_head=False)
        router.add_get("/healthz", self._health)
        router.add_get("/v1/stats", PublicStats(self._cluster).handle)
        self._status.add_routes(router, front=self._config.front)
        self._newsroom.add_routes(router)
        if self._read_page:
            router.add_get("/read", self._read_page.handle)
        if self._assets:
            router.add_get("/w/{file}", self._assets.handle)
            router.add_get("/embed", EmbedPage(self._config, self._assets).handle)
            router.add_get(EXTENSIONS_PATH, ExtensionLinks(self._config).handle)
            if self._config.invite:
                for name in ("friend", "keep"):
                    page = TranslatedPage(
                        name, self._config.invite, self._config.descriptor, self._assets.parts
                    )
                    page.add_routes(router)
        self._open = True
        _log.info(
            "broker for %d exits starts, %s the widget's files",
            len(self._config.descriptor.exits),
            "with" if self._assets else "without",
        )

    def publish(self, document: bytes) -> None:
        """Serve `document` from now on: the same network, signed anew before the old one ends."""
        self._document = document
        if self._read_page:
            self._read_page.publish(document)

    async def introduce(self, sealed: bytes) -> bytes | None:
        """Answer a sealed request that the gateway of an exit in this process passes on.

        Nobody was seen, so it counts for a crowd, as what a door brings. Returns the sealed reply,
        None for what cannot be used. Cancelling withdraws the offers.
        """
        try:
            return await self.rendezvous.answer(sealed, BEHIND_GATEWAY)
        except PeerError:
            return None

    async def start(self, channel: Bus) -> None:
        """Hear from exits on `channel`, and share volunteers with other brokers there.

        Raises LocalError when the bus is away.
        """
        await self._cluster.start(channel)
        await self._gathering.start()
        if self._keeper:
            self._tasks.spawn(self._keeper.run(), "counts")

    async def close(self) -> None:
        """Send all volunteers away with a time to come back, within the grace time. Idempotent.

        Requests in progress are answered without them; later ones are refused as busy. Call it
        before the web server stops.
        """
        await self._friends.close()
        await self._volunteer.close()
        await self._gathering.close()
        await self._cluster.close()
        await self._tasks.close()
        if self._open:
            self._open = False
            if self._keeper:
                self._keeper.keep()
            _log.info("broker stops")

    async def _network(self, request: web.Request) -> web.Response:
        response = web.Response(
            body=self._document,
            content_type="application/json",
            headers={
                **FOR_PAGES,
                "Cache-Control": f"public, max-age={self._config.document_age_s}",
            },
        )
        if is_from_page(request):
            response.force_close()
        return response

    async def _amp_network(self, request: web.Request) -> web.Response:
        return self._amp.document(request, self._document)

    async def _health(self, _request: web.Request) -> web.Response:
        closing = self.volunteers.closing
        return web.json_response(
            {
                "status": "closing" if closing else "ok",
                "volunteers": rounded(len(self.volunteers)),
                "available": rounded(self.volunteers.pool.available),
            },
            status=503 if closing else 200,
            headers={"Cache-Control": "no-store"},
        )
