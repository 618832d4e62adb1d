"""The stanzas in `deploy/`, in a real nginx and a real Caddy before a real `passerelle serve`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from passerelle.client.config import ClientConfig
from passerelle.client.notices import LinkUp
from passerelle.client.service import Client
from passerelle.wire import descriptor, invite, signalling
from passerelle.wire.invite import Invite
from passerelle.wire.signalling import BrokerWelcome, VolunteerHello
from tests.network import HOST, Watch
from tests.program import Program, passerelle
from tests.rig.certificate import Certificate
from tests.rig.frontserver import DEPLOY, front_server, nginx_line, program
from tests.rig.ports import free_port
from tests.rig.site import Site
from tests.volunteer import Volunteer

pytestmark = pytest.mark.timeout(60)
GOOD = ["nginx", "Caddy"]
OPERATIONS = DEPLOY.parent / "docs" / "OPERATIONS.md"
ELSEWHERE = "127.0.0.2"
"""An address of this machine that is not the front server's own."""


class Served:
    """A running `passerelle serve` behind a front server."""

    def __init__(self, program: Program, network: Invite, http: aiohttp.ClientSession) -> None:
        self.program = program
        self.network = network
        self.http = http

    async def country(self, sender: str) -> str | None:
        """Return the country that the broker sees in a volunteer that claims to be `sender`."""
        url = f"{self.network.url}/v1/volunteer"
        async with self.http.ws_connect(url, headers={"X-Forwarded-For": sender}) as socket:
            hello = VolunteerHello(signalling.VERSION, "test", 1)
            await socket.send_str(signalling.encode(hello))
            welcome = signalling.decode_from_broker(await socket.receive_str())
        assert isinstance(welcome, BrokerWelcome)
        return welcome.country


@asynccontextmanager
async def served(kind: str, folder: Path, *words: str) -> AsyncIterator[Served]:
    """Run `passerelle serve` behind a front server; its visitors come from `ELSEWHERE`."""
    port, own = free_port(), free_port()
    line = ["serve", "--state", str(folder / "state"), "--listen", f"{HOST}:{own}"]
    line += ["--url", f"http://{HOST}:{port}", *words]
    connector = aiohttp.TCPConnector(local_addr=(ELSEWHERE, 0))
    async with (
        front_server(kind, port, own, folder),
        passerelle(line) as program,
        aiohttp.ClientSession(connector=connector) as http,
    ):
        text = await program.until("/#")
        yield Served(program, invite.parse(text.strip()), http)


@pytest.mark.parametrize("kind", GOOD)
async def test_a_page_arrives_through_the_front_server(kind: str, tmp_path: Path) -> None:
    """Volunteer, its link to the exit and reader all pass the stanza that operators copy."""
    async with Site() as site:
        allowed = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
        async with served(kind, tmp_path, "--trust-proxy", f"{HOST}/32", *allowed) as here:
            async with here.http.get(f"{here.network.url}/v1/network") as answer:
                document = await answer.read()
            found = descriptor.verify(document, here.network.operator_key, now_s=time.time())
            urls = {entry.id: entry.url for entry in found.exits}
            watch = Watch()
            client = Client(ClientConfig(here.network, listen_port=0, links=1), watch)
            async with Volunteer(here.network.url, urls):
                await client.start()
                try:
                    await watch.until(LinkUp)
                    proxy = f"http://{HOST}:{client.port}"
                    url = f"http://{HOST}:{site.port}/"
                    async with aiohttp.ClientSession() as http, http.get(url, proxy=proxy) as page:
                        assert page.status == 200, await page.text()
                finally:
                    await client.close()


@pytest.mark.parametrize("kind", GOOD)
async def test_a_forged_sender_is_not_believed(kind: str, tmp_path: Path) -> None:
    """The broker believes what its own proxy writes, and not what a visitor wrote before."""
    async with served(kind, tmp_path, "--trust-proxy", f"{HOST}/32") as here:
        assert await here.country("8.8.8.8") is None
        here.program.process.terminate()
        await here.program.ended()
    assert "no --trust-proxy names" not in here.program.output


async def test_what_a_proxy_in_front_of_the_proxy_says_is_believed(tmp_path: Path) -> None:
    """With the visitor's own address trusted too, its X-Forwarded-For counts."""
    trusted = ("--trust-proxy", f"{HOST}/32", "--trust-proxy", f"{ELSEWHERE}/32")
    async with served("nginx", tmp_path, *trusted) as here:
        assert await here.country("8.8.8.8") == "US"


@pytest.mark.parametrize("kind", GOOD)
async def test_a_front_server_that_was_not_named_is_logged(kind: str, tmp_path: Path) -> None:
    """Both servers say whom they forward, so the log can tell that --trust-proxy is missing."""
    async with served(kind, tmp_path) as here:
        await here.country("8.8.8.8")
        assert "WARNING" in await here.program.until("no --trust-proxy names")


async def test_a_plain_proxy_pass_is_told_in_the_log(tmp_path: Path) -> None:
    """Pages work behind it, a volunteer fails, and the operator's log has the cause."""
    async with served("plain nginx", tmp_path) as here:
        async with here.http.get(f"{here.network.url}/healthz") as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await here.country("8.8.8.8")
        assert "WARNING" in await here.program.until("arrive without their `Upgrade` header")


async def test_nginx_takes_the_file_as_it_is(tmp_path: Path) -> None:
    """nginx accepts the whole file, certificate and all, with nothing but its paths changed."""
    made = Certificate.make(tmp_path)
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    letters = "/etc/letsencrypt/live/bridge.example"
    text = text.replace(f"{letters}/fullchain.pem", str(made.pem))
    text = text.replace(f"{letters}/privkey.pem", str(made.key))
    text = text.replace("/var/log/nginx/error.log", "stderr").replace("443", str(free_port()))
    line = nginx_line(text, tmp_path)
    done = subprocess.run([*line, "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_caddy_takes_the_file_as_it_is(tmp_path: Path) -> None:
    """Caddy reads the file without a warning, and would get a certificate for its name."""
    line = [program("caddy"), "adapt", "--config", str(DEPLOY / "Caddyfile"), "--validate"]
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin"}
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert "WARN" not in done.stderr
    assert "bridge.example" in json.dumps(json.loads(done.stdout))


@pytest.mark.parametrize(
    "name", ["nginx.conf", "Caddyfile", "passerelle.service", "nats-server.conf"]
)
def test_the_documentation_shows_the_file(name: str) -> None:
    """OPERATIONS.md has each file word for word, so it can be copied from there."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert f"\n{text}```\n" in OPERATIONS.read_text(encoding="utf-8")
