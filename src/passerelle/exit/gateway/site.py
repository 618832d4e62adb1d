"""The publisher's site, as a gateway asks it: named hosts, HTTPS, and the exit's connection policy.

A name is judged before it is looked up, and each address before it is dialled. Redirects are not
followed: the reader's page does that, by a request of its own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from passerelle import limits
from passerelle.core.address.host import HostError, join_authority, parse_host, split_authority
from passerelle.core.address.policy import ConnectionPolicy, DestinationRefused
from passerelle.core.gateway.freshness import OWN_PREFIX
from passerelle.errors import ConfigError, StreamFailed
from passerelle.exit.gateway.refusals import FAILURES, Refusal, RequestRefused
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.io.net.dial import vetted
from passerelle.io.net.dns import Resolve
from passerelle.wire.binaryhttp import Fields, Request, is_field

METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""
PAUSE_S: Final = 0.005
"""Time without a byte after which the site counts as pausing: packets come closer together."""
_PORTS: Final = {"https": 443, "http": 80}
_HOP_FIELDS: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
"""Fields about one connection (RFC 9110 §7.6.1)."""
_REQUEST_DROPPED: Final = _HOP_FIELDS | frozenset(
    b"host content-length expect date forwarded via proxy client-ip true-client-ip x-client-ip "
    b"x-cluster-client-ip x-host x-original-host x-original-url x-real-ip x-rewrite-url".split()
)
"""Fields that say who asks, or for what, in place of the connection and the address: sites believe
them, because only a server in front of theirs should send them."""
_REQUEST_PREFIXES: Final = (OWN_PREFIX, b"x-forwarded-", b"cf-")
_ANSWER_DROPPED: Final = _HOP_FIELDS | {b"proxy-status", b"alt-svc"}
_AUTOMATIC: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
"""Fields that aiohttp would add by itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    url: URL

    def __str__(self) -> str:
        return str(self.url)

    def __repr__(self) -> str:
        return "<target withheld>"


@dataclass(slots=True)
class SiteAnswer:
    """An answer that has begun. Its content is read as fast as it is taken."""

    status: int
    fields: Fields = field(repr=False)
    _response: aiohttp.ClientResponse = field(repr=False)
    _left_bytes: int
    _until_s: float
    """When it is broken off, in the event loop's time."""

    @property
    def size(self) -> int | None:
        """Bytes of its content, if the site has said so."""
        return self._response.content_length

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the next bytes, whatever has come; none of them when the site pauses.

        Raises RequestRefused where the answer breaks off, is too long or takes too long.
        """
        stream = self._response.content
        clock = asyncio.get_running_loop().time
        try:
            while not stream.at_eof():
                data = stream.read_nowait()
                if not data:
                    await asyncio.sleep(PAUSE_S)
                    data = stream.read_nowait()
                if not data:
                    yield b""
                    async with asyncio.timeout_at(self._until_s):
                        data = await stream.readany()
                self._left_bytes -= len(data)
                if self._left_bytes < 0 or clock() > self._until_s:
                    raise RequestRefused(Refusal.GARBLED)
                if data:
                    yield data
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise RequestRefused(Refusal.UNREACHABLE) from None

    def close(self) -> None:
        """Give the connection up, or back if everything was read. Idempotent."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Site:
    """The publisher's servers. Close it in the end."""

    def __init__(
        self, policy: ConnectionPolicy, resolve: Resolve, settings: GatewaySettings
    ) -> None:
        """`policy` is in site mode. Raises ConfigError for authorities that cannot be read."""
        self._policy = policy
        self._settings = settings
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Vetted(policy, resolve),
                limit=settings.site_connections,
                use_dns_cache=False,
                ssl=_context(settings.roots),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_AUTOMATIC,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=settings.site_s,
                sock_connect=limits.DIAL_TIMEOUT_S,
                sock_read=settings.site_s,
            ),
            max_line_size=limits.MESSAGE_LINE_BYTES,
            max_field_size=limits.MESSAGE_FIELDS_BYTES,
        )

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await self._http.close()

    def target(self, request: Request) -> Target:
        """Return where a request goes. Raises RequestRefused (METHOD, NAME)."""
        if request.method not in METHODS:
            raise RequestRefused(Refusal.METHOD)
        if request.scheme not in _PORTS or not request.path.startswith("/"):
            raise RequestRefused(Refusal.MALFORMED)
        if request.scheme == "http" and not self._settings.plain_http:
            raise RequestRefused(Refusal.NAME)
        try:
            host, port = split_authority(request.authority, _PORTS[request.scheme])
            parsed = parse_host(host)
        except HostError:
            raise RequestRefused(Refusal.NAME) from None
        if self._policy.decide_port(port) or self._policy.decide_host(parsed):
            raise RequestRefused(Refusal.NAME)
        where = host if port == _PORTS[request.scheme] else join_authority(host, port)
        return Target(URL(f"{request.scheme}://{where}{request.path}", encoded=True))

    async def ask(self, target: Target, request: Request) -> SiteAnswer:
        """Send a request, and return its answer as soon as that begins.

        Raises RequestRefused. Cancelling gives the connection up.
        """
        began_s = asyncio.get_running_loop().time()
        try:
            # A site can send interim answers without end, and a connection may be waited for.
            async with asyncio.timeout(2 * self._settings.site_s):
                response = await self._http.request(
                    request.method,
                    target.url,
                    headers=_outward(request.fields),
                    data=request.content or None,
                    allow_redirects=False,
                )
        except DestinationRefused:
            raise RequestRefused(Refusal.NAME) from None
        except StreamFailed as error:
            refusal = FAILURES.get(error.failure, Refusal.UNREACHABLE)
            raise RequestRefused(refusal) from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise RequestRefused(Refusal.CERTIFICATE) from None
        except TimeoutError:
            raise RequestRefused(Refusal.TIMEOUT) from None
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            raise RequestRefused(Refusal.GARBLED) from None
        except (aiohttp.ClientError, OSError):
            raise RequestRefused(Refusal.UNREACHABLE) from None
        except (ValueError, UnicodeError):
            # aiohttp itself refuses what its writer must not send.
            raise RequestRefused(Refusal.MALFORMED) from None
        fields = _inward(response)
        if fields is None or not 200 <= response.status <= 599:
            response.close()
            raise RequestRefused(Refusal.GARBLED)
        until_s = began_s + self._settings.exchange_s
        return SiteAnswer(response.status, fields, response, self._settings.answer_bytes, until_s)


