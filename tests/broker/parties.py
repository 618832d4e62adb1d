"""The parties of a broker's tests: a network with a broker on loopback, a volunteer, a client."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle.broker.config import BrokerConfig
from passerelle.broker.service import Broker
from passerelle.core.matching import proof
from passerelle.io.server.bus import Bus
from passerelle.io.server.metrics import Metrics
from passerelle.io.server.web import WebServer, application
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.wire import bus_signature, descriptor, rendezvous, signalling
from passerelle.wire.bus import ExitLoad, ExitMessage, Subjects
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.descriptor import BrokerEntry, Descriptor, ExitEntry, GatewayEntry
from passerelle.wire.oblivious import KeyConfiguration
from passerelle.wire.rendezvous import RendezvousReply, RendezvousRequest
from passerelle.wire.signalling import (
    BrokerBye,
    BrokerOffer,
    BrokerWelcome,
    FromBroker,
    FromVolunteer,
    VolunteerAnswer,
    VolunteerHello,
)

NOW = 1_800_000_000
T = TypeVar("T")
_numbers = itertools.count()

OPERATOR_KEY = Ed25519PrivateKey.generate()
SEAL_KEY = X25519PrivateKey.generate()
TICKET_KEY = Ed25519PrivateKey.generate()
EXITS = {"one": LinkIdentity.generate(), "two": LinkIdentity.generate()}
NETWORK = Descriptor(
    name="test",
    issued_s=NOW,
    expires_s=NOW + 86_400,
    brokers=(
        BrokerEntry(
            "https://broker.example",
            SEAL_KEY.public_key().public_bytes_raw(),
            TICKET_KEY.public_key().public_bytes_raw(),
        ),
    ),
    private_candidates=True,
    exits=tuple(
        ExitEntry(name, f"wss://{name}.example/v1/link", (identity.spki_sha256,))
        for name, identity in EXITS.items()
    ),
)

GATEWAY = GatewayEntry(
    sites=("news.example",), first_day=1, keys=(KeyConfiguration(1, bytes(range(32))).encode(),)
)
READ: Descriptor = msgspec.structs.replace(
    NETWORK, exits=(msgspec.structs.replace(NETWORK.exits[0], gateway=GATEWAY), NETWORK.exits[1])
)
"""NETWORK, with a gateway for reading pages at exit `one`."""


def exit_word(message: ExitMessage) -> tuple[str, bytes]:
    """The subject and the bytes in which an exit of NETWORK says `message`."""
    subjects = Subjects(TICKET_KEY.public_key())
    subject = subjects.exit if isinstance(message, ExitLoad) else subjects.link
    return subject, bus_signature.sign(message, subject, EXITS[message.exit_id].signing_key)


def config(**changes: Any) -> BrokerConfig:
    """The configuration of NETWORK's broker, quick to part and to say that nobody is there."""
    made = BrokerConfig(
        seal_key=SEAL_KEY,
        ticket_key=TICKET_KEY,
        document=descriptor.sign(NETWORK, OPERATOR_KEY),
        descriptor=NETWORK,
        grace_s=0.5,
        wait_s=0,
    )
    return replace(made, **changes)


def description(setup: Setup, *addresses: str) -> Description:
    """A description unlike any other."""
    number = next(_numbers)
    return Description(
        ufrag=f"ufrag{number}",
        pwd=f"{number:024}",
        fingerprint=secrets.token_bytes(32),
        setup=setup,
        candidates=tuple(
            Candidate(CandidateKind.HOST, address, 40_000)
            for address in addresses or ("192.0.2.7",)
        ),
    )


def offer() -> Description:
    return description(Setup.ACTPASS)


