from __future__ import annotations

import datetime
import json
import socket
import ssl
import time
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from passerelle.demo.run import free_port
from passerelle.errors import ConfigError, LocalError
from passerelle.exit.settings import ExitSettings
from passerelle.io.net.stun import find_class
from passerelle.keyring import Keyring
from passerelle.listen import ListenAddress
from passerelle.serve import (
    ServeConfig,
    Servers,
    exit_url,
    is_laboratory,
    is_reachable_by_browsers,
    tls_context,
    widget_tag,
)
from passerelle.wire import descriptor
from passerelle.wire.signalling import NatClass
from passerelle.wire.ways import AmpWay, DirectWay, FrontedWay
from tests.client.gateway import udp_sockets
from tests.rig.ports import free_udp_ports

HOST = "127.0.0.1"


class Clock:
    """Unix time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def widget(tmp_path: Path) -> Path:
    """Return the folder of a built widget in miniature."""
    folder = tmp_path / "widget"
    folder.mkdir()
    (folder / "passerelle.abc.js").write_text("1")
    (folder / "manifest.json").write_text(
        json.dumps({"element": {"file": "passerelle.abc.js", "integrity": "sha384-AAAA"}})
    )
    return folder


def config(**changes: object) -> ServeConfig:
    port = free_port()
    options: dict[str, object] = {
        "name": "Test",
        "url": f"http://{HOST}:{port}/",
        "listen": ListenAddress(HOST, port),
        **changes,
    }
    return ServeConfig(**options)  # type: ignore[arg-type]


async def fetch(url: str, **options: object) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url, **options) as answer:  # type: ignore[arg-type]
        return answer.status, await answer.read()


async def test_broker_and_exit_share_a_port(widget: Path) -> None:
    """The descriptor verifies under the invite, and names one address for broker and exit."""
    async with Servers(config(widget_dir=widget), Keyring.generate()) as servers:
        url = servers.invite.url
        status, document = await fetch(f"{url}/v1/network")
        assert status == 200
        found = descriptor.verify(document, servers.invite.operator_key, now_s=0)
        assert found.brokers[0].url == url
        assert found.exits[0].url == url.replace("http", "ws") + "/v1/link"
        assert (await fetch(f"{url}/healthz"))[0] == 200
        assert (await fetch(f"{url}/w/passerelle.abc.js"))[1] == b"1"
    with pytest.raises(aiohttp.ClientConnectionError):
        await fetch(f"{url}/healthz")


async def test_the_exit_may_have_a_port_of_its_own() -> None:
    """Each of the two ports answers for one of them only."""
    port = free_port()
    own = config(exit_listen=ListenAddress(HOST, port), exit_url=f"https://{HOST}:{port}")
    async with Servers(own, Keyring.generate()) as servers:
        _, document = await fetch(f"{servers.invite.url}/v1/network")
        found = descriptor.verify(document, servers.invite.operator_key, now_s=0)
        assert found.exits[0].url == f"wss://{HOST}:{port}/v1/link"
        assert (await fetch(f"http://{HOST}:{port}/v1/network"))[0] == 404
        assert servers.tag is None


async def test_the_front_shows_the_status_unless_the_operator_has_a_site(tmp_path: Path) -> None:
    """A site at the broker's address keeps `/`; one at an exit's own port has no say there."""
    (tmp_path / "index.html").write_text("<title>Our own site</title>")
    settings = ExitSettings(face=tmp_path)
    port = free_port()
    away = {"exit_listen": ListenAddress(HOST, port), "exit_url": f"https://{HOST}:{port}"}
    for options, is_own in (({}, False), ({"settings": settings}, True)):
        async with Servers(config(**options), Keyring.generate()) as servers:
            status, front = await fetch(f"{servers.invite.url}/")
            assert status == 200
            assert (b"Our own site" in front) == is_own
            assert b"Volunteers now" in (await fetch(f"{servers.invite.url}/status"))[1]
    async with Servers(config(settings=settings, **away), Keyring.generate()) as servers:
        assert b"Volunteers now" in (await fetch(f"{servers.invite.url}/"))[1]
        assert b"Our own site" in (await fetch(f"http://{HOST}:{port}/"))[1]


@pytest.mark.parametrize(
    ("url", "laboratory"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("https://192.168.1.7", True),
        ("https://[fd00::7]:8443", True),
        ("https://bridge.example", False),
        ("https://8.8.8.8", False),
        ("https://localhost.example", False),
    ],
)
def test_a_private_broker_makes_a_laboratory(url: str, laboratory: bool) -> None:
    """A network is a laboratory if nobody outside could reach its broker's address."""
    assert is_laboratory(url) is laboratory


