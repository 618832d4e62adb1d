from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.client.notices import (
    BrokerUnreachable,
    LinkDown,
    LinkUp,
    NetworkLoaded,
    NoVolunteer,
    Searching,
)
from passerelle.client.service import Client
from passerelle.core.quota import Quota
from passerelle.errors import ConfigError, LocalError
from passerelle.io.server.web import WebServer, application
from passerelle.wire.invite import Invite
from tests.network import HOST, SPARE_ID, Network, Watch, impostor, network
from tests.rig.ports import free_port

BODY = random.Random(2).randbytes(1 << 20)


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    """A site of the open web; its URL."""
    app = application()

    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=BODY)

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app.router.add_get("/", page)
    app.router.add_post("/", echo)
    async with WebServer(app, HOST, 0, grace_s=0.1) as server:
        yield f"http://{HOST}:{server.port}/"


async def curl(*arguments: str) -> tuple[int, bytes]:
    """Run the real curl; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "20", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out


def socks(client: Client) -> tuple[str, str]:
    return "--socks5-hostname", f"{HOST}:{client.port}"


def http(client: Client) -> tuple[str, str]:
    return "--proxy", f"http://{HOST}:{client.port}"


async def test_many_small_requests_wait_for_their_turns() -> None:
    """A program that fetches faster than the exit's rate gets everything, and no refusal."""
    quota = Quota(new_streams_per_s=200, new_streams_burst=5)
    async with network(quota=quota) as net, site() as url:
        await net.volunteer()
        client, _ = await net.client()
        parallel = "-Z", "--parallel-max", "16", "-H", "Connection: close", "--proxytunnel"
        code, out = await curl(
            *parallel, *http(client), "-w", "%{http_code} ", "-r", "0-9", "-o", "/dev/null",
            f"{url}?number=[1-60]",
        )  # fmt: skip
        assert (code, out.split()) == (0, [b"200"] * 60)


async def test_curl_through_everything() -> None:
    """SOCKS5, HTTP CONNECT and absolute-form all bring the page, byte by byte."""
    async with network() as net, site() as url:
        await net.volunteer()
        client, watch = await net.client()
        for options in (socks(client), http(client), ("--proxytunnel", *http(client))):
            assert await curl(*options, url) == (0, BODY)
        assert await curl(*http(client), "--data-binary", "hello", url) == (0, b"hello")
        link = await watch.until(LinkUp)
        assert isinstance(link, LinkUp)
        steps = ["rendezvous", "ice", "dtls", "sctp", "tls", "welcome"]
        assert [name for name, _ in link.steps] == steps
        assert watch.count(NetworkLoaded) == 1
        assert watch.count(Searching) == 1
        assert watch.count(LinkDown) == 0


async def test_several_links_through_several_volunteers() -> None:
    """As many links as wanted, each through another volunteer."""
    async with network() as net, site() as url:
        volunteers = [await net.volunteer() for _ in range(3)]
        client, watch = await net.client(links=3)
        await watch.until(LinkUp, 3)
        async with asyncio.timeout(5):
            while client.link_count < 3:  # noqa: ASYNC110  (on a busy machine one stalls a moment)
                await asyncio.sleep(0.002)
        assert [len(volunteer.channels) for volunteer in volunteers] == [1, 1, 1]
        assert await curl(*socks(client), url) == (0, BODY)


@pytest.mark.parametrize(
    ("destination", "reply", "status"),
    [
        ("10.1.2.3:80", 2, 403),
        (f"{HOST}:{{closed}}", 5, 502),
        ("no-such-name.invalid:80", 4, 502),
    ],
)
async def test_refusals_reach_the_application(destination: str, reply: int, status: int) -> None:
    """Each failure has its SOCKS reply and its HTTP status, and a page that explains it."""
    target = destination.format(closed=free_port())
    async with network() as net:
        await net.volunteer()
        client, _ = await net.client()
        assert await socks_reply(client, target) == reply
        code, page = await curl("-w", "%{http_code}", *http(client), f"http://{target}/")
        assert code == 0
        assert page.endswith(str(status).encode())
        assert b"<html" in page
        code, out = await curl("-w", "%{http_connect}", "-p", *http(client), f"http://{target}/")
        assert (code, out[-3:]) == (56, str(status).encode())


