"""Strangers see an ordinary web server, on every path alike."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from passerelle.errors import ConfigError
from passerelle.exit.decoy_site import DecoySite
from passerelle.exit.service import Exit
from passerelle.io.server.web import WebServer, application
from passerelle.io.tunnel.websocket import SUBPROTOCOL
from passerelle.wire.tickets import TicketKind
from tests.network import HOST, KEYS, exit_config, ticket

LINK = b"/v1/link"
ORDINARY = b"/a1/some"
"""A path without meaning, as long as `LINK`."""
DATE = re.compile(rb"\r\nDate: [^\r]*")
READ_S = 10.0


def site(folder: Path) -> Path:
    """Return the folder of a small static site."""
    (folder / "about").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Pictures of bridges</h1>")
    (folder / "404.html").write_text("<h1>No such bridge</h1>")
    (folder / "about" / "index.html").write_text("about")
    (folder / "style.css").write_text("body { color: green }")
    return folder


@asynccontextmanager
async def served(face: Path | None = None) -> AsyncIterator[int]:
    exit_ = Exit(exit_config(decoy_site=face, direct=True))
    app = application()
    exit_.add_routes(app)
    async with WebServer(app, HOST, 0, grace_s=0.2) as server:
        yield server.port
    await exit_.close()


async def exchange(port: int, request: bytes) -> bytes:
    """Send raw bytes and an end; return all that comes back, without the date."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request)
        async with asyncio.timeout(READ_S):
            answer = await reader.read()
    except ConnectionError:
        answer = b"reset"
    finally:
        writer.close()
    return DATE.sub(b"", answer)


