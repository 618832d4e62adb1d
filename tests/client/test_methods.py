"""Each method by its middleman, which sees all there is after its own TLS."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from passerelle import limits
from passerelle.client.methods import REDIRECTS_MOST, method_for
from passerelle.client.rendezvous import BrokerSilent, ask
from passerelle.io.net.disguise import Disguise
from passerelle.io.server.web import WebServer, application
from passerelle.wire import descriptor, rendezvous
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.rendezvous import Answer, RendezvousReply
from passerelle.wire.signalling import VolunteerAnswer
from passerelle.wire.ways import AmpWay, DirectWay, FrontedWay, Way
from tests.broker.parties import NOW, OPERATOR_KEY, SEAL_KEY, Scene, description, scene
from tests.rig.certificate import Certificate
from tests.rig.hello import ClientHello
from tests.rig.middleman import Middleman, cache, fronting

FRONT = "popular.localhost"
"""curl takes every name below `localhost` for this machine (RFC 6761 §6.3)."""
CDN = "d123.cdn.example"
CACHE = "cache.example"
OFFER = Description(
    ufrag="Uf7a",
    pwd="kLm0PqRs1TuVw2XyZa3BcDe4",
    fingerprint=bytes(range(100, 132)),
    setup=Setup.ACTPASS,
    candidates=(
        Candidate(CandidateKind.HOST, "198.51.100.23", 40_123),
        Candidate(CandidateKind.REFLEXIVE, "2001:db8:77::1234", 40_124),
    ),
)


@dataclass
class Middle:
    """A broker that only the one in the middle reaches, and a way there."""

    broker: Scene
    man: Middleman
    disguise: Disguise
    way: Way

    def ask(self, *offers: Description) -> asyncio.Task[RendezvousReply]:
        key = SEAL_KEY.public_key().public_bytes_raw()
        carrier = method_for(self.way, self.broker.url, self.disguise)
        work = ask(carrier, key, offers or (OFFER,), exit_id=None, avoid=(), lanes=3)
        return asyncio.get_running_loop().create_task(work)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("front"), FRONT)


@pytest.fixture(autouse=True)
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's machine trusts the middleman's certificate, and has a proxy that is none."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.pem))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@asynccontextmanager
async def middle(kind: str, certificate: Certificate) -> AsyncIterator[Middle]:
    async with scene(amp=True) as broker, Disguise(5) as disguise:
        broker.clock[0] = time.time()
        origin = cache(CACHE) if kind == "amp" else fronting({CDN: broker.url})
        async with Middleman(certificate, origin) as man:
            front = f"{FRONT}:{man.port}"
            ways: dict[str, Way] = {
                "fronted": FrontedWay(f"https://{CDN}", front),
                "amp": AmpWay(f"https://{CACHE}", front),
            }
            yield Middle(broker, man, disguise, ways[kind])


both = pytest.mark.parametrize("kind", ["fronted", "amp"])


def forms(secret: bytes | str) -> Iterator[bytes]:
    """Every form in which a secret could appear: as it is, in hex, in base64 at any offset."""
    raw = secret.encode() if isinstance(secret, str) else secret
    yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), raw.hex(":").encode())
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Only what does not depend on the neighbours.
            text = encode(bytes(shift) + raw).rstrip(b"=")
            yield text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]


def secrets_of(given: Description) -> Iterator[bytes | str]:
    yield from (given.ufrag, given.pwd, given.fingerprint)
    for candidate in given.candidates:
        yield candidate.ip


@both
async def test_a_request_goes_through_and_the_middleman_learns_nothing(
    kind: str, certificate: Certificate
) -> None:
    """Offer out, answer back; no byte of either description, nor of a ticket, is in the log."""
    async with middle(kind, certificate) as made:
        volunteer = await made.broker.volunteer()
        task = made.ask()
        offer = await volunteer.offered()
        assert offer.description == OFFER
        own = description(Setup.ACTIVE)
        await volunteer.send(VolunteerAnswer(offer.offer, own))
        reply = await task
        (answer,) = reply.answers
        assert isinstance(answer, Answer)
        assert answer.description == own
        seen = bytes(made.man.seen)
    assert len(seen) > 2000, "the log holds what passed"
    assert b"/v1/" in seen
    known = [*secrets_of(OFFER), *secrets_of(own), reply.ticket, *answer.lane_tickets]
    for secret in known:
        for form in forms(secret):
            assert form not in seen
    # The search would find them: so does it in what is not sealed.
    opened = rendezvous._padded(RendezvousReply(exit="one", answers=(answer,), ticket=reply.ticket))
    shown = opened + b" " + base64.urlsafe_b64encode(opened)
    for secret in (*secrets_of(own), reply.ticket):
        assert any(form in opened for form in forms(secret))
        assert any(form in shown[len(opened) :] for form in list(forms(secret))[4:])


@both
async def test_the_descriptor_comes_too(kind: str, certificate: Certificate) -> None:
    """Where the broker's name is blocked, the very first step must not need it."""
    async with middle(kind, certificate) as made:
        carrier = method_for(made.way, made.broker.url, made.disguise)
        document = await carrier.document()
        public = OPERATOR_KEY.public_key().public_bytes_raw()
        found = descriptor.verify(document, public, now_s=NOW)
        assert found.name == "test"


