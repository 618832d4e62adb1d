from __future__ import annotations

import secrets
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from passerelle import limits, serverlimits
from passerelle.io.tasks import TaskSet
from passerelle.wire import amp, base64url, rendezvous, tokens
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Refusal, RendezvousReply
from passerelle.wire.signalling import NatClass, VolunteerHello
from passerelle.wire.tokens import Token
from tests.broker.parties import (
    NETWORK,
    NOW,
    TICKET_KEY,
    Scene,
    config,
    description,
    new_request,
    proved,
    scene,
    seal,
)
from tests.broker.test_limits import LOOPBACK, serving

CACHE = "66.249.64.9"


AMP: dict[str, Any] = {"amp": True, "proof_bits": 8, "trusted_proxies": LOOPBACK}


async def get(here: Scene, path: str, seen: str = "") -> tuple[int, bytes, dict[str, str]]:
    headers = {"X-Forwarded-For": seen} if seen else {}
    url = here.url + path
    async with here.http.get(url, allow_redirects=False, headers=headers) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_request_in_the_path_gets_its_reply_on_a_page() -> None:
    """The offer goes to a volunteer; the page may be kept for no longer than caches insist on."""
    async with scene(**AMP) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        request, key = proved(*new_request())
        path = "/v1/amp/rendezvous/" + base64url.encode(seal(request))
        task = tasks.start(get(here, path), "get")
        given = await volunteer.answer()
        status, page, headers = await task
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "public, max-age=15"
    reply = rendezvous.open_reply(amp.message(page), key, request)
    (answer,) = reply.answers
    assert isinstance(answer, Answer)
    assert answer.description == given
    assert base64url.encode(seal(request))[:40] not in page.decode(), "the page repeats no request"


async def test_the_descriptor_on_a_page() -> None:
    async with scene(**AMP) as here:
        here.broker.publish(b"another document")
        status, page, headers = await get(here, "/v1/amp/network")
    assert (status, amp.message(page)) == (200, b"another document")
    assert headers["Cache-Control"] == f"public, max-age={config().document_age_s}"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "A=",
        "%00",
        base64url.encode(bytes(1072)),
        base64url.encode(bytes(limits.TEXT_SEALED_BYTES + 1)),
    ],
)
async def test_whatever_cannot_be_used_gets_the_same_response(text: str) -> None:
    """So does a replay: a prober learns nothing."""
    async with scene(**AMP) as here:
        request, _ = new_request()
        path = "/v1/amp/rendezvous/" + base64url.encode(seal(request))
        assert (await get(here, path))[0] == 200
        replayed = await get(here, path)
        bad = await get(here, "/v1/amp/rendezvous/" + text)
    assert bad[:2] == replayed[:2] == (400, b"")
    for _, _, headers in (bad, replayed):
        headers.pop("Date")
    assert bad[2] == replayed[2]


async def ask(here: Scene, seen: str, *, prove: bool = True, **changes: Any) -> RendezvousReply:
    """What somebody is told whose request a cache, or he himself, brings from `seen`."""
    request, key = new_request(**changes)
    if prove:
        request, key = proved(request, key)
    path = "/v1/amp/rendezvous/" + base64url.encode(seal(request))
    status, page, _ = await get(here, path, seen)
    assert status == 200
    return rendezvous.open_reply(amp.message(page), key, request)


async def learned(here: Scene, seen: str) -> int:
    """How many volunteers somebody at `seen` learns of who asks on and on."""
    known: set[bytes] = set()
    for _ in range(100):
        offers = tuple(description(Setup.ACTPASS) for _ in range(limits.OFFERS_PER_REQUEST))
        reply = await ask(here, seen, offers=offers)
        known |= {each.volunteer for each in reply.answers if isinstance(each, Answer)}
    return len(known)


@pytest.mark.parametrize("path", ["/v1/amp/network", "/v1/amp/rendezvous/AAAA"])
async def test_the_paths_exist_only_where_the_operator_turned_them_on(path: str) -> None:
    async with scene() as here:
        assert (await get(here, path))[0] == 404


async def test_whoever_asks_by_it_counts_for_the_network_it_connects_from() -> None:
    """It learns of as many volunteers as by any other way."""
    async with scene(**AMP) as here, serving(here, 60, free=9):
        assert await learned(here, "93.184.216.34") == serverlimits.DISCLOSED_VOLUNTEERS


async def test_a_named_cache_counts_for_many() -> None:
    """All its readers together are allowed the shares of a crowd, and no more."""
    named = (ip_network("66.249.64.0/19"),)
    many = {**AMP, "network_volunteers": 1, "front_networks": named, "network_offers": 1}
    async with scene(**many) as here, serving(here, 80, free=9):
        assert await learned(here, CACHE) == limits.CROWD_SHARES
        assert await learned(here, "66.249.70.1") == limits.CROWD_SHARES, "the same ones"
        assert await learned(here, "8.8.8.8") == 0, "four offers at once, for one share"


async def test_it_always_costs_a_proof_or_a_token() -> None:
    token = tokens.sign(Token(secrets.token_bytes(16), NOW + 60, 9), TICKET_KEY)
    async with scene(**AMP) as here:
        assert (await ask(here, CACHE, prove=False)).refusal is Refusal.PROOF
        assert (await ask(here, CACHE)).refusal is None
        assert (await ask(here, CACHE, prove=False, token=token)).refusal is None


async def test_nobody_unseen_has_volunteers_send_packets_anywhere() -> None:
    """Neither the cache's network nor anybody else's may be named."""
    network = msgspec.structs.replace(NETWORK, private_candidates=False)
    named = ("66.249.64.9", "8.8.8.8", "2a00::1", "192.168.1.1")
    async with scene(**AMP, descriptor=network) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        offers = (description(Setup.ACTPASS, *named),)
        tasks.spawn(ask(here, CACHE, offers=offers), "ask")
        assert (await volunteer.offered()).description.candidates == ()


async def test_who_cannot_be_sent_to_is_given_a_volunteer_that_lets_anybody_in() -> None:
    """Behind any other NAT a volunteer would have to send the first packet."""
    network = msgspec.structs.replace(NETWORK, private_candidates=False)
    async with scene(**AMP, descriptor=network) as here, TaskSet("test") as tasks:
        for _ in range(8):
            restricted = await here.connect()
            await restricted.send(VolunteerHello(1, "test", 9, nat=NatClass.RESTRICTED))
            await restricted.receive()
        volunteer = await here.connect()
        await volunteer.send(VolunteerHello(1, "test", 9, nat=NatClass.OPEN))
        await volunteer.receive()
        offers = (description(Setup.ACTPASS, "8.8.8.8"),)
        asking = tasks.start(ask(here, CACHE, offers=offers, nat=NatClass.OPEN), "ask")
        await volunteer.answer()
        assert isinstance((await asking).answers[0], Answer)