UPGRADE = (
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
CLOSE = b"Connection: close\r\n"


def probes() -> Iterator[bytes]:
    """Yield 200 requests to `LINK` such as scanners send."""
    verbs = (
        b"GET",
        b"HEAD",
        b"POST",
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"PATCH",
        b"TRACE",
        b"PROPFIND",
    )
    heads = (
        b"",
        b"Upgrade: websocket\r\n",
        UPGRADE,
        UPGRADE + b"Sec-WebSocket-Protocol: passerelle.v1\r\n",
        UPGRADE + b"Sec-WebSocket-Protocol: chat, superchat\r\n",
        b"Range: bytes=0-10\r\n",
        b"If-None-Match: *\r\nIf-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
        b"Accept-Encoding: gzip, br\r\nAccept: image/*\r\n",
        b"Content-Length: 3\r\n",
        b"Origin: https://example.org\r\nCookie: a=b\r\nAuthorization: Basic YTpi\r\n",
        b"X-Forwarded-For: 1.2.3.4\r\nX-HTTP-Method-Override: PUT\r\n",
    )
    wrong = {
        "garbage": "AAAA",
        "expired": ticket(TicketKind.LINK, life_s=-5),
        "other exit": ticket(TicketKind.LINK, exit_id="other"),
        "other signer": ticket(TicketKind.LINK, key=KEYS.operator),
        "too long": "A" * 600,
    }
    for verb, head in itertools.product(verbs, heads):
        body = b"abc" if b"Content-Length" in head else b""
        yield verb + b" %s HTTP/1.1\r\nHost: x\r\n" + CLOSE + head + b"\r\n" + body
    for verb, text in itertools.product((b"GET", b"POST"), wrong.values()):
        offer = f"Sec-WebSocket-Protocol: {SUBPROTOCOL}, {text}\r\n".encode()
        yield verb + b" %s HTTP/1.1\r\nHost: x\r\n" + CLOSE + UPGRADE + offer + b"\r\n"
    for tail in (
        b"/",
        b"?a=b",
        b"#x",
        b"%2e",
        b";x",
        b"%00",
        b"//",
        b"/../link",
        b"%ff",
        b"a" * 2000,
    ):
        yield b"GET %s" + tail.replace(b"%", b"%%") + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"
    for version in (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"http/1.1", b"X"):
        yield b"GET %s " + version + b"\r\nHost: x\r\n\r\n"
    yield from (
        b"GET %s HTTP/1.1\r\n\r\n",
        b"GET %s HTTP/1.1\nHost: x\n" + b"Connection: close\n\n",
        b"GET %s HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + CLOSE + b"\r\n",
        b"GET %s HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"\r\n0\r\n\r\n",
        b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
        + CLOSE
        + b"\r\nx",
        b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: nonsense\r\n" + CLOSE + b"\r\n",
        b"GET %s HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET %s HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET http://x%s HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"SSH-2.0-OpenSSH_9.7\r\n",
    )
    dice = random.Random(7)
    base = b"GET %s HTTP/1.1\r\nHost: x\r\n" + CLOSE + UPGRADE + b"\r\n"
    while True:
        # A byte of the head altered, the path left as it is.
        at = dice.randrange(base.index(b" HTTP"), len(base) - 4)
        altered = bytes([dice.choice(b"\0 \t:;,/\xff\x7fAz09")])
        if altered != b"%":
            yield base[:at] + altered + base[at + 1 :]


@pytest.mark.parametrize("has_face", [False, True])
async def test_200_probes_cannot_tell_the_link_from_any_path(
    tmp_path: Path, has_face: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers on both paths are equal byte for byte, except the date, even to broken HTTP."""
    monkeypatch.setattr("passerelle.io.server.web.IDLE_TIMEOUT_S", 0.3)
    corpus = list(itertools.islice(probes(), 200))
    assert len({*corpus}) > 190
    async with served(site(tmp_path) if has_face else None) as port:
        for number, probe in enumerate(corpus):
            requests = [
                probe.replace(b"%s", path, 1).replace(b"%%", b"%") for path in (LINK, ORDINARY)
            ]
            at_link, elsewhere = await asyncio.gather(*(exchange(port, each) for each in requests))
            assert at_link == elsewhere.replace(ORDINARY, LINK), (number, probe)
            assert b"passerelle" not in at_link.lower()
            assert b"aiohttp" not in at_link.lower()
            assert b"python" not in at_link.lower()


async def get(port: int, path: str, verb: str = "GET", head: str = "") -> tuple[str, bytes]:
    """Return status line and body."""
    text = f"{verb} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n"
    answer = await exchange(port, text.encode())
    headers, _, body = answer.partition(b"\r\n\r\n")
    return headers.decode(), body


async def test_the_face_is_an_ordinary_site(tmp_path: Path) -> None:
    """Pages, types, folders, the 404 page, conditional and partial requests work as usual."""
    async with served(site(tmp_path)) as port:
        headers, body = await get(port, "/")
        assert headers.startswith("HTTP/1.1 200 OK")
        assert "Content-Type: text/html" in headers
        assert b"Pictures of bridges" in body
        etag = re.search(r"Etag: (\S+)", headers, re.IGNORECASE)
        assert etag is not None
        headers, body = await get(port, "/", head=f"If-None-Match: {etag[1]}\r\n")
        assert headers.startswith("HTTP/1.1 304")
        headers, body = await get(port, "/style.css", head="Range: bytes=0-3\r\n")
        assert (headers.split("\r\n")[0], body) == ("HTTP/1.1 206 Partial Content", b"body")
        assert (await get(port, "/about/"))[1] == b"about"
        headers, _ = await get(port, "/about")
        assert headers.startswith("HTTP/1.1 301")
        assert "Location: /about/" in headers
        headers, body = await get(port, "/nothing")
        assert headers.startswith("HTTP/1.1 404")
        assert b"No such bridge" in body
        assert (await get(port, "/", "POST"))[0].startswith("HTTP/1.1 405")
        assert (await get(port, "/style.css", "HEAD"))[1] == b""


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "/about/..%2f..%2fsecret", "/link", "//etc/passwd"]
)
async def test_nothing_outside_the_folder(tmp_path: Path, path: str) -> None:
    """Neither dots nor links lead out of the folder."""
    (tmp_path / "secret").write_text("key")
    root = site(tmp_path / "site")
    (root / "link").symlink_to(tmp_path / "secret")
    async with served(root) as port:
        assert (await get(port, path))[0].startswith("HTTP/1.1 404")


def test_faces_that_cannot_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do."""
    with pytest.raises(ConfigError, match="is no folder"):
        DecoySite(tmp_path / "nothing")
    (tmp_path / "404.html").write_bytes(bytes(1 << 19))
    with pytest.raises(ConfigError, match="Make it shorter"):
        DecoySite(tmp_path)
    monkeypatch.setattr("passerelle.exit.decoy_site.DECOY_FILES", 0)
    with pytest.raises(ConfigError, match="more than 0 files"):
        DecoySite(tmp_path)


async def test_a_stream_of_bytes_that_never_becomes_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request head that does not come whole in time (slow loris) ends its connection."""
    monkeypatch.setattr("passerelle.io.server.web.IDLE_TIMEOUT_S", 0.2)
    async with served() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET /v1/link HTTP/1.1\r\nHost: ")
        async with asyncio.timeout(READ_S):
            assert await reader.read() == b""
        writer.close()
