"""Answer sealed rendezvous requests: a client's offers go to volunteers, their answers back.

Whatever is wrong with a request that cannot be used (garbage, another key, a replay, a clock that
is off), the response is one and the same: a prober learns nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.broker.volunteers import Volunteers
from passerelle.core.candidates import vet
from passerelle.core.host import IPAddress
from passerelle.core.replay import ReplayWindow
from passerelle.errors import LinkCode, PeerError
from passerelle.io.tasks import race
from passerelle.io.web import disconnected, peer_address
from passerelle.wire import rendezvous, tickets
from passerelle.wire.description import Description, Setup
from passerelle.wire.rendezvous import Answer, Miss, Refusal, Reply, Request
from passerelle.wire.tickets import Ticket, TicketKind

_HEADERS = {"Cache-Control": "no-store"}
_TICKET_ID_BYTES = 16
_TRIES = 2
"""Volunteers asked for one offer, one after the other."""


class Rendezvous:
    """The handler of `POST /v1/rendezvous`."""

    def __init__(
        self,
        config: BrokerConfig,
        volunteers: Volunteers,
        *,
        clock: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes."""
        self._config = config
        self._volunteers = volunteers
        self._clock = clock
        self._token = token
        self._replays = ReplayWindow(limits.RENDEZVOUS_CLOCK_SKEW_S, config.nonces)
        self._pending_offers = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request. Its offers are withdrawn when the client goes away."""
        try:
            opened = self._open(await self._body(request), peer_address(request))
            reply = await race(self._reply(opened), until=disconnected(request))
            if reply is None:
                return _uniform_failure()
            sealed = rendezvous.seal_reply(reply, opened)
        except PeerError:
            return _uniform_failure()
        return web.Response(body=sealed, content_type=rendezvous.CONTENT_TYPE, headers=_HEADERS)

    async def _body(self, request: web.Request) -> bytes:
        """Return the body, read no further than the largest sealed message. Raises PeerError."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._config.body_timeout_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > rendezvous.SEALED_BYTES:
                        raise PeerError(LinkCode.LIMIT, "a rendezvous request too large")
        except (TimeoutError, ConnectionError, web.RequestPayloadError) as error:
            raise PeerError(LinkCode.TIMEOUT, "a rendezvous request cut short") from error
        return bytes(body)

    def _open(self, sealed: bytes, seen: IPAddress | None) -> Request:
        """Return the request, its candidates vetted; `seen` is the client's own address if known.

        Raises PeerError.
        """
        request = rendezvous.open_request(sealed, self._config.seal_key)
        if not self._replays.accept(request.nonce, request.time_s, self._clock()):
            raise PeerError(LinkCode.MALFORMED, "a rendezvous request out of its time")
        if any(offer.setup is not Setup.ACTPASS for offer in request.offers):
            raise PeerError(LinkCode.MALFORMED, "an offer in the wrong DTLS role")
        private = self._config.descriptor.private_candidates
        offers = tuple(vet(offer, private=private, seen=seen) for offer in request.offers)
        return msgspec.structs.replace(request, offers=offers)

    async def _reply(self, request: Request) -> Reply:
        if request.version != rendezvous.VERSION:
            return Reply(refusal=Refusal.VERSION)
        exit_id = request.exit or self._choose_exit()
        if self._config.descriptor.exit(exit_id) is None:
            return Reply(refusal=Refusal.UNKNOWN_EXIT)
        pending = self._pending_offers + len(request.offers)
        if self._volunteers.closing or pending > self._config.pending_offers:
            return Reply(refusal=Refusal.BUSY, retry_after_s=self._volunteers.retry_s())
        return Reply(
            exit=exit_id,
            answers=await self._match(request, exit_id),
            ticket=self._ticket(TicketKind.CLIENT, exit_id, self._config.client_ticket_s),
        )

    async def _match(self, request: Request, exit_id: str) -> tuple[Answer | Miss, ...]:
        """Find a volunteer for each offer, all of them distinct."""
        deadline = asyncio.get_running_loop().time() + self._config.answer_timeout_s
        asked = set(request.avoid)
        self._pending_offers += len(request.offers)
        try:
            async with asyncio.TaskGroup() as group:
                matches = [
                    group.create_task(
                        self._place(offer, exit_id, asked, deadline, lanes=request.lanes)
                    )
                    for offer in request.offers
                ]
        finally:
            self._pending_offers -= len(request.offers)
        return tuple(match.result() for match in matches)

    async def _place(
        self,
        offer: Description,
        exit_id: str,
        asked: set[bytes],
        deadline: float,
        *,
        lanes: int,
    ) -> Answer | Miss:
        """Ask one volunteer that is not in `asked`, and, if that is in vain, another one."""
        miss = Miss.NO_VOLUNTEER
        for tries_left in reversed(range(_TRIES)):
            left_s = deadline - asyncio.get_running_loop().time()
            volunteer = self._volunteers.pick(asked) if left_s > 0 else None
            if volunteer is None:
                break
            asked.add(volunteer.handle)
            description = await self._volunteers.introduce(
                volunteer,
                exit_id,
                self._ticket(TicketKind.LINK, exit_id, self._config.link_ticket_s),
                offer,
                timeout_s=min(left_s, self._config.patience_s) if tries_left else left_s,
            )
            if description is not None:
                return Answer(description, volunteer.handle, self._lane_tickets(exit_id, lanes))
            miss = Miss.NO_ANSWER
        return miss

    def _lane_tickets(self, exit_id: str, count: int) -> tuple[str, ...]:
        life_s = self._config.lane_ticket_s
        return tuple(self._ticket(TicketKind.LINK, exit_id, life_s) for _ in range(count))

    def _ticket(self, kind: TicketKind, exit_id: str, life_s: int) -> str:
        expires_s = int(self._clock()) + life_s
        ticket = Ticket(kind, exit_id, expires_s, self._token(_TICKET_ID_BYTES))
        return tickets.sign(ticket, self._config.ticket_key)

    def _choose_exit(self) -> str:
        exits = self._config.descriptor.exits
        return exits[int.from_bytes(self._token(8)) % len(exits)].id


def _uniform_failure() -> web.Response:
    return web.Response(status=400, content_type=rendezvous.CONTENT_TYPE, headers=_HEADERS)
