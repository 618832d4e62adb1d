"""The WebSocket of one volunteer: its hello, its messages, the offers it was made, its parting."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from passerelle import serverlimits
from passerelle.broker.config import BrokerConfig
from passerelle.core.address.host import IPAddress
from passerelle.core.bucket import Bucket
from passerelle.core.matching.pool import Pick
from passerelle.core.release import is_older
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import signalling
from passerelle.wire.description import Description
from passerelle.wire.signalling import (
    BrokerBye,
    FromBroker,
    FromVolunteer,
    VolunteerHello,
    VolunteerPing,
)
from passerelle.wire.websocket import CLOSE_CODE_BASE

_MISSED_BEATS = 3
"""After the time of so many heartbeats beyond the longest pause without a message, a volunteer
counts as gone."""


@dataclass(frozen=True, slots=True)
class _OpenOffer:
    """An offer that the volunteer has not answered yet."""

    pick: Pick
    answer: asyncio.Future[Description | None]


class Conversation:
    """The broker's end of one volunteer's WebSocket. It knows of no other volunteer."""

    __slots__ = (
        "_beats",
        "_config",
        "_messages",
        "_next_offer",
        "_offers",
        "_socket",
        "address",
        "handle",
        "heartbeat_s",
        "idle_s",
    )

    def __init__(
        self,
        config: BrokerConfig,
        handle: bytes,
        socket: web.WebSocketResponse,
        address: IPAddress | None,
        now: float,
    ) -> None:
        """`socket` is prepared and has no `autoping`; `now` is the event loop's time."""
        self.handle = handle
        """The name that other parts of the broker, and clients, have for this volunteer."""
        self.address = address
        """Where the WebSocket comes from, None if that is not known. Never logged."""
        self.heartbeat_s: float | None = None
        """How often the volunteer was asked to send a `ping`, None for never."""
        self.idle_s = 0.0
        """How seldom it may do so while it helps nobody."""
        self._beats = False
        """Whether it has sent one. The switches of older pages never do."""
        self._config = config
        self._socket = socket
        self._messages = Bucket(serverlimits.SIGNAL_MESSAGES_PER_S, serverlimits.SIGNAL_BURST, now)
        self._next_offer = 0
        self._offers: dict[int, _OpenOffer] = {}

    # --- messages -------------------------------------------------------------------------------

    async def hello(self) -> VolunteerHello:
        """Return the volunteer's first message.

        Raises PeerError for a message that is no hello, for another version and for none in time,
        and ConnectionError when the volunteer has gone.
        """
        try:
            async with asyncio.timeout(self._config.hello_timeout_s):
                message = await self._next()
        except TimeoutError:
            raise PeerError(LinkCode.TIMEOUT, "a volunteer that says no hello") from None
        if message is None:
            raise ConnectionResetError
        if not isinstance(message, VolunteerHello):
            raise PeerError(LinkCode.UNEXPECTED, "a volunteer that does not begin with hello")
        old = is_older(message.software, self._config.minimum)
        if old or message.version != signalling.VERSION:
            raise PeerError(LinkCode.VERSION, "a volunteer of another version")
        return message

    async def receive(self) -> FromVolunteer | None:
        """Return the next message, None when the volunteer has gone or its heartbeat has stopped.

        Raises PeerError for a message that cannot be parsed and for one more than it may send.
        """
        silence_s = None
        if self._beats and self.heartbeat_s is not None:
            silence_s = self.idle_s + _MISSED_BEATS * self.heartbeat_s
        try:
            async with asyncio.timeout(silence_s):
                message = await self._next()
        except TimeoutError:
            return None
        if message is not None:
            self._count()
        self._beats = self._beats or isinstance(message, VolunteerPing)
        return message

    async def _next(self) -> FromVolunteer | None:
        # WebSocket's own PINGs are answered one by one, so each of them counts.
        while (frame := await self._socket.receive()).type in {WSMsgType.PING, WSMsgType.PONG}:
            self._count()
            if frame.type is WSMsgType.PING:
                await self._socket.pong(frame.data)
        if frame.type is WSMsgType.TEXT:
            return signalling.decode_from_volunteer(frame.data)
        if frame.type is WSMsgType.BINARY:
            raise PeerError(LinkCode.MALFORMED, "a binary signalling message")
        return None

    def _count(self) -> None:
        if not self._messages.take(_now()):
            raise PeerError(LinkCode.LIMIT, "too many messages from a volunteer")

    async def send(self, message: FromBroker) -> None:
        """Raises ConnectionError when the volunteer has gone."""
        await self._socket.send_str(signalling.encode(message))

    async def part(self, code: LinkCode, bye: BrokerBye | None) -> None:
        """Say `bye`, if there is one, and close.

        Takes no longer than the configured grace time, even if the volunteer reads nothing.
        """
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._config.grace_s):
                if bye is not None:
                    await self.send(bye)
                await self._socket.close(code=CLOSE_CODE_BASE + code)

    # --- offers ---------------------------------------------------------------------------------

    def open_offer(self, pick: Pick) -> tuple[int, asyncio.Future[Description | None]]:
        """Return the number of a new offer, and the future of its answer.

        The future's result is None when the volunteer declines or leaves.
        """
        number = self._next_offer
        self._next_offer += 1
        self._messages.grant(serverlimits.SIGNAL_MESSAGES_PER_OFFER)
        answer: asyncio.Future[Description | None] = asyncio.get_running_loop().create_future()
        self._offers[number] = _OpenOffer(pick, answer)
        return number, answer

    def close_offer(self, number: int, answer: Description | None) -> Pick | None:
        """Take the volunteer's answer to an offer, and return the pick that the offer came from.

        Return None when the offer is closed already. Raises PeerError(UNEXPECTED) for a number
        that no offer had.
        """
        if number >= self._next_offer:
            raise PeerError(LinkCode.UNEXPECTED, "an answer to an offer that was never made")
        offer = self._offers.pop(number, None)
        if offer is None:
            return None
        # The future is cancelled when the offer timed out in this same turn of the event loop.
        if not offer.answer.done():
            offer.answer.set_result(answer)
        return offer.pick

    def withdraw_offer(self, number: int) -> bool:
        """Forget an offer; return False when it is closed already."""
        return self._offers.pop(number, None) is not None

    def close_offers(self) -> list[Pick]:
        """Close all offers, because the volunteer has gone; return the picks they came from."""
        picks = [self.close_offer(number, None) for number in tuple(self._offers)]
        return [pick for pick in picks if pick is not None]


def _now() -> float:
    return asyncio.get_running_loop().time()
