"""Attacks on what many people share: a broker's volunteers, and the tables of an exit.

Attackers and honest people are told apart by the network they come from, so a proxy's header names
it here, as behind an operator's own web server.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Final

import aiohttp
import msgspec
import uvloop
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.brokerhost import SEAL_PUBLIC, TICKET_KEY, config
from bench.report import Row, at_least, at_most
from passerelle import limits, serverlimits
from passerelle.broker.service import Broker
from passerelle.core.matching import proof
from passerelle.core.origin import tagged
from passerelle.core.quota import Account
from passerelle.errors import PeerError, StreamFailed
from passerelle.exit.config import ExitConfig
from passerelle.exit.sessions import SessionTable
from passerelle.io.net.dns import Resolver
from passerelle.io.server.web import WebServer, application
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.wire import amp, base64url, rendezvous, signalling, ways
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.frames import Hello
from passerelle.wire.rendezvous import Answer, RendezvousReply, RendezvousRequest
from passerelle.wire.signalling import BrokerOffer, VolunteerAnswer, VolunteerHello
from passerelle.wire.tickets import Ticket, TicketKind, sign
from tests.rig.dns import Zone

HOST: Final = "127.0.0.1"
PROOF_BITS: Final = 4
"""Attackers do what work they are asked for; here it is little, because its price is known."""
VICTIM: Final = "9.9.9.9"
HONEST_TAGS, HOSTILE_TAGS = b"honest reade", b"a flood's ta"
HONEST: Final = tagged(HONEST_TAGS)
HOSTILE: Final = tagged(HOSTILE_TAGS)


def measure(quick: bool) -> Iterator[Row]:
    """Yield what attackers learn of volunteers, and what honest people keep of full tables."""
    volunteers = 100 if quick else 200
    learned, named = uvloop.run(_learned_by_cache(volunteers))
    yield Row(
        "volunteers that one address learns of by the AMP path",
        100 * learned / volunteers,
        f"% of {volunteers}",
        at_most(100 * serverlimits.DISCLOSED_VOLUNTEERS / volunteers),
    )
    yield Row("offers there that name a third party", named, "% of offers", at_most(0))
    learned = uvloop.run(_learned_by_site(volunteers))
    most = limits.SITE_SHARES * serverlimits.DISCLOSED_VOLUNTEERS
    yield Row(
        "volunteers that an IPv6 /48 learns of", learned, f"of {volunteers}", at_most(most), 0
    )
    alone, beside = uvloop.run(_look_ups(20 if quick else 60))
    yield Row("honest look-ups that succeed, alone", alone, "%")
    yield Row(
        f"honest look-ups that succeed beside {limits.DNS_LOOKUPS} slow names",
        beside,
        "%",
        at_least(99),
    )
    alone, beside = uvloop.run(_admissions(20 if quick else 60))
    yield Row("honest readers admitted, alone", alone, "%")
    yield Row(
        f"honest readers admitted beside {limits.EXIT_ACCOUNTS:,} used tickets",
        beside,
        "%",
        at_least(100),
    )


# --- volunteers -----------------------------------------------------------------------------------


class _Scene:
    """A broker with volunteers that take every offer, and somebody who asks it."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http
        self.addresses: list[str] = []
        """All addresses that offers named to volunteers."""
        self.offers = 0

    async def volunteer(self, ready: Callable[[], None]) -> None:
        """Connect a volunteer that has room for everybody, and answer its offers to the end."""
        socket = await self._http.ws_connect(self._url + "/v1/volunteer")
        await socket.send_str(signalling.encode(VolunteerHello(signalling.VERSION, "bench", 64)))
        await socket.receive_str()
        ready()
        async for frame in socket:
            message = signalling.decode_from_broker(frame.data)
            if isinstance(message, BrokerOffer):
                self.offers += 1
                self.addresses += {each.ip for each in message.description.candidates}
                answer = VolunteerAnswer(message.offer, _description(Setup.ACTIVE))
                await socket.send_str(signalling.encode(answer))
                await socket.send_str(signalling.encode(signalling.VolunteerReady(64)))

    async def ask(self, address: str, path: str, offers: int = 4) -> set[bytes]:
        """Ask from `address`, by POST or in a URL below `path`; return the volunteers learned."""
        key = X25519PrivateKey.generate()
        request = _proved(
            RendezvousRequest(
                version=rendezvous.VERSION,
                time_s=int(time.time()),
                nonce=secrets.token_bytes(16),
                reply_key=key.public_key().public_bytes_raw(),
                offers=tuple(_description(Setup.ACTPASS, VICTIM) for _ in range(offers)),
            )
        )
        reply = await self._reply(address, path, request, key)
        answers = () if reply is None else reply.answers
        return {each.volunteer for each in answers if isinstance(each, Answer)}

    async def _reply(
        self, address: str, path: str, request: RendezvousRequest, key: X25519PrivateKey
    ) -> RendezvousReply | None:
        sealed = rendezvous.seal_request(request, SEAL_PUBLIC)
        headers = {"X-Forwarded-For": address}
        if path == ways.RENDEZVOUS_PATH:
            answering = self._http.post(self._url + path, data=sealed, headers=headers)
        else:
            url = self._url + path + base64url.encode(sealed)
            answering = self._http.get(url, headers=headers)
        async with answering as response:
            body = await response.read()
            if response.status != 200:
                return None
        message = body if path == ways.RENDEZVOUS_PATH else amp.message(body)
        return rendezvous.open_reply(message, key, request)


