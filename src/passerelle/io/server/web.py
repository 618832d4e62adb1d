"""HTTP servers: aiohttp with limits for a server that anybody may talk to."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import hdrs, web, web_response

from passerelle import serverlimits
from passerelle.core.address.classes import IPNetwork
from passerelle.core.address.forwarded import client_address, is_trusted, plain_address
from passerelle.core.address.host import IPAddress
from passerelle.core.address.prefix import origin
from passerelle.core.shares import ShareTable
from passerelle.errors import ConfigError, LinkCode, PeerError, Sensitive
from passerelle.io.listening import cannot_listen
from passerelle.io.server.openfiles import raise_file_limit
from passerelle.io.tasks import describe

IDLE_TIMEOUT_S = 75.0
"""How long a connection may stay open without a complete request head. It is more than a minute,
because censors have recognised programs by repeated TLS connections to one name within 60 s."""
LINGER_S = 2.0
"""How long to go on reading, and discarding, the body of a request that was refused."""
DISCONNECT_POLL_S = 0.25
FOR_PAGES: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Date",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers of an answer that any page may read. By its `Date` a page finds that its own clock is
wrong."""

_SERVER_LOGGERS = ("aiohttp.server", "aiohttp.web", "aiohttp.websocket", "aiohttp.internal")

# Requests that cannot be parsed are answered outside the application, so `_hide_server` does not
# see the answer, which would name the versions of aiohttp and Python. There is no public setting.
web_response.SERVER_SOFTWARE = ""  # type: ignore[attr-defined]


def is_from_page(request: web.Request) -> bool:
    """Whether a web page asks, of another origin or of this server's own.

    Its browser would keep the connection open, and close it with packets long after the visitor has
    turned the switch off. A page of this server's own sends no `Origin` with a GET.
    """
    return hdrs.ORIGIN in request.headers or request.headers.get("Sec-Fetch-Site") == "same-origin"


def application() -> web.Application:
    """Return an empty application that refuses bodies over `serverlimits.HTTP_BODY_BYTES`."""
    return web.Application(client_max_size=serverlimits.HTTP_BODY_BYTES)


class _Connections:
    """Counts a server's connections, and aborts one of them when there are too many.

    aiohttp calls its `Server` object for every connection and every request; this class wraps those
    methods. A proxy's connection carries the requests of many networks, one after the other, so
    behind a trusted proxy a request in progress (a WebSocket, for its whole life) counts where
    otherwise a connection does.
    """

    def __init__(
        self, server: web.Server, most: int, per_network: int, trusted: Sequence[IPNetwork]
    ) -> None:
        self._made, self._lost = server.connection_made, server.connection_lost
        self._handle = server.request_handler
        self._most = most
        self._per_network = per_network
        self._trusted = trusted
        self._count = 0
        self._shares: ShareTable[web.RequestHandler] = ShareTable(2 * most)
        """The connections, by whom they count for; those of proxies while a request is in progress.
        It is never full, so nothing gives way but by `_on_made`."""
        server.connection_made = self._on_made  # type: ignore[method-assign]
        server.connection_lost = self._on_lost  # type: ignore[method-assign]
        if trusted:
            server.request_handler = self._on_request

    def _on_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        self._made(handler, transport)
        self._count += 1
        network = self._network(transport)
        if network is not None and not self._admits(handler, network):
            transport.abort()
        elif self._count > self._most:
            # Whoever has most loses its newest, whether this one is its or not. A proxy's own
            # connection is nobody's.
            gone = self._shares.give_way(network)
            if gone is None or gone is handler:
                transport.abort()
            elif gone.transport is not None:
                gone.transport.abort()

    def _on_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._lost(handler, exc)
        self._count -= 1
        self._shares.discard(handler)

    async def _on_request(self, request: web.BaseRequest) -> web.StreamResponse:
        network = self._forwarded_network(request)
        if network is None:
            return await self._handle(request)
        if not self._admits(request.protocol, network):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)  # written to nobody
        try:
            return await self._handle(request)
        finally:
            self._shares.discard(request.protocol)

    def _admits(self, handler: web.RequestHandler, network: bytes) -> bool:
        """Count a connection for `network`, unless that has as many as it may."""
        if self._shares.load(network) >= self._per_network:
            return False
        self._shares.add(handler, network)
        return True

    def _network(self, transport: asyncio.Transport) -> bytes | None:
        """Return the origin that a connection counts for; None for a trusted proxy's."""
        peer = transport.get_extra_info("peername")
        address = plain_address(peer[0]) if isinstance(peer, tuple) else None
        if address is not None and is_trusted(address, self._trusted):
            return None
        return origin(address)

    def _forwarded_network(self, request: web.BaseRequest) -> bytes | None:
        """Return the origin that a request counts for; None where its connection counts."""
        peer = peer_address(request)
        if peer is None or not is_trusted(peer, self._trusted):
            return None
        fields = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        return origin(client_address(peer, fields, self._trusted))