@both
async def test_one_connection_serves_all_requests(kind: str, certificate: Certificate) -> None:
    """Requests at the same time share one connection, with the front's name in its ClientHello."""
    async with middle(kind, certificate) as made:
        carrier = method_for(made.way, made.broker.url, made.disguise)
        await carrier.document()
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(carrier.document())
            asked = [made.ask(), made.ask()]
        for task in asked:
            assert (await task).exit is not None
        assert made.man.requests == 6
        (hello,) = made.man.hellos
    assert ClientHello.parse(hello).server_name == FRONT
    assert CDN.encode() not in hello
    assert CACHE.encode() not in hello


async def test_the_client_hello_is_a_browsers(certificate: Certificate) -> None:
    """GREASE (RFC 8701), ALPN h2, a post-quantum group, compressed certificates: as Chrome sends.

    Python's own has none of the first and last, so the test can tell them apart.
    """
    async with middle("fronted", certificate) as made:
        await method_for(made.way, made.broker.url, made.disguise).document()
        context = ssl.create_default_context(cafile=certificate.pem)
        async with aiohttp.ClientSession() as http:
            url = f"https://localhost:{made.man.port}/"
            async with http.get(url, ssl=context) as response:
                assert response.status == 404
        ours, python = (ClientHello.parse(hello) for hello in made.man.hellos)
    assert ours.is_greased
    assert not python.is_greased
    assert "h2" in ours.alpn
    assert ours.groups[:3] != python.groups[:3]
    assert 0x11EC in ours.groups, "X25519MLKEM768"
    compress_certificate, encrypted_hello, application_settings = 27, 0xFE0D, 17613
    for extension in (compress_certificate, encrypted_hello, application_settings):
        assert extension in ours.extensions
        assert extension not in python.extensions
    assert ours.ciphers != python.ciphers


async def test_a_broker_of_its_own_has_the_same_disguise() -> None:
    """The direct way sends a browser's headers, and nothing of a Python library."""
    async with scene(amp=True) as broker, Disguise(5) as disguise:
        broker.clock[0] = time.time()
        volunteer = await broker.volunteer()
        made = Middle(broker, None, disguise, DirectWay())  # type: ignore[arg-type]
        task = made.ask()
        given = await volunteer.answer()
        (answer,) = (await task).answers
        assert isinstance(answer, Answer)
        assert answer.description == given


