"""The handler of `GET /v1/volunteer`: whom the broker lets in, and what becomes of each message."""

from __future__ import annotations

import asyncio
from typing import assert_never

from aiohttp import hdrs, web

from passerelle import limits
from passerelle.broker.audience.counting import Audience
from passerelle.broker.config import BrokerConfig
from passerelle.broker.conversation import Conversation
from passerelle.broker.demand import DemandWord
from passerelle.broker.friends import FriendRequests
from passerelle.broker.locator import PeerLocator
from passerelle.broker.ratetickets import RateTickets
from passerelle.broker.volunteers import Volunteers
from passerelle.core.address.candidates import vet_near
from passerelle.core.address.prefix import origin, site
from passerelle.core.shares import ShareTable
from passerelle.errors import LinkCode, PeerError
from passerelle.io.server.frontserver import FrontServer
from passerelle.io.tasks import TaskSet
from passerelle.wire.description import Description, Setup
from passerelle.wire.signalling import (
    BrokerBye,
    BrokerPong,
    BrokerWelcome,
    Bye,
    FromVolunteer,
    VolunteerAnswer,
    VolunteerDecline,
    VolunteerFamily,
    VolunteerFriend,
    VolunteerHello,
    VolunteerPing,
    VolunteerReady,
)

_MALFORMED = BrokerBye(Bye.MALFORMED)
_BYES = {
    LinkCode.VERSION: BrokerBye(Bye.VERSION),
    # A bye without a time keeps a volunteer away for good, and a slow network is no reason for it.
    LinkCode.TIMEOUT: None,
}
"""What is said to a volunteer that broke the protocol; `_MALFORMED` for every other code."""


