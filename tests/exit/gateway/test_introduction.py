"""A reading page asks a broker through the gateway, where no broker is reached from its network."""

from __future__ import annotations

import pytest

from passerelle.exit.gateway.gateway import BROKER_NAME
from passerelle.io.server.metrics import Metrics
from passerelle.wire import rendezvous
from passerelle.wire.rendezvous import Refusal
from passerelle.wire.ways import RENDEZVOUS_PATH
from tests.broker.parties import new_request, proved, seal
from tests.broker.parties import scene as broker_scene
from tests.exit.gateway.scene import scene

URL = f"https://{BROKER_NAME}{RENDEZVOUS_PATH}"


async def reverse(sealed: bytes) -> bytes | None:
    """Stand for a broker that can use everything but an empty message."""
    return sealed[::-1] or None


async def test_the_gateway_passes_it_on_and_the_reply_back() -> None:
    """It is counted as an answer of a broker, and the site hears nothing of it."""
    metrics = Metrics()
    async with scene(ask_broker=reverse, metrics=metrics) as made, made.reader() as reader:
        answer = await reader.ask("POST", URL, content=b"sealed")
        assert (answer.status, answer.content, answer.refusal) == (200, b"delaes", None)
        assert answer.fields["cache-control"] == "no-store"
        assert b'gateway_answers_total{source="broker"} 8.0' in metrics.text()
        assert not made.publisher.asked


@pytest.mark.parametrize(
    ("method", "url", "content", "refusal"),
    [
        ("POST", URL, b"", "malformed"),
        ("POST", URL, bytes(rendezvous.SEALED_BYTES + 1), "malformed"),
        ("GET", URL, b"", "malformed"),
        ("POST", f"https://{BROKER_NAME}/v1/network", b"sealed", "name"),
        ("POST", f"https://www.{BROKER_NAME}{RENDEZVOUS_PATH}", b"sealed", "name"),
    ],
    ids=["useless", "too long", "no post", "another path", "another name"],
)
async def test_nothing_else_is_passed_on(
    method: str, url: str, content: bytes, refusal: str
) -> None:
    async with scene(ask_broker=reverse) as made, made.reader() as reader:
        assert (await reader.ask(method, url, content=content)).refusal == refusal


async def test_it_takes_a_ticket() -> None:
    """So nobody who was never let in asks a broker by this way."""
    async with scene(ask_broker=reverse) as made, made.reader(client_ticket="") as stranger:
        assert (await stranger.ask("POST", URL, content=b"sealed")).refusal == "ticket"


async def test_an_exit_that_knows_no_broker_says_what_it_says_of_other_names() -> None:
    async with scene() as made, made.reader() as reader:
        assert (await reader.ask("POST", URL, content=b"sealed")).refusal == "name"


async def test_the_broker_counts_whoever_asks_so_as_a_crowd() -> None:
    """It wants a proof of work, as of what a door brings, and ignores what it cannot use."""
    async with broker_scene() as made:
        request, key = new_request()
        reply = await made.broker.introduce(seal(request))
        assert reply is not None
        told = rendezvous.open_reply(reply, key, request)
        assert (told.refusal, told.ticket) == (Refusal.PROOF, "")
        request, key = proved(*new_request(), bits=told.proof_bits)
        reply = await made.broker.introduce(seal(request))
        assert reply is not None
        assert rendezvous.open_reply(reply, key, request).ticket
        assert await made.broker.introduce(seal(request)) is None, "a replay"
        assert await made.broker.introduce(bytes(1072)) is None
