"""The volunteers of one broker: a WebSocket each, held open and silent until there is an offer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import assert_never

import msgspec
from aiohttp import WSMsgType, web

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.broker.origins import Origins
from passerelle.core.address.candidates import vet
from passerelle.core.address.host import IPAddress
from passerelle.core.address.prefix import holder
from passerelle.core.bucket import Bucket
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.matching.pool import Outcome, Pick, VolunteerPool
from passerelle.core.matching.quality import LinkExperience
from passerelle.core.nat.classifier import NatClass
from passerelle.core.release import is_older
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import signalling
from passerelle.wire.description import Description, Setup
from passerelle.wire.signalling import (
    BrokerBye,
    BrokerOffer,
    BrokerWelcome,
    Bye,
    Decline,
    FromBroker,
    FromVolunteer,
    VolunteerAnswer,
    VolunteerDecline,
    VolunteerFriend,
    VolunteerHello,
    VolunteerReady,
)
from passerelle.wire.websocket import CLOSE_CODE_BASE

_HANDLE_BYTES = 8
_LONGEST_RETRY_S = 3600.0
_MALFORMED = BrokerBye(Bye.MALFORMED)
_BYES = {
    LinkCode.VERSION: BrokerBye(Bye.VERSION),
    # A slow network is no reason to stay away for good, which a bye without a time would mean.
    LinkCode.TIMEOUT: None,
}


@dataclass(frozen=True, slots=True)
class _Offer:
    """One that waits for the volunteer's word."""

    pick: Pick
    word: asyncio.Future[Description | Outcome]


class Volunteer:
    """One volunteer that has said hello."""

    __slots__ = ("_allowance", "_next_offer", "_offers", "_socket", "address", "handle")

    def __init__(
        self,
        handle: bytes,
        socket: web.WebSocketResponse,
        address: IPAddress | None,
        now: float,
    ) -> None:
        self.handle = handle
        self.address = address
        """Where its WebSocket comes from, if that is known. Never logged."""
        self._socket = socket
        self._allowance = Bucket(limits.SIGNAL_MESSAGES_PER_S, limits.SIGNAL_BURST, now)
        self._next_offer = 0
        self._offers: dict[int, _Offer] = {}

    def open_offer(self, pick: Pick) -> tuple[int, asyncio.Future[Description | Outcome]]:
        """Return the number of a new offer, and what will hold the volunteer's word on it."""
        number = self._next_offer
        self._next_offer += 1
        self._allowance.grant(limits.SIGNAL_MESSAGES_PER_OFFER)
        word: asyncio.Future[Description | Outcome] = asyncio.get_running_loop().create_future()
        self._offers[number] = _Offer(pick, word)
        return number, word

    async def send(self, message: FromBroker) -> None:
        """Raises ConnectionError when the volunteer is gone."""
        await self._socket.send_str(signalling.encode(message))

    def withdraw(self, number: int) -> bool:
        """Forget offer `number`; return False when the volunteer's word on it has come already."""
        return self._offers.pop(number, None) is not None

    def count_message(self, now: float) -> None:
        """Raise PeerError(LIMIT) when the volunteer sends more than it may."""
        if not self._allowance.take(now):
            raise PeerError(LinkCode.LIMIT, "too many messages from a volunteer")

    def resolve(self, number: int, result: Description | Outcome) -> Pick | None:
        """Take the volunteer's word on offer `number`; return None when it comes too late.

        Raises PeerError(UNEXPECTED) for an offer that it was never given.
        """
        if number >= self._next_offer:
            raise PeerError(LinkCode.UNEXPECTED, "an answer to an offer that was never made")
        offer = self._offers.pop(number, None)
        if offer is None:
            return None
        if not offer.word.done():
            offer.word.set_result(result)
        return offer.pick

    def leave(self) -> list[Pick]:
        """End every pending offer: the volunteer is gone. Return what they came from."""
        picks = [self.resolve(number, Outcome.WITHDRAWN) for number in tuple(self._offers)]
        return [pick for pick in picks if pick is not None]