async def socks_reply(client: Client, target: str) -> int:
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(HOST, client.port)
    name = bytes([len(host)]) + host.encode() + int(port).to_bytes(2, "big")
    writer.write(b"\x05\x01\x00\x05\x01\x00\x03" + name)
    async with asyncio.timeout(10):
        assert await reader.readexactly(2) == b"\x05\x00"
        reply = await reader.readexactly(2)
        await reader.read()
    writer.close()
    return reply[1]


async def test_without_a_volunteer_the_application_is_told_after_patience() -> None:
    """The answer is 503 with a page that says so, or SOCKS general failure; the client asks on."""
    async with network() as net, site() as url:
        client, watch = await net.client(patience_s=0.1)
        await watch.until(NoVolunteer)
        code, page = await curl("-w", "%{http_code}", *http(client), url)
        assert code == 0
        assert page.endswith(b"503")
        assert b"No volunteer is available" in page
        assert await socks_reply(client, f"{HOST}:80") == 1
        await watch.until(NoVolunteer, watch.count(NoVolunteer) + 1)
        await net.volunteer()
        await watch.until(LinkUp)
        assert await curl(*socks(client), url) == (0, BODY)


async def test_wrong_exit_is_refused_and_reported() -> None:
    """An exit with another key gets no session; the client keeps asking, with pauses."""
    async with network(**impostor()) as net:
        await net.volunteer()
        client, watch = await net.client()
        for count in (1, 2):
            down = await watch.until(LinkDown, count)
            assert isinstance(down, LinkDown)
            assert "identity" in down.reason
        assert watch.count(LinkUp) == 0
        assert client.link_count == 0
        assert len(net.exit._sessions) == 0
        assert len({notice.link for notice in watch.notices if isinstance(notice, LinkDown)}) == (
            watch.count(LinkDown)
        ), "each failed link is told once"


async def test_lying_volunteer_loses_its_link_and_nothing_else() -> None:
    """A transfer over an altering and an honest volunteer arrives whole."""
    lying = False

    def alter(message: bytes) -> bytes:
        return message[:-1] + bytes([message[-1] ^ 1]) if lying else message

    async with network() as net, site() as url:
        await net.volunteer(down=alter)
        client, watch = await net.client(links=2)
        await watch.until(NetworkLoaded)
        await asyncio.sleep(0)
        await watch.until(LinkUp)
        await net.volunteer()
        await watch.until(LinkUp, 2)
        lying = True
        while not watch.count(LinkDown):  # a transfer may do without the lying link
            assert await curl(*socks(client), url) == (0, BODY)
        down = await watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert "transport" in down.reason
        assert await curl(*socks(client), url) == (0, BODY)


async def test_transfer_survives_the_loss_of_its_only_link() -> None:
    """The volunteer goes in the middle; another one carries on where it stopped."""
    async with network() as net, site() as url:
        first = await net.volunteer()
        client, watch = await net.client()
        await watch.until(LinkUp)
        reader, writer = await asyncio.open_connection(HOST, client.port)
        writer.write(b"GET " + url.encode() + b" HTTP/1.0\r\nHost: x\r\n\r\n")
        received = await reader.read(1000)
        await net.volunteer()
        await first.channels[0].close()
        async with asyncio.timeout(10):
            received += await reader.read()
        assert received.endswith(BODY)
        assert watch.count(LinkUp) == 2
        writer.close()


async def test_exit_that_lost_the_session_gets_a_new_one() -> None:
    """UNKNOWN_SESSION is answered by a new session, without a person noticing."""
    async with network() as net, site() as url:
        volunteer = await net.volunteer()
        client, watch = await net.client()
        await watch.until(LinkUp)
        (session,) = net.exit._sessions._sessions.values()
        net.exit._sessions._sessions.clear()
        await volunteer.channels[0].close()
        await watch.until(LinkUp, 2)
        assert await curl(*socks(client), url) == (0, BODY)
        session.tunnel.close()


