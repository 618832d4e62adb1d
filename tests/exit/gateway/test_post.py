from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import aiohttp
import pytest

from passerelle import limits
from passerelle.errors import PeerError
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.io.server.metrics import Metrics
from passerelle.wire.oblivious import SealedRequest
from passerelle.wire.tickets import TicketKind
from tests.exit.gateway.scene import KEY, NEXT_KEY, OLD_KEY, Scene, scene, until
from tests.network import ticket
from tests.rig.pagereader import Answer, open_answer, seal


def sealed(url: str, method: str = "GET", content: bytes = b"") -> SealedRequest:
    """Seal a request of a reader with a good ticket."""
    return seal(KEY, ticket(TicketKind.CLIENT), method, url, content=content)


async def ask(made: Scene, request: SealedRequest) -> Answer:
    """Post a sealed request, and open its answer."""
    async with made.post(request.message) as response:
        assert response.status == 200
        assert response.content_type == "message/ohttp-chunked-res"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cache-Control"] == "no-store"
        return open_answer(request, await response.read())


@pytest.mark.parametrize("key", [OLD_KEY, KEY], ids=["yesterday's key", "today's key"])
async def test_a_story_arrives_without_a_volunteer(key: object) -> None:
    """One request and one answer, sealed as on a link."""
    async with scene() as made:
        answer = await ask(made, sealed(f"{made.site}/story"))
        assert (answer.status, answer.content, answer.refusal) == (200, b"story 1", None)


async def test_requests_and_answers_may_be_large() -> None:
    """A photograph goes there, and comes back whole."""
    async with scene() as made:
        photograph = secrets.token_bytes(900_000)
        answer = await ask(made, sealed(f"{made.site}/echo", "POST", photograph))
        assert answer.content == photograph


async def test_refusals_are_sealed_like_answers() -> None:
    """Who carries a request does not learn that it was refused."""
    async with scene() as made:
        assert (await ask(made, sealed("https://elsewhere.example/"))).refusal == "name"
        without = seal(KEY, "", "GET", f"{made.site}/")
        assert (await ask(made, without)).refusal == "ticket"
        assert not made.publisher.asked


async def test_a_message_is_taken_once() -> None:
    """A door that repeats what it carried learns nothing, and the site is not asked again."""
    async with scene() as made:
        request = sealed(f"{made.site}/echo", "POST", b"a comment")
        assert (await ask(made, request)).content == b"a comment"
        async with made.post(request.message) as response:
            assert (response.status, await response.read()) == (409, b"")
        assert made.publisher.count("/echo") == 1


async def test_what_each_door_brings_is_counted() -> None:
    """Requests, those without an answer, and bytes both ways; not for who says no door's key."""
    metrics = Metrics()
    mine, other = "https://news.example/door", "https://other.example/door"

    def count(name: str, door: str = mine) -> float:
        where = f'passerelle_exit_gateway_door_{name}_total{{door="{door}"}} '
        _, found, rest = metrics.text().decode().partition(where)
        assert found
        return float(rest.partition("\n")[0])

    async with scene(metrics=metrics, door_urls={"a" * 43: mine, "b" * 43: other}) as made:
        request = sealed(f"{made.site}/bytes?n=50000")
        for key in ("", "c" * 43):
            async with made.post(sealed(f"{made.site}/story").message, door_key=key) as response:
                assert response.status == 200
                await response.read()
        assert count("requests") == 0
        async with made.post(request.message, door_key="a" * 43) as response:
            answer = await response.read()
        assert len(answer) > 50_000
        await until(lambda: count("requests") == 8)
        assert count("refused") == 0
        assert 0 <= count("request_bytes") - len(request.message) < 8
        assert 0 <= count("answer_bytes") - len(answer) < 8
        for body in (request.message, b"a stranger's, by the door"):
            async with made.post(body, door_key="a" * 43) as response:
                assert response.status in {404, 409}
        await until(lambda: count("refused") == 8)
        assert 0 <= count("request_bytes") - 2 * len(request.message) - 25 < 8
        assert 0 <= count("answer_bytes") - len(answer) < 8
        assert count("requests", other) == count("answer_bytes", other) == 0


