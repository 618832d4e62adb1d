"""A newspaper whose visitors go on reading when it is blocked, and what blocks it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passerelle import readingpage, survival
from passerelle.demo import herald, reading, sites
from passerelle.demo.run import HOST
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.readingpage import ReadingPage
from passerelle.serve import Servers
from tests.rig.certificate import Certificate
from tests.rig.ports import free_port
from tests.rig.reading import Newspaper

TRUE_HOST: Final = "::1"
"""Where the newspaper itself listens: the exit prefers it, and the reader's browser never asks."""
BLOCK_PAGE: Final = b"<!doctype html><title>Notice</title><h1>This site is not available</h1>"
MARK: Final = "Passerelle-Site"
WAYS: Final = ("refused", "reset", "silent", "forged", "certificate")
"""What the censor does; 'open' lets everything pass, and 'half' the beginning of everything."""
READ_BYTES: Final = 65_536
HALF_BYTES: Final = 40_000
"""What of a connection is its beginning: enough for a record of TLS with a page's own in it."""


class Censor:
    """Stands between the reader and the newspaper, on the same port of another address."""

    def __init__(
        self,
        port: int,
        certificates: tuple[Certificate, Certificate] | None = None,
        site: tuple[str, int] | None = None,
    ) -> None:
        """`certificates` are the newspaper's and one that nobody trusts; None without TLS. `site`
        is where it listens, if that is not `TRUE_HOST` and the same port."""
        self.port = port
        self._site = site or (TRUE_HOST, port)
        self._certificates = certificates
        self._way = "open"
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.asked: list[str] = []
        """Paths that the block page's server was asked for, since it is there."""
        self.forged: dict[str, tuple[str, bytes]] = {}
        """Content that the block page's server has by path, with its type."""

    async def be(self, way: str) -> None:
        """Do this from now on; connections that are open end."""
        await self.close()
        self._way = way
        self.asked.clear()
        if way == "refused":
            return
        context: ssl.SSLContext | None = None
        if self._certificates and way in {"forged", "certificate"}:
            context = self._certificates[way == "certificate"].context()
        self._server = await asyncio.start_server(self._serve, HOST, self.port, ssl=context)

    async def close(self) -> None:
        """Stop."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._way == "reset":
            return
        if self._way == "silent":
            while await reader.read(READ_BYTES):
                pass
        elif self._way in {"open", "half"}:
            most = HALF_BYTES if self._way == "half" else None
            theirs, ours = await asyncio.open_connection(*self._site)
            self._open.add(ours)
            try:
                await asyncio.gather(_copy(reader, ours), _copy(theirs, writer, most))
            finally:
                self._open.discard(ours)
                ours.transport.abort()
        else:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ")[1].decode().partition("?")[0]
                self.asked.append(path)
                kind, body = self.forged.get(path, ("text/html", BLOCK_PAGE))
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None = None
) -> None:
    """Copy all, or `most` bytes: then nothing more, and no end either."""
    copied = 0
    while data := await reader.read(READ_BYTES):
        if most is not None:
            data = data[: max(0, most - copied)]
            copied += len(data)
        writer.write(data)
        await writer.drain()
    if most is None:
        writer.close()


@dataclass
class Publisher:
    """What the newspaper's publisher decided."""

    tag: str = ""
    """HTML at the end of each page."""
    is_marked: bool = True
    """Whether answers say that they are the site's."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Scripts at the site's root, by their names."""
    key: Ed25519PrivateKey | None = None
    """The key with which proofs are signed."""
    delay_s: float = 0.0
    """The time that each page takes."""
    headers: dict[str, str] = field(default_factory=dict)
    """More headers of each page."""
    proofs: int = 0
    """How often a worker asked for its own file; the browser itself is not counted."""
    origin: str = ""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve the files, and put tag and mark into the newspaper's pages."""
        name = request.path[1:]
        if name in self.files:
            self.proofs += "Service-Worker" not in request.headers
            made = web.Response(body=self.files[name], content_type="text/javascript")
            made.headers["Cache-Control"] = "no-cache"
            if self.key and (nonce := request.query.get("nonce")):
                made.headers["Passerelle-Proof"] = self.proof(bytes.fromhex(nonce))
            return made
        response = await handler(request)
        if isinstance(response, web.Response) and response.content_type == "text/html":
            await asyncio.sleep(self.delay_s)
            assert isinstance(response.body, bytes)
            response.body = response.body + self.tag.encode()
            response.headers.update(self.headers)
        if self.is_marked:
            response.headers[MARK] = "1"
        return response

    def proof(self, nonce: bytes) -> str:
        """Return the header's value that answers `nonce`."""
        assert self.key
        text = b"passerelle site proof 1\0" + self.origin.encode() + b"\0" + nonce
        return base64.b64encode(self.key.sign(text)).decode()


