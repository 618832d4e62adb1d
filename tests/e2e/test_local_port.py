"""What web pages in real browsers can find out about the client's local port: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import ProxySettings

from passerelle.commands import localport
from passerelle.listen import ListenAddress
from tests.rig.firefox import Firefox
from tests.rig.ports import free_port
from tests.rig.program import Program, client
from tests.rig.site import PAGE, Site
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

REBOUND: Final = "rebound.example"
"""A name of the attacker's that leads to this machine by the time that it is asked for again."""
BLOCKED_HOST: Final = "127.77.0.1"
"""An address of this machine on which nothing else listens."""
ROUNDS: Final = 8
SLACK_MS: Final = 25.0
"""A difference that a busy machine makes between two ports that behave alike."""

PROBE: Final = """async (where, sockets) => {
  const url = `http://${where}/`;
  const timed = async (work) => {
    const began = performance.now();
    let outcome;
    try { outcome = `came: ${await work()}`; } catch (error) { outcome = `${error}`; }
    return [outcome.replaceAll(where, 'HOST'), performance.now() - began];
  };
  const image = () => new Promise((done, failed) => {
    const made = new Image();
    made.onload = () => done('load');
    made.onerror = () => failed('error');
    made.src = `${url}pixel?${Math.random()}`;
  });
  const socket = () => new Promise((done) => {
    const made = new WebSocket(`ws://${where}/`);
    made.onopen = () => done('open');
    made.onclose = (event) => done(`${event.code} ${event.reason} ${event.wasClean}`);
  });
  const long = `${url}${'a'.repeat(100000)}`;
  const posted = {method: 'POST', mode: 'no-cors', body: 'x'.repeat(200000)};
  return {
    fetch: await timed(() => fetch(url, {mode: 'no-cors'}).then((got) => got.type)),
    cors: await timed(() => fetch(url, {method: 'PUT'}).then((got) => got.type)),
    long: await timed(() => fetch(long, {mode: 'no-cors'}).then((got) => got.type)),
    post: await timed(() => fetch(url, posted).then((got) => got.type)),
    image: await timed(image),
    ...(sockets ? {socket: await timed(socket)} : {}),
  };
}"""


GATHER: Final = """async (server) => {
  let made;
  try {
    made = new RTCPeerConnection(
      {iceServers: [{urls: `turn:${server}?transport=tcp`, username: 'a', credential: 'b'}]});
  } catch (error) {
    return String(error).includes('port that is blocked');
  }
  made.createDataChannel('x');
  await made.setLocalDescription();
  const until = performance.now() + 3000;
  while (made.iceGatheringState !== 'complete' && performance.now() < until)
    await new Promise((done) => setTimeout(done, 50));
  made.close();
  return true;
}"""
"""Has the page's WebRTC connect to a TURN server by TCP."""


class Page(Protocol):
    async def evaluate(self, expression: str, /) -> Any: ...
    async def close(self) -> None: ...


Open = Callable[[str], Awaitable[Page]]