class WebServer:
    """Serves an application on one address and port during an `async with`.

    There is no access log, no `Server` header and no decompression of request bodies. Leaving the
    block stops accepting connections, waits up to `grace_s` for handlers, then cancels them.
    Handlers are *not* cancelled when their client goes away; `disconnected` tells them of it.
    """

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        grace_s: float = 2.0,
        connections: int = serverlimits.HTTP_CONNECTIONS,
        per_network: int = serverlimits.HTTP_CONNECTIONS_OF_NETWORK,
        trusted: Sequence[IPNetwork] = (),
    ) -> None:
        """With port 0 the system chooses a port, which the property `port` then has.

        A connection is aborted at once when its network already has `per_network` for each of its
        shares (`core.origin`). When there are more than `connections` in all, whoever has most for
        its shares loses its newest one. A connection of a `trusted` proxy counts, while a request
        is in progress, for the network that its X-Forwarded-For names.
        """
        self._host = host
        self._wanted_port = port
        self._tls = tls
        if _hide_server not in app.on_response_prepare:
            app.on_response_prepare.append(_hide_server)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=grace_s,
            keepalive_timeout=IDLE_TIMEOUT_S,
            lingering_time=LINGER_S,
            max_line_size=serverlimits.HTTP_FIELD_BYTES,
            max_field_size=serverlimits.HTTP_FIELD_BYTES,
            max_headers=serverlimits.HTTP_HEADERS,
            # A compressed body could unpack to more than the limit on its length allows.
            auto_decompress=False,
        )
        self._bounds = (connections, per_network, trusted)
        self._connections: _Connections | None = None
        self._site: web.TCPSite | None = None

    @property
    def port(self) -> int:
        """The port that the server listens on. Raises RuntimeError when it is not running."""
        if self._site is None:
            raise RuntimeError("the server is not running")
        return self._site.port

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError when the port cannot be opened."""
        for name in _SERVER_LOGGERS:
            logging.getLogger(name).addFilter(_withhold)
        await self._runner.setup()
        assert self._runner.server is not None  # set up
        connections, per_network, trusted = self._bounds
        most = min(connections, raise_file_limit() - serverlimits.FILES_KEPT)
        self._connections = _Connections(self._runner.server, most, per_network, trusted)
        site = web.TCPSite(
            self._runner,
            self._host,
            self._wanted_port,
            ssl_context=self._tls,
            backlog=serverlimits.HTTP_BACKLOG,
        )
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise cannot_listen(self._host, self._wanted_port, error) from error
        self._site = site
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._site = None
        await self._runner.cleanup()


async def disconnected(request: web.Request) -> None:
    """Return when the connection that brought `request` is lost.

    The connection is polled four times a second. aiohttp can tell a handler of a lost client only
    by cancelling it, and only for all handlers of a server; a WebSocket handler would then be
    cancelled during its clean-up.
    """
    while request.transport is not None:  # noqa: ASYNC110 (aiohttp has no event to wait for)
        await asyncio.sleep(DISCONNECT_POLL_S)


async def body_of(
    request: web.Request,
    *,
    most: int,
    within_s: float,
    wanted: Callable[[bytes | bytearray], bool] | None = None,
) -> bytes:
    """Return a request's body, read no further than `most` bytes and for `within_s` seconds.

    `wanted` is asked about what has come so far, and ends the reading when it returns false. Raises
    PeerError.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for part in request.content.iter_any():
                body += part
                if len(body) > most or (wanted is not None and not wanted(body)):
                    raise PeerError(LinkCode.LIMIT, "a body that nobody wants")
    except (TimeoutError, ConnectionError, web.RequestPayloadError) as error:
        raise PeerError(LinkCode.TIMEOUT, "a body cut short") from error
    return bytes(body)


def peer_address(request: web.BaseRequest) -> IPAddress | None:
    """Return the address at the other end of the connection that brought `request`.

    Returns None when the connection is lost already, or when it has no IP address. An IPv4-mapped
    IPv6 address is returned as IPv4.
    """
    return plain_address(request.remote or "")


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a TLS context for a server with this certificate chain and private key (PEM files).

    Raises ConfigError when the files cannot be read or do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # With a password given, OpenSSL does not ask for one at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ConfigError(
            f"The TLS certificate {certificate} and its key {key} cannot be used "
            f"({error.strerror or error}). Give PEM files that belong together: the whole chain "
            "with --tls-cert, its private key with --tls-key."
        ) from error
    return context


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


def _withhold(record: logging.LogRecord) -> bool:
    """Let a log record of aiohttp pass, but hide its values, which may be peers' addresses."""
    if isinstance(record.args, tuple):
        record.args = tuple(Sensitive(value) for value in record.args)
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = describe(record.exc_info[1])
        record.exc_info = None
    return True
