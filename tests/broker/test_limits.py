"""What a few who ask too much can do to the others: little."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest

from passerelle.errors import LinkCode
from passerelle.io.tasks import TaskSet
from passerelle.wire import rendezvous, signalling, tokens
from passerelle.wire.description import Description, Setup
from passerelle.wire.rendezvous import Answer, Cipher, Miss, Refusal, RendezvousReply
from passerelle.wire.signalling import (
    BrokerOffer,
    BrokerPong,
    Bye,
    VolunteerAnswer,
    VolunteerHello,
    VolunteerPing,
)
from passerelle.wire.tokens import Token
from tests.broker.parties import (
    NOW,
    SEAL_KEY,
    TICKET_KEY,
    Scene,
    Volunteer,
    description,
    new_request,
    offer,
    proved,
    scene,
    seal,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)
PROVEN = {"proof_bits": 8}


async def ask_from(
    here: Scene, address: str, *offers: Description, prove: int | None = None, **changes: Any
) -> RendezvousReply | None:
    """What a client at `address` is told; None for the uniform failure."""
    request, key = new_request(*offers, **changes)
    if prove is not None:
        request, key = proved(request, key, prove)
    headers = {"X-Forwarded-For": address}
    url = here.url + "/v1/rendezvous"
    async with here.http.post(url, data=seal(request), headers=headers) as response:
        body = await response.read()
        if response.status != 200:
            return None
    return rendezvous.open_reply(body, key, request)


@contextlib.asynccontextmanager
async def serving(here: Scene, count: int, free: int = 1) -> AsyncIterator[Counter[int]]:
    """Volunteers that answer every offer; yields how many each has answered."""
    answered: Counter[int] = Counter()

    async def serve(number: int) -> None:
        volunteer = await here.volunteer(free)
        ready.set()
        while True:
            message = signalling.decode_from_broker(await volunteer.socket.receive_str())
            assert isinstance(message, BrokerOffer)
            answered[number] += 1
            await volunteer.send(VolunteerAnswer(message.offer, description(Setup.ACTIVE)))

    async with TaskSet("volunteers") as tasks:
        for number in range(count):
            ready = asyncio.Event()
            tasks.spawn(serve(number), f"volunteer{number}")
            await ready.wait()
        yield answered


# --- who it is ------------------------------------------------------------------------------------


async def test_a_proxy_is_believed_only_if_it_is_ours() -> None:
    """Else everybody could pretend to be anybody, or to come from ever new networks."""
    limited = {"network_requests": (1.0, 0.0), **PROVEN}
    async with scene(trusted_proxies=LOOPBACK, **limited) as here:
        for number in range(5):
            reply = await ask_from(here, f"93.184.{number}.1")
            assert reply is not None
            assert reply.refusal is None
        reply = await ask_from(here, "93.184.0.99")
        assert reply is not None
        assert reply.refusal is Refusal.PROOF, "the same /24 again"
        reply = await ask_from(here, "8.8.8.8, 93.184.0.99")
        assert reply is not None
        assert reply.refusal is Refusal.PROOF, "whatever the client itself wrote before"
    async with scene(trusted_proxies=(), **limited) as here:
        for _ in range(5):
            reply = await ask_from(here, "93.184.0.1")
            assert reply is not None
            assert reply.refusal is None


# --- requests -------------------------------------------------------------------------------------


async def test_one_network_pays_beyond_what_is_usual_and_others_do_not() -> None:
    async with scene(trusted_proxies=LOOPBACK, network_requests=(3.0, 0.0), **PROVEN) as here:
        replies = [await ask_from(here, f"93.184.216.{n}") for n in range(5)]
        assert [reply and reply.refusal for reply in replies] == [None] * 3 + [Refusal.PROOF] * 2
        assert replies[4] is not None
        assert replies[4].proof_bits == 8
        paid = await ask_from(here, "93.184.216.9", prove=8)
        assert paid is not None
        assert paid.refusal is None
        other = await ask_from(here, "93.184.217.1")
        assert other is not None
        assert other.refusal is None


async def test_a_proof_is_good_for_one_request_only() -> None:
    bits = 16  # with 8, one stale proof in 256 fits the other request by chance
    limited = {"network_requests": (0.0, 0.0), "proof_bits": bits}
    async with scene(trusted_proxies=LOOPBACK, **limited) as here:
        request, _ = proved(*new_request(), bits)
        again = await ask_from(here, "93.184.216.1", proof=request.proof)
        assert again is not None
        assert again.refusal is Refusal.PROOF


async def test_a_flood_is_not_even_opened() -> None:
    """Not for its proofs either: opening is what costs us."""
    async with scene(trusted_proxies=LOOPBACK, network_flood=(3.0, 0.0)) as here:
        replies = [await ask_from(here, f"2a00:1450:4001:81{n:02x}::1") for n in range(5)]
        assert [reply is None for reply in replies] == [False] * 3 + [True] * 2, "one /56"
        assert await ask_from(here, "2a00:1450:4001:8201::1") is not None, "the next /56"


async def test_the_bodies_of_a_flood_are_told_nothing_but_the_uniform_failure() -> None:
    async with scene(trusted_proxies=LOOPBACK, network_flood=(1.0, 0.0)) as here:
        url, headers = here.url + "/v1/rendezvous", {"X-Forwarded-For": "93.184.216.1"}
        seen = set()
        for body in (b"", seal(new_request()[0])):
            async with here.http.post(url, data=body, headers=headers) as response:
                kept = sorted((k, v) for k, v in response.headers.items() if k != "Date")
                seen.add((response.status, await response.read(), str(kept)))
        assert len(seen) == 1


async def test_a_token_spares_the_proof_and_counts_by_itself() -> None:
    async with scene(
        trusted_proxies=LOOPBACK,
        network_requests=(0.0, 0.0),
        token_requests=(2.0, 0.0),
        **PROVEN,
    ) as here:
        good = tokens.sign(Token(secrets.token_bytes(16), NOW + 60, 9), TICKET_KEY)
        old = tokens.sign(Token(secrets.token_bytes(16), NOW - 1, 9), TICKET_KEY)
        got = [
            reply and reply.refusal
            for reply in [
                await ask_from(here, "93.184.216.1", token=text)
                for text in ("", "nonsense", old, good, good, good)
            ]
        ]
        assert got == [Refusal.PROOF] * 3 + [None, None, Refusal.PROOF]


async def test_with_a_token_one_may_learn_of_more() -> None:
    async with (
        scene(trusted_proxies=LOOPBACK, network_volunteers=2) as here,
        serving(here, 6),
    ):
        token = tokens.sign(Token(secrets.token_bytes(16), NOW + 60, 4), TICKET_KEY)
        plain = [await ask_from(here, "93.184.216.1") for _ in range(3)]
        assert [isinstance(r.answers[0], Answer) for r in plain if r] == [True, True, False]
        more = [await ask_from(here, "93.184.216.1", token=token) for _ in range(5)]
        assert [isinstance(r.answers[0], Answer) for r in more if r] == [True] * 4 + [False]


async def test_under_overload_everybody_pays_but_those_with_a_token() -> None:
    async with (
        scene(
            pending_offers=4, overload=0.5, patience_s=600, answer_timeout_s=600, **PROVEN
        ) as here,
        TaskSet("test") as tasks,
    ):
        volunteer = await here.volunteer(free=9)
        asking = tasks.start(here.ask(offer(), offer()), "ask")
        await volunteer.offered()
        reply = await here.ask()
        assert reply.refusal is Refusal.PROOF
        assert reply.proof_bits == 8
        token = tokens.sign(Token(secrets.token_bytes(16), NOW + 60, 9), TICKET_KEY)
        vouched = tasks.start(here.ask(token=token), "vouched")
        await volunteer.answer()
        assert (await vouched).refusal is None
        asking.cancel()


async def test_when_volunteers_are_scarce_everybody_pays() -> None:
    async with scene(**PROVEN) as here:
        for _ in range(16):
            await here.volunteer(free=0)
        assert (await here.ask()).refusal is Refusal.PROOF


# --- Sybils ---------------------------------------------------------------------------------------


async def test_200_sybils_in_one_network_learn_of_a_few_and_hinder_nobody() -> None:
    async with (
        scene(trusted_proxies=LOOPBACK, answer_timeout_s=5, **PROVEN) as here,
        serving(here, 60, free=2),
        TaskSet("sybils") as tasks,
    ):
        sybils = [
            tasks.start(ask_from(here, f"93.184.216.{n}", *(offer() for _ in range(4))), "sybil")
            for n in range(200)
        ]
        replies = [await each for each in sybils]
        learned = {
            answer.volunteer
            for reply in replies
            if reply is not None
            for answer in reply.answers
            if isinstance(answer, Answer)
        }
        assert 0 < len(learned) <= 16
        for number in range(10):
            honest = await ask_from(here, f"151.101.{number}.1", offer(), offer())
            assert honest is not None
            assert all(isinstance(answer, Answer) for answer in honest.answers)


async def test_200_sybils_over_50_networks_must_pay_before_all_is_taken() -> None:
    """An honest client pays too, a little, and is helped; who does not pay is not."""
    async with (
        scene(
            trusted_proxies=LOOPBACK, network_offers=4, scarce=0.25, answer_timeout_s=5, **PROVEN
        ) as here,
        serving(here, 120, free=1),
        TaskSet("sybils") as tasks,
    ):
        refused = Counter[Refusal | None]()
        for turn in range(4):
            sybils = [
                tasks.start(ask_from(here, f"93.184.{n}.{turn}", offer(), offer()), "sybil")
                for n in range(50)
            ]
            for each in sybils:
                reply = await each
                assert reply is not None
                refused[reply.refusal] += 1
        assert refused[Refusal.PROOF] > 100
        for number in range(5):
            honest = await ask_from(here, f"151.101.{number}.1", prove=8)
            assert honest is not None
            assert isinstance(honest.answers[0], Answer)


# --- volunteers -----------------------------------------------------------------------------------


async def test_one_network_brings_a_limited_number_of_volunteers() -> None:
    async with scene(trusted_proxies=LOOPBACK, volunteers_of_network=2) as here:
        hello = signalling.encode(VolunteerHello(1, "test", 1))
        sockets = []
        for address in ("93.184.216.1", "93.184.216.2", "93.184.216.3", "93.184.217.1"):
            headers = {"X-Forwarded-For": address}
            socket = await here.http.ws_connect(here.url + "/v1/volunteer", headers=headers)
            await socket.send_str(hello)
            sockets.append(socket)
        words = [signalling.decode_from_broker(await each.receive_str()) for each in sockets]
        kinds = [type(word).__name__ for word in words]
        assert kinds == ["BrokerWelcome", "BrokerWelcome", "BrokerBye", "BrokerWelcome"]
        bye = words[2]
        assert isinstance(bye, signalling.BrokerBye)
        assert bye.reason is Bye.FULL
        assert bye.retry_after_s is not None
        await sockets[2].receive()
        assert sockets[2].close_code == 4000 + LinkCode.LIMIT
        await sockets[0].close()
        async with asyncio.timeout(5):
            while True:
                headers = {"X-Forwarded-For": "93.184.216.4"}
                socket = await here.http.ws_connect(here.url + "/v1/volunteer", headers=headers)
                await socket.send_str(hello)
                word = signalling.decode_from_broker(await socket.receive_str())
                if isinstance(word, signalling.BrokerWelcome):
                    break


async def test_one_networks_volunteers_lock_no_other_network_out() -> None:
    """In a full broker, whoever has most volunteers for its shares loses its newest one."""
    async with scene(trusted_proxies=LOOPBACK, volunteers=3) as here:

        async def come(address: str) -> Volunteer:
            headers = {"X-Forwarded-For": address}
            url = here.url + "/v1/volunteer"
            made = Volunteer(await here.http.ws_connect(url, headers=headers))
            here.volunteers.append(made)
            return made

        many = [await come(f"93.184.216.{number}") for number in range(3)]
        for each in many:
            await each.hello()
        honest = await come("93.184.217.1")
        await honest.hello()
        bye, _ = await many[-1].dismissed()
        assert bye is not None
        assert bye.reason is Bye.FULL
        assert len(here.broker.volunteers) == 3
        bye, _ = await (await come("93.184.216.9")).dismissed()
        assert bye is not None
        assert bye.reason is Bye.FULL
        await honest.send(VolunteerPing())
        assert isinstance(await honest.receive(), BrokerPong)


# --- releases -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("software", "refused"),
    [("", True), ("passerelle/0.1.9", True), ("passerelle/0.2.0", False), ("x/1.0.0", False)],
)
async def test_an_old_client_is_told_what_it_needs(software: str, refused: bool) -> None:
    async with scene(minimum=(0, 2, 0)) as here:
        reply = await here.ask(software=software)
        assert (reply.refusal is Refusal.VERSION) is refused
        assert reply.minimum == ("0.2.0" if refused else "")


@pytest.mark.parametrize(
    ("software", "refused"), [("passerelle-switch/0.1.0", True), ("passerelle-switch/0.2.0", False)]
)
async def test_an_old_widget_is_sent_away_for_good(software: str, refused: bool) -> None:
    async with scene(minimum=(0, 2, 0)) as here:
        volunteer = await here.connect()
        await volunteer.send(VolunteerHello(1, software, 1))
        if refused:
            bye, code = await volunteer.dismissed()
            assert bye is not None
            assert bye.reason is Bye.VERSION
            assert bye.retry_after_s is None
            assert code == 4000 + LinkCode.VERSION
        else:
            assert isinstance(await volunteer.receive(), signalling.BrokerWelcome)


# --- slow ones ------------------------------------------------------------------------------------


async def test_those_who_send_and_read_slowly_hold_up_nobody() -> None:
    """200 half heads, 200 half bodies, 50 that read no reply; then an honest client."""
    async with (
        scene(body_timeout_s=0.5, answer_timeout_s=1) as here,
        serving(here, 4, free=64),
        contextlib.AsyncExitStack() as stack,
    ):
        port = int(here.url.rpartition(":")[2])
        head = b"POST /v1/rendezvous HTTP/1.1\r\nHost: x\r\n"
        bodies, writers = [], []
        for number in range(450):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            stack.callback(writer.transport.abort)
            writers.append(writer)
            if number < 200:
                writer.write(head)
            elif number < 400:
                writer.write(head + b"Content-Length: 1000\r\n\r\nabc")
                bodies.append(reader)
            else:
                writer.transport.pause_reading()  # type: ignore[attr-defined]
                writer.write((b"GET /v1/network HTTP/1.1\r\nHost: x\r\n\r\n") * 200)
        async with asyncio.timeout(10):
            for _ in range(10):
                assert isinstance((await here.ask()).answers[0], Answer)
            for reader in bodies:
                assert await reader.read(12), "answered when its time was over"


async def test_every_kind_of_nonsense_in_a_request_is_refused_alike() -> None:
    """Well sealed, badly made: each field at its edges and beyond."""
    good, _ = new_request()
    plain = rendezvous._encoder.encode(good)
    import msgspec  # noqa: PLC0415

    fields = msgspec.msgpack.decode(plain)
    edges: list[Any] = [None, -1, 2**63, "", "x" * 9000, b"", [], {}, 1.5, True, {"type": 1}]
    async with scene() as here:
        for name in fields:
            for value in edges:
                body = msgspec.msgpack.encode(
                    {**fields, name: value, "nonce": secrets.token_bytes(16)}
                )
                if len(body) > 8000:
                    continue
                padded = (len(body).to_bytes(2, "big") + body).ljust(
                    next(size for size in (1024, 2048, 4096, 8192) if size >= len(body) + 2), b"\0"
                )
                sealed = rendezvous._seal(
                    padded,
                    SEAL_KEY.public_key().public_bytes_raw(),
                    rendezvous._REQUEST_INFO,
                    Cipher.CHACHA20_POLY1305,
                )
                status, answer = await here.post(sealed)
                assert (status, answer) == (400, b"") or status == 200
        assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)