@both
async def test_a_strangers_certificate_is_refused(
    kind: str, certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody in between with another certificate gets no request."""
    monkeypatch.setenv("SSL_CERT_FILE", str(Certificate.make(tmp_path, FRONT).pem))
    async with middle(kind, certificate) as made:
        with pytest.raises(BrokerSilent, match="certificate is not valid"):
            await made.ask()
        assert made.man.requests == 0


@both
async def test_a_middleman_without_the_broker(kind: str, certificate: Certificate) -> None:
    """One that does not know the broker says so, one that is silent has its time."""
    async with middle(kind, certificate) as made:
        made.broker.url = "http://127.0.0.1:9"
        made.man._origin = fronting({})
        with pytest.raises(BrokerSilent, match="the broker answered 404"):
            await made.ask()


async def test_a_page_without_a_message_is_told(certificate: Certificate) -> None:
    """A cache that shows its own page, not the broker's."""
    async with middle("amp", certificate) as made:
        made.man._origin = lambda _host, _path: made.broker.url + "/v1/network"
        with pytest.raises(BrokerSilent, match="without a message"):
            await made.ask()


async def test_a_request_too_long_for_a_url_is_told(certificate: Certificate) -> None:
    """A request too long for a URL is not sent, because caches would cut it."""
    async with middle("amp", certificate) as made:
        carrier = method_for(made.way, made.broker.url, made.disguise)
        with pytest.raises(BrokerSilent, match="too long"):
            await carrier.exchange(bytes(limits.TEXT_SEALED_BYTES + 1))
        assert made.man.requests == 0
        with pytest.raises(BrokerSilent, match="answered 400"):
            await carrier.exchange(bytes(limits.TEXT_SEALED_BYTES))


async def test_largest_offers_fit_a_url(certificate: Certificate) -> None:
    """Four offers with as many candidates as they may have, and all volunteers to avoid."""
    full = Description(
        OFFER.ufrag,
        OFFER.pwd,
        OFFER.fingerprint,
        OFFER.setup,
        (Candidate(CandidateKind.REFLEXIVE, "2001:db8:1111:2222:3333:4444:5555:6666", 40_000),)
        * limits.CANDIDATES,
    )
    async with middle("amp", certificate) as made:
        reply = await made.ask(*[full] * limits.OFFERS_PER_REQUEST)
        assert len(reply.answers) == limits.OFFERS_PER_REQUEST


@asynccontextmanager
async def old_name(locations: dict[str, str]) -> AsyncIterator[tuple[str, list[str]]]:
    """A web server that redirects some paths; its URL and the paths asked for."""
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=301, headers={"Location": locations[request.path]})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", redirect)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_the_descriptor_may_have_moved_to_another_name() -> None:
    """An old invite works where the old name redirects; sealed requests are never redirected."""
    async with scene(amp=True) as broker, Disguise(5) as disguise:
        moved = {"/v1/network": f"{broker.url}/v1/network", "/v1/rendezvous": f"{broker.url}/"}
        async with old_name(moved) as (url, asked):
            carrier = method_for(DirectWay(), url, disguise)
            found = await carrier.document()
            key = OPERATOR_KEY.public_key().public_bytes_raw()
            assert descriptor.verify(found, key, now_s=NOW).brokers
            with pytest.raises(BrokerSilent, match="answered 301"):
                await carrier.exchange(b"sealed")
            assert asked == ["/v1/network", "/v1/rendezvous"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:9/other",
        "http://127.0.0.1:9/v1/network?a=b",
        "http://user@127.0.0.1:9/v1/network",
        "https://127.0.0.1:9/v1/network",
        "ftp://127.0.0.1:9/v1/network",
        "http://[/v1/network",
        "/v1/network",
    ],
)
async def test_other_redirects_are_not_followed(location: str) -> None:
    """Neither to something else than a network's descriptor, nor round in circles."""
    async with Disguise(5) as disguise, old_name({"/v1/network": location}) as (url, asked):
        with pytest.raises(BrokerSilent, match="answered 301"):
            await method_for(DirectWay(), url, disguise).document()
        assert len(asked) <= 1 + REDIRECTS_MOST


@pytest.mark.parametrize(
    ("ahead_s", "sentence"),
    [
        (7200, "clock is 2 hours slow"),
        (-300, "clock is 5 minutes fast"),
        (60, "the broker answered 400"),
        (None, "the broker answered 400"),
    ],
)
async def test_a_wrong_clock_is_named(ahead_s: float | None, sentence: str) -> None:
    """A broker refuses requests of another time, and its answer's `Date` tells why."""
    date = "some day" if ahead_s is None else formatdate(time.time() + ahead_s, usegmt=True)

    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=400, headers={"Date": date})

    app = application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with WebServer(app, "127.0.0.1", 0, grace_s=0.1) as server, Disguise(5) as disguise:
        method = method_for(DirectWay(), f"http://127.0.0.1:{server.port}", disguise)
        with pytest.raises(BrokerSilent, match=sentence):
            await method.exchange(b"sealed")
