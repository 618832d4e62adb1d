"""What applications get through the client's local port, by a volunteer's real browser."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath

import aiohttp
import pytest
from playwright.async_api import ProxySettings

from passerelle.client import proxy as proxy_module
from passerelle.client.notices import LinkUp, NoVolunteer
from passerelle.core.localport import httppage
from passerelle.errors import FAILURES, Failure
from tests.e2e.conftest import Path
from tests.network import network
from tests.rig.certificate import Certificate
from tests.rig.curl import Proxy, fetch
from tests.rig.holding import holding_site
from tests.rig.site import LINE, PAGE, TOGETHER, Site, blob, digest
from tests.rig.volunteer import Chromium, state, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

SIZE = 20_000_000
UNKNOWN_NAME = "nowhere.invalid"
"""A name that no resolver knows (RFC 6761 §6.4)."""
BROADCAST = "255.255.255.255"
"""An address that the exit allows here, and that the kernel never lets TCP connect to."""
PRIVATE = "10.1.2.3"

both = pytest.mark.parametrize("proxy", Proxy)


@both
async def test_a_page_arrives(path: Path, site: Site, proxy: Proxy, tmp_path: FilePath) -> None:
    got = await fetch(proxy, path.port, tmp_path / "page", f"http://127.0.0.1:{site.port}/")
    assert (got.code, got.status) == (0, 200), got.text
    assert got.body.decode() == PAGE


@both
async def test_a_large_file_arrives_unchanged(
    path: Path, site: Site, proxy: Proxy, tmp_path: FilePath
) -> None:
    """A large file arrives unchanged through the volunteer's page."""
    before = (await state(path.page))["totals"]["bytes"]
    url = f"http://127.0.0.1:{site.port}/bytes/{SIZE}"
    got = await fetch(proxy, path.port, tmp_path / "file", url)
    assert (got.code, got.status) == (0, 200), got.text
    assert digest(got.body) == digest(blob(SIZE))
    await until(path.page, f"s.totals.bytes >= {before + SIZE}")


@both
async def test_a_large_upload_arrives_unchanged(
    path: Path, site: Site, proxy: Proxy, tmp_path: FilePath
) -> None:
    source = tmp_path / "file"
    source.write_bytes(blob(SIZE))
    url = f"http://127.0.0.1:{site.port}/upload"
    got = await fetch(proxy, path.port, tmp_path / "answer", "-T", str(source), url)
    assert (got.code, got.status) == (0, 200), got.text
    assert got.body.decode() == digest(blob(SIZE))


@both
async def test_many_requests_at_once(
    path: Path, site: Site, proxy: Proxy, tmp_path: FilePath
) -> None:
    """The site answers none of many requests before it has received them all."""
    sizes = [20_000 + number for number in range(TOGETHER)]
    first, *others = sizes
    words = ["-Z", "--parallel-immediate", "--parallel-max", str(TOGETHER)]
    for size in others:
        url = f"http://127.0.0.1:{site.port}/together/{size}"
        words += ["-o", str(tmp_path / str(size)), url]
    last = f"http://127.0.0.1:{site.port}/together/{first}"
    got = await fetch(proxy, path.port, tmp_path / str(first), *[last, *words])
    assert got.code == 0, got.text
    for size in sizes:
        assert digest((tmp_path / str(size)).read_bytes()) == digest(blob(size)), size


@both
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_https_is_between_application_and_site(
    path: Path,
    tls_site: Site,
    certificate: Certificate,
    proxy: Proxy,
    host: str,
    tmp_path: FilePath,
) -> None:
    """`curl` sees the site's own certificate; the exit looks up `localhost`."""
    url = f"https://{host}:{tls_site.port}/"
    trust = ("--cacert", str(certificate.pem))
    got = await fetch(proxy, path.port, tmp_path / "page", *trust, url)
    assert (got.code, got.status) == (0, 200), got.text
    assert got.body.decode() == PAGE


@both
async def test_a_strangers_certificate_is_not_hidden(
    path: Path, tls_site: Site, proxy: Proxy, tmp_path: FilePath
) -> None:
    """Without the site's certificate curl stops, because nothing on the path vouches for it."""
    url = f"https://127.0.0.1:{tls_site.port}/"
    got = await fetch(proxy, path.port, tmp_path / "page", url)
    assert got.code == 60, got.text


async def test_a_websocket_echoes(path: Path, tls_site: Site, certificate: Certificate) -> None:
    """A WebSocket carries text, bytes of every size and a close through HTTP CONNECT."""
    url = f"wss://localhost:{tls_site.port}/echo"
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.ws_connect(
            url, proxy=f"http://127.0.0.1:{path.port}", ssl=certificate.trust()
        ) as socket,
    ):
        for size in (0, 1, 125, 126, 65_535, 65_536, 300_000):
            await socket.send_bytes(blob(size))
            assert await socket.receive_bytes() == blob(size)
        for number in range(100):
            await socket.send_str(f"tulip {number}")
        assert [await socket.receive_str() for _ in range(100)] == [
            f"tulip {number}" for number in range(100)
        ]


