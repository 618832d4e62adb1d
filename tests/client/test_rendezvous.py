from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from passerelle import limits
from passerelle.client.methods import PostMethod
from passerelle.client.rendezvous import BrokerSilent, ask
from passerelle.core.matching import proof
from passerelle.errors import ConfigError
from passerelle.io.net.disguise import Disguise
from passerelle.io.server.web import WebServer, application
from passerelle.wire import rendezvous
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Refusal, RendezvousReply
from passerelle.wire.ways import DirectWay
from tests.broker.parties import description
from tests.network import HOST, KEYS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scene:
    """A method, and a broker that answers as a test wants."""

    def __init__(self, method: PostMethod) -> None:
        self.method = method
        self.seal_key = KEYS.broker_seal.public_key().public_bytes_raw()

    async def ask(self) -> RendezvousReply:
        offers = (description(Setup.ACTPASS),)
        return await ask(self.method, self.seal_key, offers, exit_id=None, avoid=(), lanes=2)


@asynccontextmanager
async def scene(handler: Handler, timeout_s: float = 5) -> AsyncIterator[Scene]:
    app = application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with (
        WebServer(app, HOST, 0, grace_s=0.1) as server,
        Disguise(timeout_s) as disguise,
    ):
        yield Scene(PostMethod(disguise, DirectWay(), f"http://{HOST}:{server.port}"))


def replying(reply: RendezvousReply) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        opened = rendezvous.open_request(await request.read(), KEYS.broker_seal)
        return web.Response(body=rendezvous.seal_reply(reply, opened))

    return handle


def answering(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return handle


def packing(packed: bytes) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    return handle


async def test_reply_is_opened() -> None:
    """What the broker sealed for this request arrives."""
    async with scene(replying(RendezvousReply(exit="exit1", retry_after_s=3.0))) as made:
        assert await made.ask() == RendezvousReply(exit="exit1", retry_after_s=3.0)


@pytest.mark.parametrize(
    "handler",
    [
        answering(),
        answering(body=b"not sealed"),
        answering(body=bytes(rendezvous.SEALED_BYTES)),
        answering(body=bytes(rendezvous.SEALED_BYTES + 1)),
        answering(status=400),
        answering(status=500),
        answering(status=302, Location="http://127.0.0.1:1/"),
    ],
)
async def test_anything_else_is_a_silent_broker(handler: Handler) -> None:
    """Garbage, refusals, redirects and answers that are too long all count as a silent broker."""
    async with scene(handler) as made:
        with pytest.raises(BrokerSilent):
            await made.ask()


async def test_broker_that_does_not_answer_in_time() -> None:
    """An exchange with a broker has a deadline."""

    async def hang(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with scene(hang, timeout_s=0.05) as made:
        with pytest.raises(BrokerSilent, match="in time"):
            await made.ask()


async def test_newer_network_asks_for_an_update() -> None:
    """A version that is not spoken any more is for the person to solve."""
    async with scene(replying(RendezvousReply(refusal=Refusal.VERSION))) as made:
        with pytest.raises(ConfigError, match="Update it"):
            await made.ask()


async def test_broker_cannot_mark_a_client() -> None:
    """A cookie that the broker sets never comes back, nor does anything else differ."""
    seen = []

    async def mark(request: web.Request) -> web.Response:
        seen.append(dict(request.headers) | {"Content-Length": ""})
        return web.Response(body=b"", headers={"Set-Cookie": "id=reader; Path=/"})

    async with scene(mark) as made:
        for _ in range(2):
            with pytest.raises(BrokerSilent):
                await made.ask()
    assert seen[0] == seen[1]
    assert "Cookie" not in seen[1]


async def test_packed_answers_count_unpacked() -> None:
    """A browser takes gzip, so we say that we do; a few bytes that unpack to many are refused."""
    packed = gzip.compress(bytes(100 * limits.DESCRIPTOR_BYTES))
    assert len(packed) < 10 * limits.DESCRIPTOR_BYTES
    async with scene(packing(packed)) as made:
        with pytest.raises(BrokerSilent, match="more than an answer can hold"):
            await made.method.document()
    async with scene(packing(gzip.compress(b"text"))) as made:
        assert await made.method.document() == b"text"


async def test_descriptor_has_a_limit() -> None:
    """A document without end is not read to its end."""
    async with scene(answering(body=bytes(limits.DESCRIPTOR_BYTES + 1))) as made:
        with pytest.raises(BrokerSilent, match="more than an answer can hold"):
            await made.method.document()


async def test_a_proof_of_work_is_done_when_the_broker_wants_one() -> None:
    """The second request is a new one, and carries a proof for itself."""
    public = KEYS.broker_seal.public_key().public_bytes_raw()
    nonces = []

    async def handle(request: web.Request) -> web.Response:
        opened = rendezvous.open_request(await request.read(), KEYS.broker_seal)
        nonces.append(opened.nonce)
        challenge = proof.challenge(public, opened.nonce, opened.time_s)
        good = proof.is_proof(challenge, opened.proof, 12)
        reply = (
            RendezvousReply(exit="one")
            if good
            else RendezvousReply(refusal=Refusal.PROOF, proof_bits=12)
        )
        return web.Response(body=rendezvous.seal_reply(reply, opened))

    async with scene(handle) as made:
        assert (await made.ask()).exit == "one"
    assert len(set(nonces)) == 2


async def test_a_broker_that_is_never_content_is_asked_twice() -> None:
    async with scene(replying(RendezvousReply(refusal=Refusal.PROOF, proof_bits=1))) as made:
        assert (await made.ask()).refusal is Refusal.PROOF


async def test_an_old_client_is_told_which_release_it_needs() -> None:
    async with scene(replying(RendezvousReply(refusal=Refusal.VERSION, minimum="9.1.0"))) as made:
        with pytest.raises(ConfigError, match=r"needs Passerelle 9\.1\.0 or newer; this is"):
            await made.ask()
