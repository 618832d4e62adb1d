"""The files in `integrations/door/`, each in its real server, before a network's real servers."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from passerelle.client.config import ClientConfig
from passerelle.client.notices import LinkUp
from passerelle.client.service import Client
from passerelle.io.server.web import WebServer
from passerelle.serve import EXIT_ID
from passerelle.wire import doors
from passerelle.wire.oblivious import KeyConfiguration
from passerelle.wire.tickets import TicketKind
from tests.network import HOST, Watch, ticket
from tests.rig import door as rig
from tests.rig.baddoor import CHEATS, bad_door
from tests.rig.behinddoor import behind_a_door
from tests.rig.door import DOORS, WITH_LINKS, door, door_url
from tests.rig.pagereader import open_answer, seal
from tests.rig.ports import free_port
from tests.volunteer import Volunteer

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("kind", DOORS)
async def test_a_door_carries_a_reader(kind: str, tmp_path: Path) -> None:
    """Description, request for volunteers and sealed requests come through; where WebSockets pass,
    also links, which a client uses until a volunteer is there."""
    async with behind_a_door(kind, tmp_path) as here:
        found = await here.named()
        assert [entry.url for entry in found.doors] == [here.door]
        assert found.doors[0].links is (kind in WITH_LINKS)
        watch = Watch()
        config = ClientConfig(here.servers.invite, listen_port=0, links=1)
        client = Client(config, watch)
        exits = {EXIT_ID: f"{here.own.replace('http', 'ws')}/v1/link"}
        await client.start()

        async def reads(link: int, through: str | None) -> None:
            up = await watch.until(LinkUp, link)
            assert isinstance(up, LinkUp)
            assert up.server == through
            proxy = f"http://{HOST}:{client.port}"
            async with here.http.get(f"{here.site}/", proxy=proxy) as page:
                assert "The Herald" in await page.text()

        try:
            if found.doors[0].links:
                await reads(1, HOST)
            async with Volunteer(here.own, exits):
                await reads(1 + found.doors[0].links, None)
        finally:
            await client.close()
        async with here.http.get(here.metrics) as numbers:
            told = (await numbers.text()).splitlines()
        assert f'passerelle_broker_door_up{{door="{here.door}"}} 1.0' in told
        assert f'passerelle_broker_door_requests_total{{door="{here.door}"}} 0.0' not in told
        assert f'passerelle_broker_door_refused_total{{door="{here.door}"}} 0.0' in told
        assert f'passerelle_broker_door_bytes_total{{door="{here.door}"}} 0.0' not in told


@pytest.mark.parametrize("cheat", CHEATS)
async def test_the_program_leaves_a_door_that_cheats(
    cheat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets nothing wrong from it, and a volunteer by another door."""
    async with bad_door(cheat) as bad, behind_a_door("nginx", tmp_path, bad) as here:
        await here.named()
        document = await here.document()
        # Which door is asked first is left to chance; here it is the first one.
        monkeypatch.setattr(secrets.SystemRandom, "sample", lambda _, doors, count: doors[:count])
        watch = Watch()
        config = ClientConfig(
            here.servers.invite, listen_port=0, links=1, network=document, answer_patience_s=1.0
        )
        client = Client(config, watch)
        exits = {EXIT_ID: f"{here.own.replace('http', 'ws')}/v1/link"}
        async with Volunteer(here.own, exits):
            await client.start()
            try:
                await watch.until(LinkUp)
                proxy = f"http://{HOST}:{client.port}"
                shown = ""
                for _ in range(3):  # the proxy's own page of an error is nothing wrong
                    async with here.http.get(f"{here.site}/", proxy=proxy) as page:
                        shown = await page.text()
                    if page.status == 200:
                        break
                assert "The Herald" in shown
            finally:
                await client.close()
        assert bad.asked["/v1/rendezvous"] > 0
        assert bad.asked["/elsewhere"] == 0


@pytest.mark.parametrize("kind", DOORS)
async def test_a_story_comes_without_a_volunteer(kind: str, tmp_path: Path) -> None:
    """Sealed requests go through a door to the gateway, and answers of any length come back."""
    async with behind_a_door(kind, tmp_path) as here:
        found = await here.named()
        gateway = found.exits[0].gateway
        assert gateway is not None
        key = KeyConfiguration.decode(gateway.keys[1])
        mine = ticket(TicketKind.CLIENT, exit_id=EXIT_ID, key=here.keys.broker_ticket)
        request = seal(key, mine, "GET", f"{here.site}/")
        async with here.http.post(f"{here.door}/v1/gateway/{EXIT_ID}", data=request.message) as got:
            assert (got.status, got.content_type) == (200, "message/ohttp-chunked-res")
            answer = open_answer(request, await got.read())
        assert answer.status == 200
        assert b"The Herald" in answer.content