async def test_an_answer_may_come_after_the_applications_end(path: Path, patient_port: int) -> None:
    """After a half-close the site sees the end of the request, and its answer still arrives."""
    data = blob(1_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", path.port)
    writer.write(b"\5\1\0")
    assert await reader.readexactly(2) == b"\5\0"
    writer.write(b"\5\1\0\1" + bytes([127, 0, 0, 1]) + patient_port.to_bytes(2, "big"))
    answer = await reader.readexactly(10)
    assert answer[:2] == b"\5\0", answer
    writer.write(data)
    writer.write_eof()
    assert (await reader.read()).decode() == digest(data)
    writer.close()
    await writer.wait_closed()


async def test_a_browser_keeps_its_connections(chrome: Chromium) -> None:
    """A page, its pictures and a POST arrive in Chromium from a site that holds connections."""
    pictures = 24
    html = "<!doctype html><title>Tulips</title>" + "".join(
        f"<img src=/tulip/{number}>" for number in range(pictures)
    )
    picture = (
        "<svg xmlns='http://www.w3.org/2000/svg' width='7' height='7'>"
        "<circle cx='3' cy='3' r='3' fill='red'/></svg>"
    )
    answers = {b"/": answer("text/html", html)}
    for number in range(pictures):
        answers[b"/tulip/%d" % number] = answer("image/svg+xml", picture)
    async with network() as net, holding_site(answers) as url:
        await net.volunteer()
        client, watch = await net.client()
        await watch.until(LinkUp)
        # Chromium asks no proxy for loopback unless it is told to.
        proxy = ProxySettings(server=f"http://127.0.0.1:{client.port}", bypass="<-loopback>")
        context = await chrome.browser.new_context(proxy=proxy)
        try:
            page = await context.new_page()
            await page.goto(url, timeout=10_000)
            widths = "[...document.images].map((image) => image.naturalWidth)"
            assert await page.evaluate(widths) == [7] * pictures
            post = "fetch('/echo', {method: 'POST', body: 'hello'}).then((got) => got.text())"
            assert await page.evaluate(post) == "hello"
        finally:
            await context.close()


async def test_a_browser_shows_why_and_tries_again(
    chrome: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a volunteer Chromium shows a page that says so, and the site's once there is one."""
    monkeypatch.setattr(proxy_module, "LINK_PATIENCE_S", 0.2)
    monkeypatch.setattr(httppage, "RETRY_S", 1)
    async with network() as net, holding_site({b"/": answer("text/html", PAGE)}) as url:
        client, watch = await net.client()
        await watch.until(NoVolunteer)
        proxy = ProxySettings(server=f"http://127.0.0.1:{client.port}", bypass="<-loopback>")
        context = await chrome.browser.new_context(proxy=proxy)
        try:
            page = await context.new_page()
            shown = await page.goto(url, timeout=10_000)
            assert shown is not None
            assert shown.status == 503
            text = await page.inner_text("body")
            assert FAILURES[Failure.NO_VOLUNTEER].sentence in text
            assert "tries again by itself" in text
            await net.volunteer()
            await page.get_by_text(f"{LINE}1.").wait_for(timeout=15_000)
        finally:
            await context.close()


def answer(kind: str, text: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n"
    return (head + text).encode()


# --- refusals -------------------------------------------------------------------------------------


def refused_ports(path: Path, site: Site) -> dict[str, tuple[str, int, int]]:
    """Return address, SOCKS reply (RFC 1928 §6) and HTTP status of each kind of refusal."""
    return {
        "private address": (f"{PRIVATE}:{site.port}", 2, 403),
        "port not open": ("127.0.0.1:22", 2, 403),
        "unreachable": (f"{BROADCAST}:{site.port}", 4, 502),
        "unknown name": (f"{UNKNOWN_NAME}:{site.port}", 4, 502),
        "closed port": (f"127.0.0.1:{path.closed_port}", 5, 502),
    }


@pytest.mark.parametrize(
    "kind", ["private address", "port not open", "unreachable", "unknown name", "closed port"]
)
async def test_a_refusal_says_why(path: Path, site: Site, kind: str, tmp_path: FilePath) -> None:
    """Each refusal has its SOCKS reply and its HTTP status, for CONNECT and for a page."""
    address, reply, status = refused_ports(path, site)[kind]
    url = f"http://{address}/"
    socks, page, tunnel = await asyncio.gather(
        fetch(Proxy.SOCKS, path.port, tmp_path / "socks", url),
        fetch(Proxy.HTTP, path.port, tmp_path / "page", url),
        fetch(Proxy.HTTP, path.port, tmp_path / "tunnel", "--proxytunnel", url),
    )
    assert (socks.code, socks.socks_reply) == (97, reply), socks.text
    assert (page.code, page.status) == (0, status), page.text
    assert page.body.startswith(b"<!doctype html>"), "a person gets a page that explains it"
    assert tunnel.connect_status == status, tunnel.text