class VolunteerEndpoint:
    """Serves each volunteer's WebSocket, held open and silent until there is an offer."""

    def __init__(
        self,
        config: BrokerConfig,
        locator: PeerLocator,
        volunteers: Volunteers,
        friends: FriendRequests,
        front: FrontServer,
        *,
        audience: Audience,
        tests: RateTickets,
        demand: DemandWord,
    ) -> None:
        """`front` is told of requests that are no WebSocket, and `audience` counts volunteers."""
        self._config = config
        self._locator = locator
        self._volunteers = volunteers
        self._friends = friends
        self._front = front
        self._audience = audience
        self._tests = tests
        self._demand = demand
        self._conversations: set[Conversation] = set()
        """All open WebSockets, those that have not said hello included."""
        self._admitted: ShareTable[Conversation] = ShareTable(config.volunteers)
        """Those that were let in, by the network that they come from."""
        self._tasks = TaskSet("volunteers")
        self._partings: dict[Conversation, asyncio.Task[None]] = {}
        """From those that gave way to others."""

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one volunteer until it leaves or is sent away."""
        socket = web.WebSocketResponse(
            timeout=self._config.grace_s,
            heartbeat=self._config.websocket_ping_s,
            autoping=False,
            max_msg_size=limits.SIGNAL_MESSAGE_BYTES,
            # Messages are few and small; a compressor would cost memory for every idle volunteer.
            compress=False,
        )
        if not socket.can_prepare(request):
            self._front.note_refused_socket(request)
            raise web.HTTPBadRequest(text="Volunteers connect here by WebSocket.")
        await socket.prepare(request)
        conversation = Conversation(
            self._config,
            self._volunteers.new_handle(),
            socket,
            self._locator.address(request),
            asyncio.get_running_loop().time(),
        )
        self._conversations.add(conversation)
        try:
            await self._admit(conversation, request.headers.get(hdrs.ORIGIN))
        except PeerError as error:
            await conversation.part(error.code, _BYES.get(error.code, _MALFORMED))
        except ConnectionError:
            pass
        finally:
            self._conversations.discard(conversation)
        return socket

    async def close(self) -> None:
        """Tell all volunteers when to come back, and part from them within `grace_s`. Idempotent.

        Volunteers that come later are told so too.
        """
        self._volunteers.close()
        async with asyncio.TaskGroup() as group:
            for conversation in self._conversations:
                group.create_task(self._send_away(conversation, LinkCode.DRAINING, Bye.RESTART))
        await self._tasks.close()

    async def _admit(self, conversation: Conversation, page_origin: str | None) -> None:
        """Converse with a volunteer unless there are too many from its network.

        When there are too many in all, one of whoever has most is sent away.
        """
        if self._volunteers.closing:
            await self._send_away(conversation, LinkCode.DRAINING, Bye.RESTART)
            return
        network = origin(conversation.address)
        gone: Conversation | None = conversation
        if self._admitted.load(network) < self._config.volunteers_of_network:
            gone = self._admitted.add(conversation, network)
        if gone is conversation:
            await self._send_away(conversation, LinkCode.LIMIT, Bye.FULL)
            return
        if gone is not None:
            work = self._send_away(gone, LinkCode.LIMIT, Bye.FULL)
            self._partings[gone] = self._tasks.start(work, "parting")
        try:
            await self._converse(conversation, page_origin)
        finally:
            self._admitted.discard(conversation)
            parting = self._partings.pop(conversation, None)
            if parting is not None:
                # The connection ends with its handler, and the goodbye goes ahead of that.
                await asyncio.wait((parting,))

    async def _converse(self, conversation: Conversation, page_origin: str | None) -> None:
        hello = await conversation.hello()
        location = self._locator.locate(conversation.address)
        caution = location.country in self._config.cautious
        conversation.heartbeat_s = self._heartbeat_s()
        conversation.idle_s = max(self._config.idle_heartbeat_s, conversation.heartbeat_s)
        await conversation.send(
            BrokerWelcome(
                country=location.country,
                caution=caution,
                heartbeat_s=conversation.heartbeat_s,
                idle_s=conversation.idle_s,
                test=self._tests.make(),
            )
        )
        self._audience.joined(conversation.handle, page_origin)
        self._volunteers.join(conversation, hello, location)
        try:
            while (message := await conversation.receive()) is not None:
                await self._handle_message(conversation, message)
        finally:
            self._volunteers.leave(conversation)
            self._audience.left(conversation.handle)

    def _heartbeat_s(self) -> float:
        return max(self._config.heartbeat_s, len(self._volunteers) / self._config.heartbeats_per_s)

    async def _handle_message(self, conversation: Conversation, message: FromVolunteer) -> None:
        match message:
            case VolunteerPing():
                await conversation.send(BrokerPong(self._demand.now()))
            case VolunteerHello():
                raise PeerError(LinkCode.UNEXPECTED, "a second hello")
            case VolunteerReady(free=free, nat=nat):
                self._volunteers.set_free(conversation, free, nat)
            case VolunteerAnswer(offer=number, description=description):
                answer = self._vetted(conversation, description)
                self._volunteers.take_answer(conversation, number, answer)
            case VolunteerDecline(offer=number, reason=reason):
                self._volunteers.take_decline(conversation, number, reason)
            case VolunteerFamily(family=tag):
                self._volunteers.set_family(conversation, tag)
            case VolunteerFriend():
                self._friends.take(conversation, message)
            case _:
                assert_never(message)

    def _vetted(self, conversation: Conversation, description: Description) -> Description:
        # The browser is the DTLS client: its genuine ClientHello is what a censor sees.
        if description.setup is not Setup.ACTIVE:
            raise PeerError(LinkCode.MALFORMED, "an answer in the wrong DTLS role")
        private = self._config.descriptor.private_candidates
        return vet_near(description, site(conversation.address), private=private)

    async def _send_away(self, conversation: Conversation, code: LinkCode, reason: Bye) -> None:
        restarts = reason is Bye.RESTART
        wait_s = self._volunteers.return_s() if restarts else self._volunteers.retry_s()
        await conversation.part(code, BrokerBye(reason, wait_s))