@pytest.mark.parametrize(
    ("options", "private"),
    [
        ({"url": "https://bridge.example"}, False),
        ({"url": "https://bridge.example", "private_candidates": True}, True),
        ({}, True),
    ],
)
async def test_the_descriptor_says_whether_private_addresses_count(
    options: dict[str, object], private: bool
) -> None:
    """The signed descriptor tells clients and widgets whether private addresses count."""
    made = config(**options)
    async with Servers(made, Keyring.generate()) as servers:
        _, document = await fetch(f"http://{HOST}:{made.listen.port}/v1/network")
        found = descriptor.verify(document, servers.invite.operator_key, now_s=0)
        assert found.private_candidates is private


async def test_stun_is_answered_and_named() -> None:
    """The descriptor names both ports under the URL's host, after the servers that were given."""
    one, two = free_udp_ports(2)
    made = config(stun=("stun:stun.example:1",), stun_listen=ListenAddress(HOST, one))
    before = udp_sockets()
    async with Servers(made, Keyring.generate()) as servers:
        # A flood of requests must not take this process's time: another one answers them.
        assert udp_sockets() == before
        _, document = await fetch(f"{servers.invite.url}/v1/network")
        found = descriptor.verify(document, servers.invite.operator_key, now_s=0)
        own = (f"stun:{HOST}:{one}", f"stun:{HOST}:{two}")
        assert found.stun == ("stun:stun.example:1", *own)
        assert await find_class(own) is NatClass.RESTRICTED


async def test_a_taken_stun_port_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """The error says which server did not start, and that server says why."""
    one, _two = free_udp_ports(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, one))
        with pytest.raises(LocalError, match="STUN server 1 did not start"):
            async with Servers(config(stun_listen=ListenAddress(HOST, one)), Keyring.generate()):
                pass
    assert "another program is using it" in capfd.readouterr().err


def test_stun_needs_a_second_port() -> None:
    """The last port is refused before anything is opened."""
    with pytest.raises(ConfigError, match="two ports"):
        Servers(config(stun_listen=ListenAddress(HOST, 65535)), Keyring.generate())


async def test_ways_are_for_readers(widget: Path) -> None:
    """Descriptor and invite name the ways, and a publisher's tag does not."""
    ways = (
        FrontedWay("https://d123.cdn.example", "popular.example"),
        AmpWay("https://cache.example"),
    )
    async with Servers(config(ways=ways, widget_dir=widget), Keyring.generate()) as running:
        assert running.invite.ways == ways
        status, document = await fetch(f"{running.invite.url}/v1/network")
        assert status == 200
        found = descriptor.verify(document, running.invite.operator_key, now_s=time.time())
        assert found.brokers[0].known_ways == (DirectWay(), *ways)
        assert running.tag is not None
        assert "popular.example" not in running.tag
        assert (await fetch(f"{running.invite.url}/v1/amp/network"))[0] == 200
        status, page = await fetch(f"{running.invite.url}/friend")
        assert status == 200
        assert str(running.invite.plain) in page.decode()
        assert "popular.example" not in page.decode()


async def test_without_such_a_way_no_cache_is_answered() -> None:
    """The path is answered as one that does not exist."""
    ways = (FrontedWay("https://d123.cdn.example", "popular.example"),)
    async with Servers(config(ways=ways), Keyring.generate()) as running:
        for path in ("/v1/amp/network", "/v1/amp/rendezvous/AAAA"):
            answer = await fetch(running.invite.url + path)
            assert answer == await fetch(running.invite.url + "/nothing")