@dataclass
class Upstream:
    """A server in the place of broker and exit, which notes what it is asked."""

    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(request)
        self.bodies.append(body)
        headers = {"Set-Cookie": "a=b", "Server": "x", "Access-Control-Allow-Origin": "*"}
        return web.Response(body=b"answer", headers=headers)


@pytest.mark.parametrize("kind", DOORS)
async def test_a_door_tells_nothing_and_takes_nothing_else(kind: str, tmp_path: Path) -> None:
    """Who asked stays at the door, and what is no sealed message goes no further."""
    upstream, at = Upstream(), free_port()
    app = web.Application(client_max_size=4 * 2**20)
    app.router.add_route("*", "/{path:.*}", upstream.answer)
    told = {"Cookie": "a=b", "User-Agent": "me", "Referer": "https://a/", "Accept-Language": "fa"}
    async with (
        WebServer(app, HOST, 0) as server,
        door(kind, at, f"http://{HOST}:{server.port}", "the-key-of-this-door", tmp_path),
        aiohttp.ClientSession(headers=told) as http,
    ):
        url = door_url(at)
        for body, path, to in (
            (secrets.token_bytes(1024 + 48), "/v1/rendezvous", "/v1/rendezvous"),
            (secrets.token_bytes(512 + 56), f"/v1/gateway/{EXIT_ID}", "/v1/gateway"),
            (secrets.token_bytes(2**20 + 56), f"/v1/gateway/{EXIT_ID}", "/v1/gateway"),
        ):
            async with http.post(url + path, data=io.BytesIO(body)) as answer:
                assert (answer.status, await answer.read()) == (200, b"answer")
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
            asked = upstream.asked[-1]
            assert (asked.path, asked.query_string, upstream.bodies[-1]) == (to, "", body)
            assert asked.headers[doors.HEADER] == "the-key-of-this-door"
            shown = " ".join(f"{name}: {value}" for name, value in asked.headers.items())
            for secret in (*told.values(), HOST + " ", "Forwarded", "X-Real"):
                assert secret not in shown.replace(asked.headers["Host"], "")
        count = len(upstream.asked)
        for method, path, size in (
            ("GET", "/", 0),
            ("GET", "/v1/rendezvous/more", 0),
            ("POST", "/v1/rendezvous", 20_000),
            ("POST", f"/v1/gateway/{EXIT_ID}", 3_000_000),
            ("POST", "/v1/gateway/exit-9", 568),
            ("GET", "/v1/stats", 0),
            ("GET", "/../v1/stats", 0),
        ):
            try:
                async with http.request(method, url + path, data=io.BytesIO(bytes(size))) as answer:
                    # Caddy notices a long body on the way, and breaks it off.
                    assert answer.status in {404, 405, 413, 502}, path
            except aiohttp.ClientOSError:
                assert size > 0, f"{path}: only a body that is not read may be broken off"
        assert len(upstream.asked) == count


async def drip(request: web.Request) -> web.StreamResponse:
    """Answer with a byte at a time, for as long as somebody wants it."""
    await request.read()
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def dripping(kind: str, folder: Path) -> AsyncIterator[aiohttp.StreamReader]:
    """Yield the content of an answer by `drip` that comes through a door."""
    app, at = web.Application(), free_port()
    app.router.add_post("/v1/gateway", drip)
    async with (
        WebServer(app, HOST, 0) as server,
        door(kind, at, f"http://{HOST}:{server.port}", "key", folder),
        aiohttp.ClientSession() as http,
        asyncio.timeout(15),
        http.post(f"{door_url(at)}/v1/gateway/{EXIT_ID}", data=bytes(512 + 56)) as answer,
    ):
        yield answer.content


@pytest.mark.parametrize("kind", DOORS)
async def test_an_answer_passes_as_it_comes(kind: str, tmp_path: Path) -> None:
    """A page is shown while it loads, and the gateway says that it waits for a slow site."""
    async with dripping(kind, tmp_path) as content:
        assert await content.readexactly(5) == b"xxxxx"


async def test_php_gives_no_request_more_than_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes an answer drip has one of the few places for as long as it says, no longer."""
    text = (rig.DOOR / "door.php").read_text(encoding="utf-8")
    assert "LONGEST_S = 300;" in text
    short = text.replace("LONGEST_S = 300;", "LONGEST_S = 2;")
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "door.php").write_text(short, encoding="utf-8")
    monkeypatch.setattr(rig, "DOOR", tmp_path / "short")
    async with dripping("PHP", tmp_path) as content:
        assert await content.read() != b""