class Volunteer:
    """A volunteer's end of the signalling WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, message: FromVolunteer) -> None:
        await self.socket.send_str(signalling.encode(message))

    async def receive(self) -> FromBroker:
        async with asyncio.timeout(5):
            return signalling.decode_from_broker(await self.socket.receive_str())

    async def hello(self, free: int = 1) -> None:
        await self.send(VolunteerHello(signalling.VERSION, "test", free))
        assert isinstance(await self.receive(), BrokerWelcome)

    async def offered(self) -> BrokerOffer:
        message = await self.receive()
        assert isinstance(message, BrokerOffer)
        return message

    async def answer(self) -> Description:
        """Answer the next offer; return the answer's description."""
        given = description(Setup.ACTIVE)
        await self.send(VolunteerAnswer((await self.offered()).offer, given))
        return given

    async def dismissed(self) -> tuple[BrokerBye | None, int | None]:
        """Wait for the end: the `bye`, if one came, and the close code."""
        bye = None
        async with asyncio.timeout(5):
            async for frame in self.socket:
                message = signalling.decode_from_broker(frame.data)
                if isinstance(message, BrokerBye):
                    bye = message
        return bye, self.socket.close_code


@dataclass
class Scene:
    """A running broker, and what is needed to talk to it."""

    broker: Broker
    url: str
    http: aiohttp.ClientSession
    clock: list[float] = field(default_factory=lambda: [float(NOW)])
    """Set its only item to move the broker's clock."""
    volunteers: list[Volunteer] = field(default_factory=list)
    """All that connected: one that is not held would be collected, and its connection closed."""

    async def volunteer(self, free: int = 1) -> Volunteer:
        """Return a volunteer that was welcomed."""
        volunteer = await self.connect()
        await volunteer.hello(free)
        return volunteer

    async def connect(self) -> Volunteer:
        """Return a volunteer that has not said hello."""
        volunteer = Volunteer(await self.http.ws_connect(self.url + "/v1/volunteer"))
        self.volunteers.append(volunteer)
        return volunteer

    async def post(self, sealed: bytes) -> tuple[int, bytes]:
        async with self.http.post(self.url + "/v1/rendezvous", data=sealed) as response:
            return response.status, await response.read()

    async def ask(self, *offers: Description, **changes: Any) -> RendezvousReply:
        """Send a sealed request for `offers` and open the reply."""
        request, key = new_request(*offers, **changes)
        status, sealed = await self.post(seal(request))
        assert status == 200
        return rendezvous.open_reply(sealed, key, request)

    async def health(self) -> Any:
        async with self.http.get(self.url + "/healthz") as response:
            return await response.json()


def new_request(*offers: Description, **changes: Any) -> tuple[RendezvousRequest, X25519PrivateKey]:
    """A request and the key its reply is sealed to."""
    key = X25519PrivateKey.generate()
    fields: dict[str, Any] = {
        "version": rendezvous.VERSION,
        "time_s": NOW,
        "nonce": secrets.token_bytes(16),
        "reply_key": key.public_key().public_bytes_raw(),
        "offers": offers or (offer(),),
    }
    return RendezvousRequest(**(fields | changes)), key


def proved(
    request: RendezvousRequest, key: X25519PrivateKey, bits: int = 8
) -> tuple[RendezvousRequest, X25519PrivateKey]:
    """The request with a proof of work, and its key."""
    public = SEAL_KEY.public_key().public_bytes_raw()
    challenge = proof.challenge(public, request.nonce, request.time_s)
    found = proof.search(challenge, bits, range(2**24))
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    return RendezvousRequest(**(fields | {"proof": found})), key


def seal(request: RendezvousRequest) -> bytes:
    return rendezvous.seal_request(request, SEAL_KEY.public_key().public_bytes_raw())


@asynccontextmanager
async def scene(
    channel: Bus | None = None, metrics: Metrics | None = None, /, **changes: Any
) -> AsyncIterator[Scene]:
    """A broker on loopback, on a bus if there is one, closed at the end."""
    clock = [float(NOW)]
    broker = Broker(config(**changes), clock=lambda: clock[0], metrics=metrics)
    if channel is not None:
        await broker.start(channel)
    app = application()
    broker.add_routes(app)
    async with (
        WebServer(app, "127.0.0.1", 0, grace_s=0.5) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        try:
            yield Scene(broker, f"http://127.0.0.1:{server.port}", http, clock)
        finally:
            await broker.close()
