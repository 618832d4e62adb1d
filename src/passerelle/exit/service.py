"""The exit: `WS /v1/link`, behind which links, sessions and streams live."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time

from aiohttp import web

from passerelle import limits
from passerelle.core.replay import ReplayWindow
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.exit.config import ExitConfig
from passerelle.exit.links import Reception
from passerelle.exit.sessions import SessionTable
from passerelle.io.link import SecureLink
from passerelle.io.tls import TlsPipe, exit_context
from passerelle.io.ws import MESSAGE_LIMIT_BYTES, SUBPROTOCOL, WebSocketTransport
from passerelle.wire.tickets import Ticket, TicketKind, verify

_log = logging.getLogger(__name__)


class Exit:
    """One exit process. It may share an application and a port with a broker."""

    def __init__(self, config: ExitConfig) -> None:
        self._config = config
        self._tls = exit_context(config.identity)
        self._sessions = SessionTable(config)
        self._used_tickets = ReplayWindow(limits.LINK_TICKET_LIFE_S, limits.LINK_TICKETS_USED)
        self._numbers = itertools.count(1)
        self._links: set[SecureLink] = set()
        self._closing = False

    def add_routes(self, app: web.Application) -> None:
        """Serve links on `app`."""
        # All methods: a 405 in place of a 404 would tell a stranger what is here.
        app.router.add_route("*", "/v1/link", self._link)

    async def close(self) -> None:
        """End all sessions and links."""
        self._closing = True
        await self._sessions.close()
        for link in list(self._links):
            link.close(LinkCode.DRAINING)

    async def _link(self, request: web.Request) -> web.StreamResponse:
        full = len(self._links) >= self._config.links
        if self._closing or full or request.method != "GET" or not self._admits(request):
            # What any path answers that does not exist: a stranger learns nothing.
            raise web.HTTPNotFound
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            max_msg_size=MESSAGE_LIMIT_BYTES,
            compress=False,
            autoclose=True,
        )
        await socket.prepare(request)
        await self._serve(request, socket)
        return socket

    def _admits(self, request: web.Request) -> bool:
        """Check the ticket, the second WebSocket subprotocol, and use it up.

        A volunteer brings a link ticket; a client that comes itself brings its own.
        """
        offered = [
            part.strip() for part in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        ]
        if len(offered) != 2 or offered[0] != SUBPROTOCOL:
            return False
        now = time.time()
        ticket = self._verify(offered[1], TicketKind.LINK, now)
        if ticket is not None:
            return self._used_tickets.accept(ticket.id, ticket.expires_s, now)
        return self._config.direct and self._verify(offered[1], TicketKind.CLIENT, now) is not None

    def _verify(self, text: str, kind: TicketKind, now: float) -> Ticket | None:
        keys, exit_id = self._config.ticket_keys, self._config.exit_id
        try:
            return verify(text, keys, kind=kind, exit_id=exit_id, now_s=now)
        except PeerError:
            return None

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        abort = None if request.transport is None else request.transport.abort
        transport = WebSocketTransport(socket, abort)
        reception = Reception(self._sessions)
        link = SecureLink(next(self._numbers), transport, TlsPipe(self._tls), reception)
        # A client that does not introduce itself in time is not waited for.
        late = asyncio.get_running_loop().call_later(
            self._config.handshake_timeout_s, link.close, LinkCode.TIMEOUT
        )
        reception.done = late.cancel
        self._links.add(link)
        try:
            link.start()
            await transport.run()
        finally:
            late.cancel()
            self._links.discard(link)
            link.transport_lost(LinkLost(LinkCode.TRANSPORT, "the WebSocket ended"))