async def test_an_answer_that_a_door_does_not_take_is_counted_as_far_as_it_went() -> None:
    metrics = Metrics()
    door = "https://news.example/door"
    async with scene(metrics=metrics, door_urls={"a" * 43: door}) as made:
        async with made.post(sealed(f"{made.site}/slow").message, door_key="a" * 43) as response:
            assert await response.content.readany()
        await made.publisher.gone.wait()
        await until(lambda: f'door_requests_total{{door="{door}"}} 8.0' in metrics.text().decode())
        assert f'door_refused_total{{door="{door}"}} 0.0' in metrics.text().decode()
        assert f'door_answer_bytes_total{{door="{door}"}} 0.0' not in metrics.text().decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"log=in&password=1",
        secrets.token_bytes(600),
        seal(NEXT_KEY, "", "GET", "https://localhost/").message,
        seal(KEY, "", "GET", "https://localhost/").message[:-1],
        seal(KEY, "", "GET", "https://localhost/").message[:40],
        seal(KEY, "", "GET", "https://localhost/").message + bytes(limits.GATEWAY_REQUEST_BYTES),
    ],
    ids=["nothing", "one byte", "a form", "noise", "a future key", "cut", "cut short", "too long"],
)
async def test_strangers_see_what_they_see_everywhere(body: bytes) -> None:
    """A prober who has no key finds no gateway."""
    async with scene() as made:
        async with made.post(body) as here, made.post(body, "/elsewhere") as there:
            assert here.status == there.status == 404
            assert await here.read() == await there.read()
            assert {**here.headers, "Date": ""} == {**there.headers, "Date": ""}
        request = sealed(f"{made.site}/")
        async with made.post(request.message, "/elsewhere") as there:
            assert there.status == 404
        assert not made.publisher.asked


async def test_a_reader_who_leaves_is_given_up_at_the_site() -> None:
    """The site is not asked for more than somebody takes."""
    async with scene() as made:
        async with made.post(sealed(f"{made.site}/slow").message) as response:
            await response.content.readany()
            response.close()
        async with asyncio.timeout(10):
            await made.publisher.gone.wait()


async def test_the_beginning_of_a_slow_answer_comes_at_once() -> None:
    """What the site has sent does not wait for the rest."""
    async with scene() as made:
        request = sealed(f"{made.site}/slow")
        async with made.post(request.message) as response:
            first = await response.content.readany()
            made.publisher.gate.set()
            answer = open_answer(request, first + await response.read())
        assert answer.content == b"begin end"


async def test_an_answer_that_nobody_takes_is_broken_off() -> None:
    """It does not hold a connection to the site for ever, and is never taken for complete."""
    settings = GatewaySettings(stalled_s=0.2, plain_http=True)
    metrics = Metrics()
    async with scene(gateway=settings, metrics=metrics) as made:
        request = sealed(f"{made.site}/bytes?n=50000000")
        async with made.post(request.message) as response:
            head = await response.content.readany()
            await until(lambda: b'resets_total{reason="broken"} 8' in metrics.text())
            with pytest.raises((aiohttp.ClientError, PeerError)):
                open_answer(request, head + await response.read())


async def test_one_who_asks_for_too_much_loses_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests under way are bounded, and the rest go on."""
    monkeypatch.setattr(limits, "GATEWAY_POSTS", 2)
    async with scene() as made:
        held = [sealed(f"{made.site}/slow") for _ in range(2)]
        async with made.post(held[0].message) as first, made.post(held[1].message) as second:
            await first.content.readany()
            await second.content.readany()
            async with made.post(sealed(f"{made.site}/slow").message) as third:
                assert third.status == 429
            made.publisher.gate.set()


async def test_requests_that_are_held_back_have_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Anybody can begin large requests and not end them: all together may have brought so much."""
    monkeypatch.setattr(limits, "GATEWAY_POSTS_PIECES", 32)
    whole = sealed("https://paper.example/", "POST", secrets.token_bytes(900_000)).message
    held = asyncio.Event()

    async def begin() -> AsyncIterator[bytes]:
        yield whole[:600_000]
        await held.wait()

    async with scene() as made, asyncio.timeout(10):
        many = [asyncio.create_task(_status(made, begin())) for _ in range(12)]
        done = 0
        while done < 12 - 32 // (600_000 // limits.GATEWAY_POSTS_PIECE_BYTES):
            await asyncio.wait(
                [each for each in many if not each.done()], return_when="FIRST_COMPLETED"
            )
            done = sum(each.done() for each in many)
        assert {each.result() for each in many if each.done()} == {429}
        held.set()
        photograph = secrets.token_bytes(900_000)
        answer = await ask(made, sealed(f"{made.site}/echo", "POST", photograph))
        assert answer.content == photograph
        for each in many:
            each.cancel()
        await asyncio.gather(*many, return_exceptions=True)


async def _status(made: Scene, body: AsyncIterator[bytes]) -> int:
    async with made.post(body) as response:
        return response.status


async def test_an_exit_that_goes_away_takes_no_more() -> None:
    """Requests under way are answered, and new ones are sent elsewhere."""
    async with scene() as made:
        request = sealed(f"{made.site}/slow")
        async with made.post(request.message) as response:
            first = await response.content.readany()
            draining = asyncio.create_task(made.exit.drain())
            await until(lambda: draining)
            async with made.post(sealed(f"{made.site}/").message) as late:
                assert late.status == 503
            made.publisher.gate.set()
            assert open_answer(request, first + await response.read()).content == b"begin end"
            await draining
