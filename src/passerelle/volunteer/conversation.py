"""The conversation with a broker: one WebSocket that is held open, and opened again when lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType

from passerelle import __version__, limits
from passerelle.errors import ConfigError, LinkCode, PeerError
from passerelle.io.tasks import TaskSet
from passerelle.volunteer.network import NetworkSource, NetworkUnreachable
from passerelle.wire import signalling
from passerelle.wire.description import Description
from passerelle.wire.signalling import (
    BrokerBye,
    BrokerFriendReply,
    BrokerOffer,
    BrokerPong,
    BrokerWelcome,
    Bye,
    Decline,
    Demand,
    FromVolunteer,
    NatClass,
    RateTicket,
    VolunteerAnswer,
    VolunteerDecline,
    VolunteerFamily,
    VolunteerHello,
    VolunteerPing,
    VolunteerReady,
)
from passerelle.wire.websocket import CLOSE_CODE_BASE

SOFTWARE: Final = f"passerelle-volunteer/{__version__}"
WELCOME_S: Final = 10.0
"""Longest time from opening the socket to the broker's welcome."""
PONG_ROUND_TRIPS: Final = 4
PONG_S: Final = (1.0, 5.0)
"""A broker shows in so many round trips that it is there, within these bounds."""
RESTART_CALLS: Final = 48
"""A broker that was lost is called so often within one heartbeat: it restarts."""
LONGEST_S: Final = 60.0
"""Longest ceiling of the random wait before a call."""


class BrokerEvents(Protocol):
    """Uses a `BrokerConversation`."""

    @property
    def free(self) -> int:
        """How many more people can be helped now."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody is being helped, or about to be."""

    def offered(self, offer: BrokerOffer, reply: OfferReply) -> None:
        """Take an offer. Raises PeerError where a broker makes far too many."""

    def placed(self, country: str | None, *, caution: bool, test: RateTicket | None) -> None:
        """Learn where the broker believes this machine is, whether helping is dangerous, and where
        this machine may find out how fast it is.
        """

    def connected(self, *, is_online: bool, reason: str) -> None:
        """Learn whether a broker is connected; `reason` says why not, as a word."""

    def demanded(self, demand: Demand | None) -> None:
        """Learn how many readers had to wait lately; None where the broker does not tell."""


class OfferReply:
    """Replies to one offer, unless the conversation that brought it is over."""

    def __init__(self, offer: int, say: Callable[[FromVolunteer], None]) -> None:
        self._offer = offer
        self._say = say

    def answer(self, description: Description) -> None:
        """Take the offer."""
        self._say(VolunteerAnswer(self._offer, description))

    def decline(self, reason: Decline) -> None:
        """Do not take it."""
        self._say(VolunteerDecline(self._offer, reason))


@dataclass(frozen=True, slots=True)
class _Parting:
    """How a conversation ended."""

    reason: str
    was_welcome: bool = False
    retry_s: float = 0.0
    at_once: bool = False