async def test_the_descriptor_is_renewed_in_time() -> None:
    """After half of its life a new descriptor is served, with the same keys."""
    clock = Clock()
    keys = Keyring.generate()
    async with Servers(config(lifetime_s=1000), keys, clock=clock) as servers:
        url = f"{servers.invite.url}/v1/network"
        first = (await fetch(url))[1]
        clock.now_s += 499
        assert not servers.renew()
        assert (await fetch(url))[1] == first
        clock.now_s += 1
        assert servers.renew()
        second = (await fetch(url))[1]
    old, new = (
        descriptor.verify(document, servers.invite.operator_key, now_s=clock.now_s)
        for document in (first, second)
    )
    assert new.expires_s == old.expires_s + 500
    assert (new.brokers, new.exits) == (old.brokers, old.exits)


async def test_renewal_happens_by_itself() -> None:
    """A short-lived descriptor is followed by another one without any call."""
    clock = Clock()
    async with Servers(config(lifetime_s=1), Keyring.generate(), clock=clock) as servers:
        url = f"{servers.invite.url}/v1/network"
        first = (await fetch(url))[1]
        clock.now_s += 1
        while (await fetch(url))[1] == first:
            pass


async def test_a_taken_port_is_named() -> None:
    """Nothing is left listening when one of two ports is taken."""
    keys = Keyring.generate()
    first = config()
    port = free_port()
    second = config(
        listen=first.listen, exit_listen=ListenAddress(HOST, port), exit_url="https://exit.example"
    )
    async with Servers(first, keys):
        with pytest.raises(LocalError, match=f"Port {first.listen.port} on {HOST}"):
            async with Servers(second, keys):
                pass
        with pytest.raises(aiohttp.ClientConnectionError):
            await fetch(f"http://{HOST}:{port}/")


@pytest.mark.parametrize(
    ("url", "own", "wanted"),
    [
        ("https://a.example", None, "wss://a.example/v1/link"),
        ("https://a.example/net/", None, "wss://a.example/net/v1/link"),
        ("http://127.0.0.1:80", None, "ws://127.0.0.1:80/v1/link"),
        ("https://a.example", "https://b.example/", "wss://b.example/v1/link"),
        ("https://a.example", "wss://b.example:8443", "wss://b.example:8443/v1/link"),
    ],
)
def test_exit_urls(url: str, own: str | None, wanted: str) -> None:
    """The link endpoint follows from the public address."""
    assert exit_url(config(url=url, exit_url=own)) == wanted


@pytest.mark.parametrize(
    "url", ["bridge.example", "ftp://bridge.example", "https://", "https://a b"]
)
def test_a_public_address_that_is_none(url: str) -> None:
    """A bad URL is refused before anything listens."""
    with pytest.raises(ConfigError):
        Servers(config(url=url), Keyring.generate())


def test_the_tag_holds_file_hash_and_invite(widget: Path) -> None:
    """The tag can be pasted as it is; no value in it can break out of its attribute."""
    invite = Keyring.generate().invite('https://bridge.example/"><b>')
    tag = widget_tag(widget, invite)
    assert '/w/passerelle.abc.js" integrity="sha384-AAAA" crossorigin></script>' in tag
    assert tag.endswith('"></passerelle-switch>')
    assert "<b>" not in tag


@pytest.mark.parametrize("content", [None, "{", "{}", '{"element": {}}'])
def test_a_widget_that_was_not_built(tmp_path: Path, content: str | None) -> None:
    """The error says how to build the widget."""
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ConfigError, match="make widget"):
        widget_tag(tmp_path, Keyring.generate().invite("https://bridge.example"))


@pytest.mark.parametrize(
    ("url", "reachable"),
    [
        ("https://bridge.example", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("http://bridge.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_browsers_want_https(url: str, reachable: bool) -> None:
    """Browsers demand https, except on the machine itself."""
    assert is_reachable_by_browsers(url) is reachable


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a self-signed certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


async def test_tls_is_served(certificate: tuple[Path, Path]) -> None:
    """With a certificate the port speaks https."""
    port = free_port()
    own = config(
        url=f"https://localhost:{port}",
        listen=ListenAddress(HOST, port),
        tls=tls_context(*certificate),
    )
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    async with Servers(own, Keyring.generate()) as servers:
        assert (await fetch(f"{servers.invite.url}/healthz", ssl=trust))[0] == 200


def test_tls_files_that_do_not_fit(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """For missing, damaged or swapped files, one sentence names both."""
    cert, key = certificate
    for pair in ((tmp_path / "none", key), (key, cert), (cert, cert)):
        with pytest.raises(ConfigError, match="--tls-cert"):
            tls_context(*pair)