@asynccontextmanager
async def opener(browser: str, proxy: str | None = None) -> AsyncIterator[Open]:
    """Start a browser; yield what opens a page in it. `proxy` is the host and port of one."""
    async with AsyncExitStack() as stack:
        if browser == "chromium":
            chrome = await stack.enter_async_context(
                Chromium(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1")
            )
            if proxy is None:
                yield chrome.open
                return
            setting = ProxySettings(server=f"http://{proxy}", bypass="<-loopback>")
            context = await chrome.browser.new_context(proxy=setting)

            async def open_by_proxy(url: str) -> Page:
                page = await context.new_page()
                await page.goto(url)
                return page

            yield open_by_proxy
            return
        preferences: dict[str, str | int | bool] = {"network.dns.localDomains": REBOUND}
        if proxy is not None:
            host, _, port = proxy.partition(":")
            preferences |= {
                "network.proxy.type": 1,
                "network.proxy.http": host,
                "network.proxy.http_port": int(port),
                "network.proxy.allow_hijacking_localhost": True,
            }
        yield (await stack.enter_async_context(Firefox(preferences))).open


async def probe(page: Page, where: str, *, sockets: bool) -> dict[str, tuple[str, float]]:
    """Return the outcome of each kind of request, and the milliseconds until then.

    Browsers themselves delay a WebSocket after others have failed, by chance and for seconds, so
    WebSockets are not for measuring times.
    """
    found = await page.evaluate(f"() => ({PROBE})('{where}', {str(sockets).lower()})")
    return {kind: (str(outcome), float(ms)) for kind, (outcome, ms) in found.items()}


async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do as a server of some other protocol does, which understands nothing of HTTP."""
    await reader.read(65_536)
    writer.transport.abort()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site() -> AsyncIterator[Site]:
    async with Site() as running:
        yield running


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_page_cannot_tell_that_the_client_runs(browser: str, site: Site) -> None:
    """Requests to the local port end as those to a port that knows no HTTP, and as soon."""
    port, nobody = free_port(), free_port()
    dumb = await asyncio.start_server(close_at_once, "127.0.0.1", 0)
    other: int = dumb.sockets[0].getsockname()[1]
    running = client(f"http://127.0.0.1:{nobody}/#{'A' * 43}", port)
    async with dumb, running, opener(browser) as open_page:
        await running.expect("Proxy open")
        page = await open_page(f"http://127.0.0.1:{site.port}/")
        for host in ("127.0.0.1", REBOUND):
            times: dict[str, tuple[list[float], list[float]]] = {}
            outcomes = [
                {kind: outcome for kind, (outcome, _) in found.items()}
                for each in (port, other, nobody)
                if (found := await probe(page, f"{host}:{each}", sockets=True))
            ]
            assert outcomes[0] == outcomes[1] == outcomes[2]
            assert not any(outcome.startswith("came: o") for outcome in outcomes[0].values())
            for _ in range(ROUNDS):
                mine = await probe(page, f"{host}:{port}", sockets=False)
                theirs = await probe(page, f"{host}:{other}", sockets=False)
                for kind, (_, ms) in mine.items():
                    own, others = times.setdefault(kind, ([], []))
                    own.append(ms)
                    others.append(theirs[kind][1])
            for kind, (own, others) in times.items():
                difference_ms = abs(statistics.median(own) - statistics.median(others))
                assert difference_ms < SLACK_MS, (host, kind, own, others)
        await page.close()


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_browsers_let_no_page_connect_to_the_usual_port(browser: str, site: Site) -> None:
    """No page's request arrives there, and the browser itself takes it as its proxy's port."""
    usual = ListenAddress.parse(localport.DEFAULT).port
    came = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        head = await reader.read(65_536)
        assert head.startswith(b"GET http://")
        answer = (
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(PAGE)}\r\nConnection: close\r\n\r\n{PAGE}"
        )
        writer.write(answer.encode())
        await writer.drain()
        writer.close()

    where = f"{BLOCKED_HOST}:{usual}"
    async with await asyncio.start_server(count, BLOCKED_HOST, usual):
        async with opener(browser) as open_page:
            page = await open_page(f"http://127.0.0.1:{site.port}/")
            found = await probe(page, where, sockets=True)
            assert not any(outcome.startswith("came: o") for outcome, _ in found.values()), found
            assert came == 0
            assert await page.evaluate(f"() => ({GATHER})('{where}')")
            assert came == 0
            await page.close()
        async with opener(browser, proxy=where) as open_page:
            page = await open_page(f"http://127.0.0.1:{site.port}/")
            assert await page.evaluate("document.documentElement.textContent.length") > 0
            assert came > 0
            await page.close()


async def test_a_request_that_names_no_proxy_form_gets_no_byte() -> None:
    """The connection ends without a byte for whatever a page could have its browser send."""
    port, nobody = free_port(), free_port()
    running: Program = client(f"http://127.0.0.1:{nobody}/#{'A' * 43}", port)
    async with running:
        await running.expect("Proxy open")
        for said in (
            b"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n",
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\n\r\n",
            b"GET /" + b"a" * 100_000,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\x00\x03\x00\x08\x21\x12\xa4\x42",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            async with asyncio.timeout(2):
                # Bytes that nobody read make the end of a connection a break.
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            writer.close()
