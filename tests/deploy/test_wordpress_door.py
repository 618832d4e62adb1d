"""The plugin as a door: what a real WordPress passes on, to whom, and how much of it."""

from __future__ import annotations

import asyncio
import io
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.wire import base64url, doors
from tests.network import HOST
from tests.rig.wordpressdoor import WordPressDoor, wordpress_door

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

KEY: Final = base64url.encode(bytes(32))
EXIT: Final = "exit-1"
REQUEST: Final = secrets.token_bytes(512 + 56)
"""As long as a sealed request for the gateway."""
FILL: Final = """return passerelle_door_count( function ( $file, &$head ) use ( $given ) {
    $head[ $given['what'] ] += $given['more'];
    return $head['minute'];
} );"""
KEPT: Final = """return base64_encode( file_get_contents( passerelle_door_file() ) );"""


@dataclass
class Network:
    """A server in the place of broker and exit, which notes what it is asked."""

    keys: Keyring
    port: int = 0
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    redirect: str = ""
    """Where it sends whoever asks the gateway, if anywhere."""
    more: asyncio.Event | None = None
    """If given, the gateway's answer ends with it only."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def invite(self) -> str:
        key = self.keys.operator.public_key().public_bytes_raw()
        return f"{self.url}/#{base64url.encode(key)}"

    def document(self) -> bytes:
        """Return the signed description."""
        _, made = self.keys.descriptor(
            "test",
            broker_url=self.url,
            exit_url=f"ws://{HOST}:{self.port}/v1/link",
            exit_id=EXIT,
            now_s=time.time(),
        )
        return made

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(request)
        self.bodies.append(body)
        if request.path == "/v1/network":
            return web.Response(body=self.document())
        if self.redirect:
            raise web.HTTPFound(self.redirect)
        headers = {"Set-Cookie": "a=b", "Server": "x", "Access-Control-Allow-Origin": "*"}
        if self.more is None:
            return web.Response(body=b"answer", headers=headers)
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(b"answer")
        await self.more.wait()
        return response


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[WordPressDoor]:
    async with wordpress_door() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def network(door: WordPressDoor) -> AsyncIterator[Network]:
    """Yield a network to which the door is open."""
    made = Network(Keyring.generate())
    app = web.Application(client_max_size=4 * 2**20)
    app.router.add_route("*", "/{path:.*}", made.answer)
    async with WebServer(app, HOST, 0) as server:
        made.port = server.port
        await door.turn_on(made.invite, KEY)
        assert await door.fault() == ""
        made.asked.clear()
        made.bodies.clear()
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    told = {"Cookie": "a=b", "User-Agent": "me", "Referer": "https://a/", "Accept-Language": "fa"}
    async with aiohttp.ClientSession(headers=told) as session:
        yield session


async def gateway(http: aiohttp.ClientSession, door: WordPressDoor) -> int:
    """Send a request for the gateway, and return the answer's status."""
    async with http.post(f"{door.url}/v1/gateway/{EXIT}", data=REQUEST) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        return answer.status


async def test_it_is_no_door_before_its_owner_says_so(
    door: WordPressDoor, network: Network, http: aiohttp.ClientSession
) -> None:
    """The address is a page that does not exist, and the network is asked nothing."""
    await door.paper.reset(network=network.invite)
    await door.paper.run("return delete_option( 'passerelle_door' );")
    async with http.get(f"{door.url}/v1/network") as answer:
        assert b"signature" not in await answer.read()
    assert network.asked == []


async def test_sealed_messages_pass_and_tell_nothing(
    door: WordPressDoor, network: Network, http: aiohttp.ClientSession
) -> None:
    """Who asked stays at the door, in both directions."""
    for body, path, to in (
        (secrets.token_bytes(1024 + 48), "/v1/rendezvous", "/v1/rendezvous"),
        (REQUEST, f"/v1/gateway/{EXIT}", "/v1/gateway"),
        (secrets.token_bytes(2**20 + 56), f"/v1/gateway/{EXIT}", "/v1/gateway"),
    ):
        async with http.post(door.url + path, data=io.BytesIO(body)) as answer:
            assert (answer.status, await answer.read()) == (200, b"answer")
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Set-Cookie" not in answer.headers
        asked = network.asked[-1]
        assert (asked.path, asked.query_string, network.bodies[-1]) == (to, "", body)
        assert asked.headers[doors.HEADER] == KEY
        shown = " ".join(f"{name}: {value}" for name, value in asked.headers.items())
        for secret in ("a=b", "me ", "https://a/", "fa ", "Forwarded", "X-Real"):
            assert secret not in shown.replace(asked.headers["Host"], "") + " "
    async with http.get(f"{door.url}/v1/network") as answer:
        assert b"signature" in await answer.read()


async def test_an_answer_passes_as_it_comes(
    door: WordPressDoor, network: Network, http: aiohttp.ClientSession
) -> None:
    """A page is shown while it loads, and the gateway says that it waits for a slow site."""
    network.more = asyncio.Event()
    async with asyncio.timeout(15):
        async with http.post(f"{door.url}/v1/gateway/{EXIT}", data=REQUEST) as answer:
            assert await answer.content.readexactly(6) == b"answer"
            network.more.set()
            assert await answer.read() == b""