@dataclass(frozen=True, slots=True)
class Surviving:
    """Everything; `surviving` makes it."""

    newspaper: Newspaper
    publisher: Publisher
    censor: Censor
    servers: Servers
    page: ReadingPage
    site: str
    """The newspaper's address, without a slash at its end."""
    volunteers: str
    """The page with the switch for volunteers."""
    certificate: Certificate | None
    keys: Keyring

    def make(
        self, key: bytes = b"", *, operator: Ed25519PrivateKey | None = None, later_s: int = 0
    ) -> dict[str, bytes]:
        """Return the worker's file and the one that withdraws it, as `passerelle page` makes.

        `operator` signs them, and they say that they were made `later_s` seconds from now.
        """
        made_s = int(time.time()) + later_s
        built = readingpage.built()
        return survival.survival(built, self.page, key, operator=operator, made_s=made_s)

    def install(self, *, key: Ed25519PrivateKey | None = None, attribute: str = "survive") -> None:
        """Put the file at the site's root, and the attribute into its tag."""
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) if key else b""
        self.publisher.key = key
        self.publisher.files = {survival.FILE: self.make(raw)[survival.FILE]}
        assert self.servers.tag
        self.publisher.tag = self.servers.tag.replace(
            "<passerelle-switch ", f"<passerelle-switch {attribute} "
        )

    @property
    def flags(self) -> tuple[str, ...]:
        """Chromium's options: the site's name leads to the censor, its certificate is trusted."""
        names = f"--host-resolver-rules=MAP {herald.NAME} {HOST}"
        if not self.certificate:
            return (*reading.OPEN, names)
        made = x509.load_pem_x509_certificate(self.certificate.pem.read_bytes())
        public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = base64.b64encode(hashlib.sha256(public).digest()).decode()
        return (*reading.OPEN, names, f"--ignore-certificate-errors-spki-list={digest}")


@asynccontextmanager
async def surviving(folder: Path | None = None) -> AsyncIterator[Surviving]:
    """Run newspaper, network, and a censor that lets everything pass; by HTTPS with a `folder`."""
    newspaper, publisher = Newspaper(), Publisher()
    newspaper.app.middlewares.append(publisher.middleware)
    certificates: tuple[Certificate, Certificate] | None = None
    if folder:
        made = []
        for name in ("true", "false"):
            (folder / name).mkdir()
            made.append(Certificate.make(folder / name, herald.NAME))
        certificates = (made[0], made[1])
    port = free_port()
    tls = certificates[0].context() if certificates else None
    roots = str(certificates[0].pem) if certificates else None
    origin = f"{'https' if certificates else 'http'}://{herald.NAME}:{port}"
    publisher.origin = origin
    keys = Keyring.generate()
    censor = Censor(port, certificates)
    async with (
        WebServer(newspaper.app, TRUE_HOST, port, tls=tls),
        reading.network(port, roots=roots, keys=keys) as servers,
    ):
        assert servers.tag
        page = ReadingPage(
            site=(origin,),
            invite=str(servers.invite.plain),
            brokers=(servers.invite.url,),
            document=servers.document,
        )
        async with WebServer(sites.publisher(servers.tag), HOST, 0) as paper:
            await censor.be("open")
            try:
                yield Surviving(
                    *(newspaper, publisher, censor, servers, page, origin),
                    f"http://{HOST}:{paper.port}/",
                    certificates[0] if certificates else None,
                    keys,
                )
            finally:
                await censor.close()