@asynccontextmanager
async def _scene(volunteers: int) -> AsyncIterator[_Scene]:
    made = config()
    changes = {
        "network_volunteers": serverlimits.DISCLOSED_VOLUNTEERS,
        "network_offers": serverlimits.NETWORK_OFFERS,
        "descriptor": msgspec.structs.replace(made.descriptor, private_candidates=False),
        "trusted_proxies": (ip_network(f"{HOST}/32"),),
        "volunteers_of_network": volunteers,
        "proof_bits": PROOF_BITS,
        "amp": True,
    }
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    broker = Broker(type(made)(**(fields | changes)))
    app = application()
    broker.add_routes(app)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        WebServer(app, HOST, 0, grace_s=0.5) as server,
        aiohttp.ClientSession(connector=connector) as http,
        TaskSet("volunteers") as tasks,
    ):
        scene = _Scene(f"http://{HOST}:{server.port}", http)
        for number in range(volunteers):
            ready = asyncio.Event()
            tasks.spawn(scene.volunteer(ready.set), f"volunteer{number}")
            await ready.wait()
        yield scene
        await broker.close()


async def _learned_by_cache(volunteers: int) -> tuple[int, float]:
    """Return what one address learns in 250 requests, and the share of offers with a victim."""
    known: set[bytes] = set()
    async with _scene(volunteers) as scene:
        for _ in range(250):
            known |= await scene.ask("8.8.8.8", ways.AMP_RENDEZVOUS_PATH)
        named = 100 * scene.addresses.count(VICTIM) / max(1, scene.offers)
    return len(known), named


async def _learned_by_site(volunteers: int) -> int:
    """Return what the 256 networks of one /48 learn that ask twice each."""
    known: set[bytes] = set()
    async with _scene(volunteers) as scene:
        for turn, home in itertools.product(range(2), range(256)):
            address = f"2a00:1450:4001:{home:02x}{turn:02x}::1"
            known |= await scene.ask(address, ways.RENDEZVOUS_PATH)
    return len(known)


def _proved(request: RendezvousRequest) -> RendezvousRequest:
    challenge = proof.challenge(SEAL_PUBLIC, request.nonce, request.time_s)
    found = proof.search(challenge, PROOF_BITS + 4, range(1 << 24))
    assert found is not None  # among sixteen million
    return msgspec.structs.replace(request, proof=found)


def _description(setup: Setup, *addresses: str) -> Description:
    return Description(
        ufrag=secrets.token_hex(4),
        pwd=secrets.token_hex(12),
        fingerprint=secrets.token_bytes(32),
        setup=setup,
        candidates=tuple(Candidate(CandidateKind.HOST, each, 3478) for each in addresses),
    )


# --- the tables of an exit ------------------------------------------------------------------------


class _NameServer(asyncio.DatagramProtocol):
    """Answers for names that begin with `quick`, and is silent about others."""

    def __init__(self, quick: int) -> None:
        self._zone = Zone({f"quick{n}.example": [["93.184.216.34"]] for n in range(quick)})

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        if b"quick" in data and (answer := self._zone.answer(data)) is not None:
            self._transport.sendto(answer, peer)  # type: ignore[attr-defined]


async def _look_ups(count: int) -> tuple[float, float]:
    """Return how many of `count` honest look-ups succeed, alone and beside a flood; in percent."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _NameServer(2 * count), (HOST, 0))
    resolver = Resolver(servers=[HOST], port=transport.get_extra_info("sockname")[1])
    numbers = itertools.count()

    async def succeeds() -> bool:
        try:
            return bool(await resolver(f"quick{next(numbers)}.example", HONEST))
        except StreamFailed:
            return False

    async def flood(number: int) -> None:
        for turn in itertools.count():
            try:
                await resolver(f"slow{turn}-{number}.example", HOSTILE)
            except StreamFailed:
                await asyncio.sleep(0.05)

    try:
        alone = sum([await succeeds() for _ in range(count)])
        async with TaskSet("flood") as tasks:
            for number in range(limits.DNS_LOOKUPS):
                tasks.spawn(flood(number), "slow")
            await asyncio.sleep(0.2)
            beside = sum([await succeeds() for _ in range(count)])
    finally:
        await resolver.close()
        transport.close()
    return 100 * alone / count, 100 * beside / count


async def _admissions(count: int) -> tuple[float, float]:
    """Return how many of `count` new readers are admitted, alone and to a full exit; in percent.

    The flood's tickets are entered as used ones directly: each HELLO of theirs costs a signature.
    """
    exit_config = ExitConfig("exit-1", LinkIdentity.generate(), (TICKET_KEY.public_key(),))
    table = SessionTable(exit_config)

    def admitted() -> bool:
        expires_s = int(time.time()) + 3600
        ticket = Ticket(
            TicketKind.CLIENT, "exit-1", expires_s, secrets.token_bytes(16), HONEST_TAGS
        )
        hello = Hello(secrets.token_bytes(16), True, 0, sign(ticket, TICKET_KEY))
        try:
            tunnel, _ = table.admit(hello)
        except PeerError:
            return False
        tunnel.close()
        return True

    def use(number: int) -> Account:
        now = asyncio.get_running_loop().time()
        return table._accounts.open_session(number.to_bytes(16, "big"), 3600, now, HOSTILE)

    try:
        alone = sum([admitted() for _ in range(count)])
        for number in range(limits.EXIT_ACCOUNTS):
            try:
                table._accounts.close_session(use(number))
            except PeerError:  # the table is full
                break
        beside = sum([admitted() for _ in range(count)])
    finally:
        await table.close()
    return 100 * alone / count, 100 * beside / count