class _Vetted(AbstractResolver):
    """Gives aiohttp only addresses that the exit's policy allows."""

    def __init__(self, policy: ConnectionPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await vetted(host, port, policy=self._policy, resolve=self._resolve)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found[: limits.DIAL_ADDRESSES]
        ]

    async def close(self) -> None:
        """Do nothing: whoever gave the function closes what is behind it."""


def _context(roots: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=roots)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"gateway.roots names {roots}, which holds no certificates that can be read. It wants "
            "a PEM file of the authorities that vouch for the site."
        ) from error


def _outward(fields: Fields) -> list[tuple[str, str]]:
    """Return what the site is told of a reader's request. Raises RequestRefused(MALFORMED)."""
    dropped = _connection_names(fields) | _REQUEST_DROPPED
    try:
        return [
            (name.decode("ascii"), value.decode("utf-8"))
            for name, value in fields
            # Many programs take an underscore for a hyphen, and so one field for another.
            if name not in dropped and not name.startswith(_REQUEST_PREFIXES) and b"_" not in name
        ]
    except UnicodeDecodeError:
        raise RequestRefused(Refusal.MALFORMED) from None


def _inward(response: aiohttp.ClientResponse) -> Fields | None:
    """Return what a reader is told of the site's answer; None if it is too much."""
    raw = tuple((name.lower(), value.strip()) for name, value in response.raw_headers)
    named = _connection_names(raw)
    kept = tuple(
        (name, value)
        for name, value in raw
        if name not in _ANSWER_DROPPED
        and name not in named
        and not name.startswith(OWN_PREFIX)
        # aiohttp lets through what HTTP does not allow, which a reader's page takes for altered.
        and is_field(name, value)
    )
    size = sum(len(name) + len(value) for name, value in kept)
    too_much = len(kept) > limits.MESSAGE_FIELDS or size > limits.MESSAGE_FIELDS_BYTES
    return None if too_much else kept


def _connection_names(fields: Fields) -> frozenset[bytes]:
    return frozenset(
        each.strip().lower()
        for name, value in fields
        if name == b"connection"
        for each in value.split(b",")
    )