@pytest.mark.parametrize(
    ("method", "path", "size"),
    [
        ("GET", "/", 0),
        ("GET", "/v1/rendezvous", 0),
        ("POST", "/v1/network", 1072),
        ("POST", "/v1/rendezvous", 1071),
        ("POST", "/v1/rendezvous", 20_000),
        ("POST", "/v1/rendezvous/more", 1072),
        ("POST", f"/v1/gateway/{EXIT}", 567),
        ("POST", f"/v1/gateway/{EXIT}", 3_000_000),
        ("POST", "/v1/gateway/exit-9", 568),
        ("GET", "/v1/stats", 0),
    ],
)
async def test_nothing_else_goes_further(
    door: WordPressDoor,
    network: Network,
    http: aiohttp.ClientSession,
    *,
    method: str,
    path: str,
    size: int,
) -> None:
    """What is no sealed message of the sizes that there are ends at the door."""
    async with http.request(method, door.url + path, data=io.BytesIO(bytes(size))) as answer:
        assert answer.status == 404
    assert network.asked == []


async def test_a_redirect_is_not_followed(
    door: WordPressDoor, network: Network, http: aiohttp.ClientSession
) -> None:
    """Nobody can make the site ask another server, nor send readers to one."""
    network.redirect = f"{network.url}/elsewhere"
    async with http.post(
        f"{door.url}/v1/gateway/{EXIT}", data=REQUEST, allow_redirects=False
    ) as answer:
        assert answer.status == 502
        assert "Location" not in answer.headers
    assert [asked.path for asked in network.asked] == ["/v1/gateway"]


async def test_only_what_the_operator_signed_says_where_exits_are(door: WordPressDoor) -> None:
    """A broker's host that answers another network's description is told from the network."""
    made = Network(Keyring.generate())
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    async with WebServer(app, HOST, 0) as server, aiohttp.ClientSession() as http:
        made.port = server.port
        invite = made.invite
        made.keys = Keyring.generate()
        await door.turn_on(invite, KEY)
        assert "not signed" in await door.fault()
        assert await gateway(http, door) == 404
        assert [asked.path for asked in made.asked] == ["/v1/network"]


@pytest.mark.parametrize(
    ("what", "more", "status"),
    [("requests", 600, 503), ("bytes", 5_000_000_000, 503)],
    ids=["in a minute", "in a day"],
)
async def test_it_carries_no_more_than_its_bounds(
    door: WordPressDoor,
    network: Network,
    http: aiohttp.ClientSession,
    *,
    what: str,
    more: int,
    status: int,
) -> None:
    """Of all readers together; what is left of the bound is carried."""
    assert await gateway(http, door) == 200
    await door.paper.run(FILL, what=what, more=more)
    # The minute may be over by now, but not twice.
    if await gateway(http, door) == 200:
        await door.paper.run(FILL, what=what, more=more)
        assert await gateway(http, door) == status
    assert sum(asked.path == "/v1/gateway" for asked in network.asked) <= 2


async def test_one_network_does_not_take_all(door: WordPressDoor, network: Network) -> None:
    """Neighbours count together, and others are not refused for them."""
    del network
    refused = await door.paper.run(
        """$told = array();
        foreach ( array( '192.0.2.', '2001:db8:1:' ) as $kind ) {
            for ( $n = 0; $n < 250; $n++ ) {
                $end = '192.0.2.' === $kind ? '' : '::1';
                $told[ $kind ][] = passerelle_door_admit( "$kind$n$end" );
            }
            $told[ $kind ] = array_sum( $told[ $kind ] ) >= 429 * 50;
        }
        // One of them may have the counter of a network above, but not all.
        $others = array( '198.51.100.1', '203.0.113.1', '10.1.1.1' );
        $told[] = min( array_map( 'passerelle_door_admit', $others ) );
        return $told;"""
    )
    assert list(refused.values()) == [True, True, 0]


async def test_no_address_is_kept(
    door: WordPressDoor, network: Network, http: aiohttp.ClientSession
) -> None:
    """The counters have one size, however many ask, and the database has nothing of a reader."""
    del network
    assert await gateway(http, door) == 200
    one = await door.paper.run(KEPT)
    for _ in range(3):
        assert await gateway(http, door) == 200
    assert len(await door.paper.run(KEPT)) == len(one)
    found = await door.paper.run(
        """global $wpdb;
        return $wpdb->get_col( "SELECT option_name FROM $wpdb->options
            WHERE option_name LIKE '%passerelle%'" );"""
    )
    assert set(found) == {"passerelle_settings", "passerelle_door", "passerelle_door_exits"}


async def test_the_sites_own_visitors_keep_their_place(
    door: WordPressDoor, network: Network
) -> None:
    """Six requests are carried at once; the next finds no place until one has ended."""
    del network
    taken = await door.paper.run(
        """for ( $n = 0; $n < 7; $n++ ) {
            $places[] = passerelle_door_place();
        }
        $told = array( count( array_filter( $places ) ) );
        unset( $places[3] );
        $told[] = (bool) passerelle_door_place();
        return $told;"""
    )
    assert taken == [6, True]


async def test_deactivating_it_leaves_no_file(door: WordPressDoor, network: Network) -> None:
    """The counters go with the plugin."""
    del network
    left = await door.paper.run(
        """passerelle_door_admit( '192.0.2.1' );
        passerelle_door_place();
        $file = passerelle_door_file();
        $before = count( glob( "$file*" ) );
        deactivate_plugins( 'passerelle/passerelle.php' );
        return array( $before, count( glob( "$file*" ) ) );"""
    )
    assert left == [2, 0]