async def test_request_that_a_leaving_exit_did_not_take_goes_to_another() -> None:
    """It was on its way with the first HELLO; the exit turned that down, so nothing is lost.

    Nor are volunteers: the links that were under way are the only ones in vain.
    """
    async with network(spare=True) as net, site() as url:
        client, watch = await net.client(links=2)
        await watch.until(NetworkLoaded)
        await asyncio.sleep(0)
        assert client._supervisor is not None
        client._supervisor._exits.avoid(SPARE_ID, time.monotonic())
        await net.exit.drain()
        request = asyncio.ensure_future(curl(*socks(client), url))
        for _ in range(2):
            await net.volunteer()
        assert await request == (0, BODY)
        assert 1 <= watch.count(LinkDown) <= 2


async def test_broker_that_is_down_at_first() -> None:
    """The client starts all the same, says so, and works once the broker is there."""
    port = free_port()
    async with network() as net, site() as url:
        config = replace(net.client_config(), invite=Invite(f"http://{HOST}:{port}", bytes(32)))
        watch = Watch()
        client = Client(config, watch)
        await client.start()
        first = await watch.until(BrokerUnreachable)
        assert isinstance(first, BrokerUnreachable)
        assert first.reason == "the broker cannot be reached"
        await client.close()
        client = Client(replace(config, invite=net.client_config().invite), watch)
        await net.volunteer()
        await client.start()
        assert await curl(*socks(client), url) == (0, BODY)
        await client.close()


async def test_broker_that_comes_later_is_found() -> None:
    """The same client finds a broker that starts after it."""
    port = free_port()
    async with network() as other, site() as url:
        net = Network(other._stack)
        net.url = f"http://{HOST}:{port}"
        client, watch = await net.client()
        await watch.until(BrokerUnreachable, 2)
        await net.start(port)
        await net.volunteer()
        await watch.until(LinkUp)
        assert await curl(*socks(client), url) == (0, BODY)


async def test_an_application_that_waits_shortens_the_pause_before_the_first_answer() -> None:
    """No broker answered at the start, and the next attempt would be made much later."""
    port = free_port()
    async with network() as other, site() as url:
        net = Network(other._stack)
        net.url = f"http://{HOST}:{port}"
        client, watch = await net.client(retry_s=(300.0, 300.0), urgent_retry_s=0.1)
        await watch.until(BrokerUnreachable)
        await net.start(port)
        await net.volunteer()
        assert await curl(*socks(client), url) == (0, BODY)


async def test_taken_port_is_a_local_error() -> None:
    """The person is told which port, and what to do."""
    async with network() as net:
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            client = Client(net.client_config(listen_port=port))
            with pytest.raises(LocalError, match=f"Port {port} .* another program"):
                await client.start()
            await client.close()


async def test_descriptor_of_another_operator_is_a_config_error() -> None:
    """Who signs decides, not who serves; the port is closed again."""
    async with network() as net:
        key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        client = Client(net.client_config(invite=Invite(net.url, key)))
        with pytest.raises(ConfigError, match="not signed by the key in the invite"):
            await client.start()
        await client.close()


async def test_expired_descriptor_is_a_config_error() -> None:
    """An old description is not believed."""
    async with network(age_s=7200) as net:
        client = Client(net.client_config())
        with pytest.raises(ConfigError, match="has expired"):
            await client.start()


async def test_close_leaves_nothing_behind() -> None:
    """After `close` there is no task, no port and no session left; a second one does nothing."""
    async with network() as net, site() as url:
        await net.volunteer()
        before = asyncio.all_tasks()
        client, watch = await net.client(links=2)
        await watch.until(NetworkLoaded)
        await asyncio.sleep(0)
        await watch.until(LinkUp)
        port = client.port
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET " + url.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.read(100)
        async with asyncio.timeout(5):
            await client.close()
            await client.close()
        names = {task.get_name() for task in asyncio.all_tasks() - before}
        assert not {
            name for name in names if name.startswith(("client/", "links/", "datachannel/"))
        }
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)
        async with asyncio.timeout(5):
            while len(net.exit._sessions):  # noqa: ASYNC110  (nothing to wait for)
                await asyncio.sleep(0.001)
        writer.close()