class Volunteers:
    """All volunteers, and the handler of their WebSockets."""

    def __init__(
        self, config: BrokerConfig, origins: Origins, token: Callable[[int], bytes]
    ) -> None:
        """`token` gives that many random bytes."""
        self._config = config
        self._origins = origins
        self._token = token
        self._pool = VolunteerPool()
        self._by_handle: dict[bytes, Volunteer] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._networks: Counter[bytes] = Counter()
        self._closing = False
        self.freed: Callable[[], None] = lambda: None
        """Called when a slot has become free."""
        self.befriended: Callable[[Volunteer, VolunteerFriend], None] = lambda *_: None
        """Called when a volunteer hands on a request that it was given by hand."""

    def __len__(self) -> int:
        """Return how many volunteers have said hello."""
        return len(self._by_handle)

    @property
    def available(self) -> int:
        """How many volunteers have a free slot."""
        return self._pool.available

    @property
    def classes(self) -> frozenset[NatClass]:
        """NAT classes of the volunteers that could take an offer now."""
        return self._pool.classes

    @property
    def countries(self) -> Counter[str]:
        """How many volunteers there are in each country."""
        return self._pool.countries()

    @property
    def closing(self) -> bool:
        """Whether all volunteers are being sent away."""
        return self._closing

    def retry_s(self) -> float:
        """Return a random time after which a peer that was sent away may come back."""
        low, high = self._config.retry_s
        # So many that come back within the usual time would be a storm: spread them wider.
        high = max(high, low + len(self._by_handle) / self._config.returns_per_s)
        return min(_LONGEST_RETRY_S, low + (high - low) * int.from_bytes(self._token(4)) / 2**32)

    def pick(
        self, seeker: ClientProfile, avoid: Container[bytes], only: bytes | None = None
    ) -> Pick | None:
        """Reserve a slot of a volunteer that is not in `avoid`; `introduce` gives it back.

        With `only`, of that one or none.
        """
        seed = int.from_bytes(self._token(8))
        return self._pool.pick(seeker, avoid, _now(), seed=seed, only=only)

    def put_back(self, pick: Pick) -> None:
        """Give back a slot that was picked and not used."""
        self._settle(pick, Outcome.WITHDRAWN)

    def complain(self, seeker: ClientProfile, volunteer: bytes) -> None:
        """Note that a client found no way through `volunteer`."""
        self._pool.complain(seeker, volunteer, _now())

    def report(self, volunteer: bytes, report: LinkExperience, *, expected: float) -> None:
        """Note what an exit saw of a link; `expected` is the chance it was picked with."""
        self._pool.report(volunteer, report, _now(), expected=expected)

    async def introduce(
        self,
        pick: Pick,
        offer: BrokerOffer,
        *,
        timeout_s: float,
    ) -> Description | None:
        """Make an offer, under a number of its own, to a picked volunteer.

        Return its answer, or None without one. Cancelling withdraws the offer.
        """
        volunteer = self._by_handle.get(pick.volunteer)
        if volunteer is None:
            self.put_back(pick)
            return None
        number, word = volunteer.open_offer(pick)
        outcome = Outcome.WITHDRAWN
        try:
            async with asyncio.timeout(timeout_s):
                await volunteer.send(msgspec.structs.replace(offer, offer=number))
                result = await word
            return result if isinstance(result, Description) else None
        except TimeoutError:
            outcome = Outcome.SILENT
            return None
        except ConnectionError:
            return None
        finally:
            if volunteer.withdraw(number):
                self._settle(pick, outcome)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one volunteer until it leaves or is sent away."""
        socket = web.WebSocketResponse(
            timeout=self._config.grace_s,
            heartbeat=self._config.heartbeat_s,
            max_msg_size=limits.SIGNAL_MESSAGE_BYTES,
            # Messages are few and small; a compressor would cost memory for every idle volunteer.
            compress=False,
        )
        if not socket.can_prepare(request):
            raise web.HTTPBadRequest(text="Volunteers connect here by WebSocket.")
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            if self._closing:
                await self._send_away(socket, LinkCode.DRAINING, Bye.RESTART)
            elif len(self._sockets) > self._config.volunteers:
                await self._send_away(socket, LinkCode.LIMIT, Bye.FULL)
            else:
                await self._welcome(socket, self._origins.seen(request))
        except PeerError as error:
            await self._part(socket, error.code, _BYES.get(error.code, _MALFORMED))
        except ConnectionError:
            pass
        finally:
            self._sockets.discard(socket)
        return socket

    async def close(self) -> None:
        """Tell all volunteers when to come back, and part from them within `grace_s`. Idempotent.

        Volunteers that come later are told so too.
        """
        self._closing = True
        async with asyncio.TaskGroup() as group:
            for socket in self._sockets:
                group.create_task(self._send_away(socket, LinkCode.DRAINING, Bye.RESTART))

    async def _welcome(self, socket: web.WebSocketResponse, seen: IPAddress | None) -> None:
        """Converse with a volunteer unless its network has enough of them here."""
        network = holder(seen)
        if network is None:
            await self._converse(socket, seen)
        elif self._networks[network] >= self._config.volunteers_of_network:
            await self._send_away(socket, LinkCode.LIMIT, Bye.FULL)
        else:
            self._networks[network] += 1
            try:
                await self._converse(socket, seen)
            finally:
                self._networks[network] -= 1
                if not self._networks[network]:
                    del self._networks[network]

    async def _converse(self, socket: web.WebSocketResponse, seen: IPAddress | None) -> None:
        hello = await self._hello(socket)
        volunteer = Volunteer(self._new_handle(), socket, seen, _now())
        self._by_handle[volunteer.handle] = volunteer
        location = self._origins.of(seen)
        welcome = BrokerWelcome(
            country=location.country, caution=location.country in self._config.cautious
        )
        try:
            await socket.send_str(signalling.encode(welcome))
            self._pool.add(volunteer.handle, hello.free, _now(), nat=hello.nat, location=location)
            self.freed()
            while (message := await _receive(socket)) is not None:
                volunteer.count_message(_now())
                self._obey(volunteer, message)
        finally:
            del self._by_handle[volunteer.handle]
            self._pool.remove(volunteer.handle, _now())
            for pick in volunteer.leave():
                self._settle(pick, Outcome.WITHDRAWN)

    async def _hello(self, socket: web.WebSocketResponse) -> VolunteerHello:
        try:
            async with asyncio.timeout(self._config.hello_timeout_s):
                message = await _receive(socket)
        except TimeoutError:
            raise PeerError(LinkCode.TIMEOUT, "a volunteer that says no hello") from None
        if message is None:
            raise ConnectionResetError
        if not isinstance(message, VolunteerHello):
            raise PeerError(LinkCode.UNEXPECTED, "a volunteer that does not begin with hello")
        if message.version != signalling.VERSION or is_older(
            message.software, self._config.minimum
        ):
            raise PeerError(LinkCode.VERSION, "a volunteer of another version")
        return message

    def _obey(self, volunteer: Volunteer, message: FromVolunteer) -> None:
        match message:
            case VolunteerHello():
                raise PeerError(LinkCode.UNEXPECTED, "a second hello")
            case VolunteerReady(free=free, nat=nat):
                self._pool.set_free(volunteer.handle, free, _now(), nat=nat)
                if free:
                    self.freed()
            case VolunteerAnswer(offer=number, description=description):
                # The browser is the DTLS client: its genuine ClientHello is what a censor sees.
                if description.setup is not Setup.ACTIVE:
                    raise PeerError(LinkCode.MALFORMED, "an answer in the wrong DTLS role")
                private = self._config.descriptor.private_candidates
                vetted = vet(description, private=private, seen=volunteer.address)
                self._resolve(volunteer, number, vetted)
            case VolunteerDecline(offer=number, reason=reason):
                busy = reason is Decline.BUSY
                self._resolve(volunteer, number, Outcome.BUSY if busy else Outcome.DECLINED)
            case VolunteerFriend():
                self.befriended(volunteer, message)
            case _:
                assert_never(message)

    def _resolve(self, volunteer: Volunteer, number: int, result: Description | Outcome) -> None:
        # The slot is settled here and not where the answer is awaited: a `ready` that came in the
        # same segment is obeyed first there, and would be counted down by its own answer.
        pick = volunteer.resolve(number, result)
        if pick is not None:
            self._settle(pick, result if isinstance(result, Outcome) else Outcome.ANSWERED)

    def _settle(self, pick: Pick, outcome: Outcome) -> None:
        self._pool.settle(pick, outcome, _now())
        if outcome is not Outcome.ANSWERED:
            self.freed()

    def _new_handle(self) -> bytes:
        handle = self._token(_HANDLE_BYTES)
        while handle in self._by_handle:
            handle = self._token(_HANDLE_BYTES)
        return handle

    async def _send_away(self, socket: web.WebSocketResponse, code: LinkCode, reason: Bye) -> None:
        await self._part(socket, code, BrokerBye(reason, self.retry_s()))

    async def _part(
        self, socket: web.WebSocketResponse, code: LinkCode, bye: BrokerBye | None
    ) -> None:
        """Say `bye` and close, within `grace_s` even if the volunteer reads nothing."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._config.grace_s):
                if bye is not None:
                    await socket.send_str(signalling.encode(bye))
                await socket.close(code=CLOSE_CODE_BASE + code)


async def _receive(socket: web.WebSocketResponse) -> FromVolunteer | None:
    """Return the next message, or None when the volunteer has gone. Raises PeerError."""
    frame = await socket.receive()
    if frame.type is WSMsgType.TEXT:
        return signalling.decode_from_volunteer(frame.data)
    if frame.type is WSMsgType.BINARY:
        raise PeerError(LinkCode.MALFORMED, "a binary signalling message")
    return None


def _now() -> float:
    return asyncio.get_running_loop().time()
