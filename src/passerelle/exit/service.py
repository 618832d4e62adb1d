"""The exit: it takes links on the WebSocket `/v1/link`, and carries their sessions and streams.

In site mode it also takes sealed requests for its gateway by `POST`.

Strangers, who have no ticket, are shown the exit's decoy site on this path as on every other.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Mapping

from aiohttp import web

from passerelle import limits, serverlimits
from passerelle.core.address.forwarded import client_address
from passerelle.core.address.prefix import origin
from passerelle.core.replay import ReplayWindow
from passerelle.core.shares import ShareTable
from passerelle.core.tunnel.estimator import LinkEstimator
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.exit.config import ExitConfig
from passerelle.exit.counts import ExitMetrics
from passerelle.exit.decoy_site import DecoySite
from passerelle.exit.gateway.doorcounts import GatewayDoorCounts
from passerelle.exit.gateway.gateway import AskBroker, Gateway
from passerelle.exit.gateway.link import GatewayLink
from passerelle.exit.gateway.post import GatewayPosts
from passerelle.exit.handshake import ExitHandshake
from passerelle.exit.ratetests import RateTests
from passerelle.exit.reports import LinkReport, NoReports, Reporter
from passerelle.exit.sessions import SessionTable
from passerelle.io.server.frontserver import FrontServer
from passerelle.io.server.metrics import Metrics
from passerelle.io.server.web import peer_address
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import TlsPipe, exit_context
from passerelle.io.tunnel.websocket import MESSAGE_LIMIT_BYTES, SUBPROTOCOL, WebSocketTransport
from passerelle.wire import gatewayframes
from passerelle.wire.bus import ExitLoad
from passerelle.wire.tickets import Ticket, TicketKind, verify
from passerelle.wire.websocket import LINK_PATH

_log = logging.getLogger(__name__)


class Exit:
    """One exit. It may share an application and a port with a broker.

    It must be made inside a running event loop.
    """

    def __init__(
        self,
        config: ExitConfig,
        *,
        reporter: Reporter | None = None,
        metrics: Metrics | None = None,
        ask_broker: AskBroker | None = None,
        doors: Mapping[str, str] | None = None,
    ) -> None:
        """`reporter` gets a report of every link; `metrics` shows the exit's numbers. `ask_broker`
        answers reading pages that ask for volunteers through the gateway. `doors` are the base URLs
        of the network's doors by their keys: what each brings is counted.

        Raises ConfigError when the decoy site cannot be served.
        """
        self._config = config
        self._decoy_site = DecoySite(config.decoy_site)
        self._reporter = reporter or NoReports()
        metrics = metrics or Metrics()
        self._counts = ExitMetrics(metrics)
        self._tls = exit_context(config.identity)
        self._sessions = SessionTable(config, self._counts)
        self._used_tickets = ReplayWindow(limits.LINK_TICKET_LIFE_S, limits.LINK_TICKETS_USED)
        self._front = FrontServer()
        self._numbers = itertools.count(1)
        self._links: ShareTable[SecureLink | GatewayLink] = ShareTable(config.links)
        """All links, by whom they count for: when there are too many, whoever has most loses one.
        """
        self._closing = False
        turns = self._sessions.turns
        self._rate_tests = RateTests(metrics, is_busy=self._is_busy, spend=turns.spend)
        self._gateway: Gateway | None = None
        self._posts: GatewayPosts | None = None
        if config.gateway_seed is not None and config.policy.sites is not None:
            sessions = self._sessions
            self._gateway = Gateway(
                config,
                config.gateway_seed,
                accounts=sessions.accounts,
                turns=turns,
                resolver=sessions.resolver,
                metrics=metrics,
                ask_broker=ask_broker,
            )
            self._posts = GatewayPosts(self._gateway, GatewayDoorCounts(metrics, doors or {}))
        metrics.gauge("exit_links", "Links open now.", lambda: len(self._links))
        metrics.gauge("exit_sessions", "Sessions alive now.", lambda: len(self._sessions))
        metrics.gauge("exit_streams", "Streams open now.", lambda: self._sessions.stream_count)

    def add_routes(self, app: web.Application) -> None:
        """Serve every path of `app` that has no route yet."""
        # All methods get one answer: a 405 in place of a 404 would give the exit away.
        app.router.add_route("*", "/{path:.*}", self._serve)

    def load(self) -> ExitLoad:
        """Return how busy the exit is, for brokers."""
        config = self._config
        return ExitLoad(
            exit_id=config.exit_id,
            time_s=time.time(),
            sessions=len(self._sessions),
            links=len(self._links),
            most_links=min(config.links, serverlimits.BUS_COUNT),
            draining=self._closing,
        )

    async def drain(self) -> None:
        """Send clients to other exits; return when no stream is open, or after `drain_s`."""
        if self._gateway is not None:
            self._gateway.draining = True
        await self._sessions.drain()
        await self._settle()

    async def finish(self) -> None:
        """Serve on until nothing moves, or for `drain_s`: see `SessionTable.finish`."""
        await self._sessions.finish()
        await self._settle()

    async def _settle(self) -> None:
        if self._gateway is not None:
            await self._gateway.settle(self._config.lifetimes.drain_s)

    async def close(self) -> None:
        """End all sessions and links. Idempotent."""
        self._closing = True
        await self._sessions.close()
        for link in list(self._links):
            link.close(LinkCode.DRAINING)
        if self._gateway is not None:
            await self._gateway.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        # Tickets and bodies are judged on every path, so that the time it takes is the same on all.
        asker = self._origin(request)
        if request.method == "POST" and self._posts is not None:
            return await self._posts.answer(request, asker) or await self._decoy(request)
        ticket, protocol = self._judge(request)
        if ticket is None or request.path != LINK_PATH or not self._admits(ticket, asker):
            return await self._decoy(request)
        socket = web.WebSocketResponse(
            protocols=(protocol,),
            max_msg_size=MESSAGE_LIMIT_BYTES,
            compress=False,
            autoclose=True,
            autoping=False,
        )
        if request.method != "GET" or not socket.can_prepare(request):
            # A ticket that is good comes from a volunteer, so the log says no more than its own
            # operator may know.
            self._front.note_refused_socket(request)
            return await self._decoy_site.respond(request)
        await socket.prepare(request)
        if ticket.kind is TicketKind.TEST:
            transport = request.transport
            await self._rate_tests.serve(socket, None if transport is None else transport.abort)
        elif ticket.kind is TicketKind.GATEWAY or protocol == gatewayframes.SUBPROTOCOL:
            await self._carry_requests(request, socket, ticket, asker)
        else:
            await self._carry(request, socket, ticket, asker)
        return socket

    async def _decoy(self, request: web.Request) -> web.StreamResponse:
        self._counts.strangers.add()
        return await self._decoy_site.respond(request)

    def _origin(self, request: web.Request) -> bytes:
        """Return whom a link counts for: the network of the volunteer, or of a direct client."""
        fields = request.headers.getall("X-Forwarded-For", ())
        return origin(client_address(peer_address(request), fields, self._config.trusted_proxies))

    def _judge(self, request: web.Request) -> tuple[Ticket | None, str]:
        """Return the valid ticket that is the request's second WebSocket subprotocol, or None.

        A volunteer brings a link ticket; a client without a volunteer brings its client ticket. The
        first subprotocol, which is returned with it, says what the link carries. A volunteer that
        knows nothing of gateways says what it says for every link, and its ticket tells.
        """
        offered = [
            part.strip() for part in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        ]
        if len(offered) != 2 or offered[0] not in self._subprotocols():
            return None, ""
        ticket = self._verify(offered[1], TicketKind.LINK)
        if ticket is None and self._gateway is not None:
            ticket = self._verify(offered[1], TicketKind.GATEWAY)
        if ticket is None and self._config.tests:
            ticket = self._verify(offered[1], TicketKind.TEST)
        if ticket is None and self._config.direct:
            ticket = self._verify(offered[1], TicketKind.CLIENT)
        return ticket, offered[0]

    def _subprotocols(self) -> tuple[str, ...]:
        if self._gateway is None:
            return (SUBPROTOCOL,)
        return SUBPROTOCOL, gatewayframes.SUBPROTOCOL

    def _admits(self, ticket: Ticket, asker: bytes) -> bool:
        """Whether `asker` may open a link or begin a test now. Asking uses its ticket up."""
        if self._closing or self._links.refuses(asker):
            return False
        if ticket.kind is TicketKind.CLIENT:
            return True
        if ticket.kind is TicketKind.TEST and not self._rate_tests.admits(asker):
            return False
        return self._used_tickets.accept(ticket.id, ticket.expires_s, time.time(), asker)

    def _is_busy(self) -> bool:
        """Whether people need so much of the exit that no volunteer's rate is tested."""
        busy = serverlimits.RATE_TEST_BUSY_SHARE * self._config.links
        sessions = self._sessions
        return len(self._links) >= busy or sessions.draining or sessions.turns.is_rate_used_up

    def _verify(self, text: str, kind: TicketKind) -> Ticket | None:
        keys, exit_id = self._config.ticket_keys, self._config.exit_id
        try:
            return verify(text, keys, kind=kind, exit_id=exit_id, now_s=time.time())
        except PeerError:
            return None

    async def _carry(
        self, request: web.Request, socket: web.WebSocketResponse, ticket: Ticket, asker: bytes
    ) -> None:
        abort = None if request.transport is None else request.transport.abort
        transport = WebSocketTransport(socket, abort)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        link: SecureLink
        # A link whose client sends no HELLO in time is closed.
        late = loop.call_later(
            self._config.lifetimes.handshake_s, lambda: link.close(LinkCode.TIMEOUT)
        )
        handshake = ExitHandshake(self._sessions, done=late.cancel)
        link = SecureLink(next(self._numbers), transport, TlsPipe(self._tls), handshake)
        gone = self._links.add(link, asker)
        if gone is not None:
            gone.close(LinkCode.LIMIT)
        try:
            link.start()
            await transport.run(link.rest)
        finally:
            late.cancel()
            self._links.discard(link)
            link.transport_lost(LinkLost(LinkCode.TRANSPORT, "the WebSocket ended"))
            self._report(link, handshake.estimator, ticket, loop.time() - began_s)

    async def _carry_requests(
        self, request: web.Request, socket: web.WebSocketResponse, ticket: Ticket, asker: bytes
    ) -> None:
        assert self._gateway is not None  # or its subprotocol is none
        abort = None if request.transport is None else request.transport.abort
        began_s = asyncio.get_running_loop().time()
        link = GatewayLink(self._gateway, socket, abort)
        gone = self._links.add(link, asker)
        if gone is not None:
            gone.close(LinkCode.LIMIT)
        try:
            await link.run(self._config.lifetimes.handshake_s)
        finally:
            self._links.discard(link)
            self._counts.links.add(value=link.ended.name.lower())
            if ticket.kind is not TicketKind.CLIENT:
                duration_s = asyncio.get_running_loop().time() - began_s
                self._reporter.link_ended(
                    LinkReport(
                        exit_id=self._config.exit_id,
                        ticket_id=ticket.id,
                        joined=link.asked,
                        received_bytes=link.received_bytes,
                        sent_bytes=link.sent_bytes,
                        duration_s=duration_s,
                        rate_bytes_s=link.path.rate_bytes_s,
                        rtt_s=link.path.rtt_s,
                        reason=link.ended,
                    )
                )

    def _report(
        self, link: SecureLink, estimator: LinkEstimator | None, ticket: Ticket, duration_s: float
    ) -> None:
        reason = link.ended if link.ended is not None else LinkCode.NORMAL
        self._counts.links.add(value=reason.name.lower())
        if ticket.kind is not TicketKind.LINK:
            return
        measured = estimator is not None and estimator.rate > 0
        self._reporter.link_ended(
            LinkReport(
                exit_id=self._config.exit_id,
                ticket_id=ticket.id,
                joined=estimator is not None,
                received_bytes=link.bytes_received,
                sent_bytes=link.bytes_sent,
                duration_s=duration_s,
                rate_bytes_s=estimator.rate if estimator is not None else 0.0,
                rtt_s=estimator.min_rtt_s if estimator is not None and measured else 0.0,
                reason=reason,
            )
        )