class BrokerConversation:
    """Stays in conversation with one of the network's brokers while `run` runs."""

    def __init__(
        self,
        network: NetworkSource,
        http: aiohttp.ClientSession,
        events: BrokerEvents,
        *,
        family: bytes = b"",
    ) -> None:
        """`family` is the tag of the only family that is helped; empty to help everybody."""
        self._network = network
        self._family = family
        self._http = http
        self._events = events
        self._nat = NatClass.UNKNOWN
        self._told = -1
        """Free places that the broker was told last."""
        self._heartbeat_s = 0.0
        self._idle_s = 0.0
        self._outgoing: asyncio.Queue[FromVolunteer | None] | None = None
        """What is to be said, None for nothing more; None while no broker has welcomed this
        volunteer."""

    async def run(self) -> None:
        """Stay in conversation. Raises ConfigError when trying again is pointless.

        Cancelling says goodbye by closing the WebSocket.
        """
        attempt = 0
        while True:
            parting = await self._visit()
            self._outgoing = None
            if parting.was_welcome:
                attempt = -RESTART_CALLS if self._heartbeat_s else 0
            self._events.connected(is_online=False, reason=parting.reason)
            if parting.at_once:
                continue
            ceiling_s = self._heartbeat_s if attempt < 0 else min(LONGEST_S, 2.0 ** min(attempt, 6))
            await asyncio.sleep(parting.retry_s + ceiling_s * random.random())  # noqa: S311 (jitter)
            attempt += 1

    def ready(self) -> None:
        """Tell the broker how many more people can be helped, if that has changed."""
        if self._outgoing is not None and self._free() != self._told:
            self._tell_free(None)

    def renew(self) -> None:
        """Call a broker anew, if one is connected: its welcome brings a fresh ticket for a test."""
        if self._outgoing is not None:
            self._outgoing.put_nowait(None)

    def tell(self, nat: NatClass) -> None:
        """Tell the broker the class of this machine's NAT, if that has changed."""
        if nat is not self._nat:
            self._nat = nat
            if self._outgoing is not None:
                self._tell_free(nat)

    def _free(self) -> int:
        return min(limits.VOLUNTEER_SLOTS, self._events.free)

    def _tell_free(self, nat: NatClass | None) -> None:
        self._told = self._free()
        self._say(VolunteerReady(self._told, nat))

    def _say(self, message: FromVolunteer) -> None:
        if self._outgoing is not None:
            self._outgoing.put_nowait(message)

    async def _visit(self) -> _Parting:
        """Hold one conversation, with a random broker: one that is down is soon left."""
        try:
            descriptor = await self._network.describe()
            url = random.choice(descriptor.brokers).url  # noqa: S311 (spreads volunteers)
            async with asyncio.timeout(WELCOME_S):
                socket = await self._http.ws_connect(
                    "ws" + url.removeprefix("http") + "/v1/volunteer",
                    max_msg_size=limits.SIGNAL_MESSAGE_BYTES + 1,
                    compress=0,
                )
        except NetworkUnreachable:
            return _Parting("network_unreachable")
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            return _Parting("broker_unreachable")
        try:
            return await self._converse(socket)
        except PeerError as error:
            await socket.close(code=CLOSE_CODE_BASE + error.code)
            return _Parting("broker_garbled", was_welcome=self._outgoing is not None)
        except (aiohttp.ClientError, OSError, RuntimeError):
            return _Parting("broker_unreachable", was_welcome=self._outgoing is not None)
        finally:
            self._outgoing = None
            await socket.close()

    async def _converse(self, socket: ClientWebSocketResponse) -> _Parting:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        # Nobody may come before the broker knows that only a family may.
        self._told = 0 if self._family else self._free()
        hello = VolunteerHello(signalling.VERSION, SOFTWARE, self._told, self._nat)
        await _send(socket, hello)
        try:
            async with asyncio.timeout(WELCOME_S):
                welcome = _decoded(await socket.receive())
        except TimeoutError:
            return _Parting("broker_unreachable")
        if isinstance(welcome, BrokerBye):
            return self._leave(welcome)
        if welcome is None:
            return _Parting("broker_unreachable")
        if not isinstance(welcome, BrokerWelcome):
            raise PeerError(LinkCode.MALFORMED, "no welcome")
        self._heartbeat_s = welcome.heartbeat_s or 0.0
        self._idle_s = welcome.idle_s or self._heartbeat_s
        self._outgoing = asyncio.Queue()
        if self._family:
            self._say(VolunteerFamily(self._family))
        self._events.placed(welcome.country, caution=welcome.caution, test=welcome.test)
        self._events.connected(is_online=True, reason="")
        self.ready()
        return await self._listen(socket, _patience_s(loop.time() - asked_at))

    async def _listen(self, socket: ClientWebSocketResponse, patience_s: float) -> _Parting:
        """Take what the broker says, say what there is to say, and see that it is still there."""
        outgoing = self._outgoing
        assert outgoing is not None  # welcome
        async with TaskSet("broker") as tasks:
            loop = asyncio.get_running_loop()
            hearing = tasks.start(socket.receive(), "hear")
            saying = tasks.start(outgoing.get(), "say")
            asked_at: float | None = None
            heard_at = loop.time()
            pace_s = self._heartbeat_s
            while True:
                wait_s = _wait_s(asked_at, heard_at, patience_s, pace_s, loop.time())
                await asyncio.wait(
                    (hearing, saying), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
                )
                if saying.done():
                    if (said := saying.result()) is None:
                        return _Parting("connecting", was_welcome=True, at_once=True)
                    await _send(socket, said)
                    saying = tasks.start(outgoing.get(), "say")
                if hearing.done():
                    message = _decoded(hearing.result())
                    heard_at = loop.time()
                    if asked_at is not None and isinstance(message, BrokerPong):
                        patience_s = _patience_s(heard_at - asked_at)
                    pace_s = self._pace_s(message)
                    asked_at = None
                    if message is None:
                        return _Parting("broker_unreachable", was_welcome=True)
                    if isinstance(message, BrokerBye):
                        return self._leave(message)
                    self._take(message)
                    hearing = tasks.start(socket.receive(), "hear")
                elif pace_s and asked_at is None:
                    if loop.time() >= heard_at + pace_s:
                        asked_at = loop.time()
                        await _send(socket, VolunteerPing())
                elif asked_at is not None and loop.time() >= asked_at + patience_s:
                    return _Parting("broker_unreachable", was_welcome=True, at_once=True)

    def _pace_s(self, heard: object) -> float:
        """Return how long after `heard` the broker is asked whether it is there.

        A broker that has just shown it is asked seldom while nobody is helped.
        """
        is_idle = isinstance(heard, BrokerPong) and self._events.is_idle
        return self._idle_s if is_idle else self._heartbeat_s

    def _take(self, message: object) -> None:
        match message:
            case BrokerOffer():
                self._events.offered(message, OfferReply(message.offer, self._replier()))
            case BrokerPong(demand=demand):
                self._events.demanded(demand)
            case BrokerFriendReply():
                pass
            case _:
                raise PeerError(LinkCode.MALFORMED, "a second welcome")

    def _replier(self) -> Callable[[FromVolunteer], None]:
        """Return what says replies while this conversation lasts: numbers mean nothing later."""
        outgoing = self._outgoing

        def reply(message: FromVolunteer) -> None:
            if outgoing is None or self._outgoing is not outgoing:
                return
            self._say(message)
            if isinstance(message, VolunteerDecline) and message.reason is Decline.BUSY:
                # The broker makes no offer after this word until it is told of places anew.
                self._told = 0
            if isinstance(message, VolunteerAnswer):
                # The broker may have taken a place off for it that was left out already.
                self._tell_free(None)

        return reply

    def _leave(self, bye: BrokerBye) -> _Parting:
        if bye.reason is Bye.MALFORMED and self._family:
            raise ConfigError(
                "The broker did not understand that only a family is to be helped. Ask its "
                "operator to update it, or start without --family."
            )
        if bye.retry_after_s is None:
            raise ConfigError(_NEVER.get(bye.reason, "The broker does not want this volunteer."))
        welcome = self._outgoing is not None
        return _Parting(f"broker_{bye.reason.value}", welcome, bye.retry_after_s)


def _decoded(message: WSMessage) -> signalling.FromBroker | None:
    """Return what a broker has said; None when its socket has ended. Raises PeerError."""
    if message.type is WSMsgType.TEXT:
        return signalling.decode_from_broker(message.data)
    if message.type is WSMsgType.BINARY:
        raise PeerError(LinkCode.MALFORMED, "a binary message")
    return None


async def _send(socket: ClientWebSocketResponse, message: FromVolunteer) -> None:
    async with asyncio.timeout(WELCOME_S):
        await socket.send_str(signalling.encode(message))


_NEVER: Final = {
    Bye.VERSION: "The network does not work with this version of Passerelle any more. Update it.",
    Bye.MALFORMED: "The broker did not understand this program. Update it, or report that.",
}


def _wait_s(
    asked_at: float | None, heard_at: float, patience_s: float, pace_s: float, now: float
) -> float | None:
    """Return the seconds until something is to be done; None where nothing is."""
    if not pace_s:
        return None
    due = heard_at + pace_s if asked_at is None else asked_at + patience_s
    return max(0.0, due - now)


def _patience_s(round_trip_s: float) -> float:
    least_s, most_s = PONG_S
    return min(most_s, max(least_s, PONG_ROUND_TRIPS * round_trip_s))
