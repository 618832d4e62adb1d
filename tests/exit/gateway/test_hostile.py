"""Hostile readers, sites and names, against a gateway that runs."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from passerelle import limits
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.exit.gateway.refusals import Refusal, RequestRefused
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.gateway.site import Site
from passerelle.wire.binaryhttp import Request
from tests.exit.gateway.scene import SITE, scene
from tests.exit.gateway.test_sharing import SHARED, all_ask

QUICK = GatewaySettings(site_s=0.5, plain_http=True)
POISON = "x-forwarded-host x_forwarded_host x-original-url x-rewrite-url forwarded x-host proxy"


@asynccontextmanager
async def raw_site(
    serve: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Run a site of bytes: `serve` writes its answer to each request."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The gateway has left.
        finally:
            writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield f"http://{SITE}:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("status", [101, 600, 999])
async def test_a_status_that_http_has_not_is_not_told(status: int) -> None:
    """A reader gets one clear answer, and the gateway goes on."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async with scene() as made, made.reader() as reader, raw_site(serve) as url:
        assert (await reader.ask("GET", url)).refusal == "garbled"
        assert (await reader.ask("GET", f"{made.site}/story")).status == 200


async def test_interim_answers_without_end_are_given_up() -> None:
    """Each of them comes in time, and none is an answer."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with scene(gateway=QUICK) as made, made.reader() as reader, raw_site(serve) as url:
        async with asyncio.timeout(5):
            assert (await reader.ask("GET", url)).refusal == "timeout"


@pytest.mark.parametrize("name", [*POISON.split(), "cf-connecting-ip", "true-client-ip"])
async def test_a_reader_cannot_say_who_asks_or_for_what(name: str) -> None:
    """Sites believe such fields, because only a server in front of theirs should send them."""
    async with scene() as made, made.reader() as reader:
        await reader.ask("GET", f"{made.site}/story", [(name, "elsewhere.example")])
        (asked,) = made.publisher.asked
        assert "elsewhere.example" not in asked.headers.values()


@pytest.mark.parametrize(("name", "content"), [("x-anything", b""), ("accept", b"x")])
async def test_nobody_gets_an_answer_that_one_reader_has_chosen(name: str, content: bytes) -> None:
    """What a site might write into a page does not stay in the pages of others."""
    async with scene() as made, made.reader() as hostile, made.reader() as other:
        url = f"{made.site}/story{SHARED}"
        chosen = await hostile.ask("GET", url, [(name, "<script>")], content)
        assert chosen.content == b"story 1"
        for _ in range(2):
            assert (await other.ask("GET", url)).content == b"story 2"


async def test_one_readers_cookies_end_the_sharing_of_nobody() -> None:
    """An answer to a request with cookies says nothing of those to requests without."""
    async with scene() as made, made.reader() as hostile, made.reader() as other:
        url = f"{made.site}/story{SHARED}"
        await hostile.ask("GET", url, [("cookie", "a=b")])
        before = made.publisher.count("/story")
        await other.ask("GET", url)
        assert "age" in (await other.ask("GET", url)).fields
        assert made.publisher.count("/story") == before + 1


async def test_those_who_wait_for_what_is_not_shared_do_not_wait_for_each_other() -> None:
    """All ask at once, as soon as the first answer says that it is its reader's own."""
    async with scene() as made:
        readers = [made.reader() for _ in range(4)]
        async with readers[0] as a, readers[1] as b, readers[2] as c, readers[3] as d:
            made.publisher.gate.set()
            url = f"{made.site}/late?Cache-Control=private"
            answers = await all_ask([a, b, c, d], url)
            assert len({answer.content for answer in answers}) == 4


async def test_one_readers_forms_take_nobodys_place() -> None:
    """Requests that are remembered have a bound for each ticket."""
    async with scene() as made, made.reader() as greedy, made.reader() as other:
        url = f"{made.site}/story"
        refusals = [
            (await greedy.ask("POST", url, [("idempotency-key", str(number))])).refusal
            for number in range(limits.GATEWAY_ONCE_OF_TICKET + 2)
        ]
        assert refusals.count("quota") == 2
        assert (await other.ask("POST", url, [("idempotency-key", "0")])).status == 200


async def test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere() -> None:
    """Each address is judged as it is about to be dialled, so a name may change as it likes."""
    asked = 0

    async def resolve(_name: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        nonlocal asked
        asked += 1
        return [ipaddress.ip_address("192.0.2.1" if asked == 1 else "127.0.0.1")]

    policy = ConnectionPolicy(sites=("news.example",))
    site = Site(policy, resolve, GatewaySettings(site_s=0.3))
    try:
        request = Request("GET", "https", "news.example", "/", ())
        for _ in range(3):
            with pytest.raises(RequestRefused) as caught:
                await site.ask(site.target(request), request)
        assert asked == 3
        assert caught.value.refusal is Refusal.NAME
    finally:
        await site.close()
