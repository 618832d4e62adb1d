"""HTTP servers: aiohttp behind limits that suit a server which anybody may talk to."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web, web_response

from passerelle import limits
from passerelle.errors import ConfigError, LocalError, Sensitive
from passerelle.io.tasks import describe

IDLE_TIMEOUT_S = 30.0
"""A connection that has not brought a whole request head for so long is closed."""
LINGER_S = 2.0
"""How long what is left of a refused request's body is read and thrown away."""
DISCONNECT_POLL_S = 0.25

_SERVER_LOGGERS = ("aiohttp.server", "aiohttp.web", "aiohttp.websocket", "aiohttp.internal")

# What cannot be parsed is answered outside every application, past `_hide_server`, and would name
# aiohttp's and Python's versions; there is no public switch.
web_response.SERVER_SOFTWARE = ""  # type: ignore[attr-defined]

_LISTEN_FAULTS = {
    errno.EADDRINUSE: "another program is using it. Stop that program, or choose another port",
    errno.EACCES: "this account may not open it. Choose a port above 1023, or run with the "
    "permission to bind low ports",
    errno.EADDRNOTAVAIL: "this machine does not have that address. Check the listening address",
}


def application() -> web.Application:
    """Return an empty application whose request bodies are bounded."""
    return web.Application(client_max_size=limits.HTTP_BODY_BYTES)


class WebServer:
    """Serve an application on one address and port for the length of an `async with`.

    No access log, no `Server` header, no decompression of request bodies. Leaving stops
    accepting, waits up to `grace_s` for handlers, then cancels them. Handlers are *not*
    cancelled when their client goes away: see `disconnected`.
    """

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        grace_s: float = 2.0,
    ) -> None:
        """Port 0 lets the system choose; `port` then tells."""
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
            max_line_size=limits.HTTP_FIELD_BYTES,
            max_field_size=limits.HTTP_FIELD_BYTES,
            max_headers=limits.HTTP_HEADERS,
            # A compressed body could unpack to more than its length announces.
            auto_decompress=False,
        )
        self._site: web.TCPSite | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._site is None:
            raise RuntimeError("the server is not running")
        return self._site.port

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError, with a sentence for a person, when that is impossible."""
        for name in _SERVER_LOGGERS:
            logging.getLogger(name).addFilter(_withhold)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self._host,
            self._wanted_port,
            ssl_context=self._tls,
            backlog=limits.HTTP_BACKLOG,
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

    It looks four times a second: aiohttp tells a handler of a lost client only by cancelling it,
    for all handlers of a server or none, and WebSocket handlers would be cancelled in the midst
    of their clean-up.
    """
    while request.transport is not None:  # noqa: ASYNC110 (there is nothing to wait for)
        await asyncio.sleep(DISCONNECT_POLL_S)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the settings to serve TLS with. Raises ConfigError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ConfigError(
            f"The TLS certificate {certificate} and its key {key} cannot be used "
            f"({error.strerror or error}). Give PEM files that belong together: the whole chain "
            "with --tls-cert, its private key with --tls-key."
        ) from error
    return context


def cannot_listen(host: str, port: int, error: OSError) -> LocalError:
    """Return the error for a person whose `host` and `port` could not be listened on."""
    if isinstance(error, socket.gaierror):
        fault = "the host name is not known here. Check the listening address"
    else:
        # asyncio words the error anew and keeps only its number.
        fault = _LISTEN_FAULTS.get(
            error.errno or 0, f"{error.strerror}. Choose another address or port"
        )
    return LocalError(f"Port {port} on {host or 'every address'} cannot be opened: {fault}.")


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


def _withhold(record: logging.LogRecord) -> bool:
    """Keep what aiohttp logs about requests, without the peers' addresses in it."""
    if isinstance(record.args, tuple):
        record.args = tuple(Sensitive(value) for value in record.args)
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = describe(record.exc_info[1])
        record.exc_info = None
    return True
