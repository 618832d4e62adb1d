"""The server side of an HTTP/1.1 proxy (RFC 9110, RFC 9112), without I/O.

A connection that does not begin as a request to a proxy does is closed without an answer. Any web
page can have its browser send a request to this port, though never one in the form that proxies
take, and an answer would tell the page that this program runs.

The proxy takes two kinds of request. `CONNECT host:port` becomes a plain stream. The absolute form,
`GET http://host/path`, is sent to the site with its head rewritten, followed by its body.

h11 parses the request's head, because it is small, strict and well fuzzed, and httpx and uvicorn
rely on it. It accepts some things that a proxy must not (bare LF, folded lines, two kinds of body
length at once); this module itself refuses requests that have them.

Each request has its own stream, because an application's next one, on the same connection, may be
for another site. The head that goes to the site says `Connection: close`. `HttpExchange` knows
where request and response end.

The proxy adds no `Via` field, although RFC 9110 §7.6.3 asks for one: it would tell every site that
the reader uses this program.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

import h11

from passerelle.core.address.host import HostError, join_authority, split_authority, to_ascii
from passerelle.core.localport.httpbody import Body, Framing, MalformedBody
from passerelle.core.localport.httpexchange import HttpExchange
from passerelle.core.localport.httpfields import (
    CONTENT_LENGTH,
    FRAMING,
    TRANSFER_ENCODING,
    combined,
    end_to_end,
)
from passerelle.core.localport.httppage import error_page, failure_page
from passerelle.core.localport.httpresponse import Asked
from passerelle.core.localport.login import Login
from passerelle.core.localport.request import (
    BadRequest,
    CloseConnection,
    Connect,
    Effect,
    Forward,
    Rejection,
    Send,
)
from passerelle.errors import Failure
from passerelle.limits import PROXY_HEAD_BYTES

_END: Final = b"\r\n\r\n"
# Bare CR, bare LF, NUL and folded lines (RFC 9112 §2.2 and §5.2): parsers disagree about them all.
_ILLEGAL = re.compile(rb"\x00|(?<!\r)\n|\r[^\n]|\n[ \t]")
# Applications send paths with bytes that are not ASCII, and sites answer to them. h11 refuses them.
_REQUEST_LINE = re.compile(rb"([^ ]+) ([\x21-\x7e\x80-\xff]+) ([^ ]+)\r\n")
# A part after # is for the application alone (RFC 9110 §4.2.5), so it is left out.
_ABSOLUTE = re.compile(rb"([a-z][a-z0-9+.-]*)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}"
_SCHEME = rb"[A-Za-z][A-Za-z0-9+.-]{0,15}"
_TO_PROXY = re.compile(rb"CONNECT |%b %b://" % (_TOKEN, _SCHEME))
_MAY_BE_TO_PROXY = re.compile(rb"(%b( (%b(:/?)?)?)?)?" % (_TOKEN, _SCHEME))
_SECURE: Final = frozenset({b"https", b"wss"})
_CHALLENGE: Final = 'Proxy-Authenticate: Basic realm="proxy", charset="UTF-8"'

_NO_HTTPS: Final = (
    "A proxy must not read https pages, so they go through CONNECT. Set this address as the proxy "
    "for https too, or use it as a SOCKS5 proxy."
)


class HttpProxy:
    """The `Handshake` of one request; the next one on the same connection has its own."""

    def __init__(self, login: Login | None = None) -> None:
        """With a `login`, a request without it is answered with 407."""
        self._login = login
        self._is_to_proxy = False
        """Whether enough has come to know that it is a request to a proxy."""
        self._buffer = b""
        self._scanned = 0
        self._over = False
        self._method = b""

    def receive(self, data: bytes) -> list[Effect]:
        """See `Handshake.receive`. Raises RuntimeError when called after the last effect."""
        if self._over:
            raise RuntimeError("the request is complete")
        self._buffer += data
        if not self._scanned:
            # Some applications send an empty line before or behind a request (RFC 9112 §2.2).
            self._buffer = self._buffer.lstrip(b"\r\n")
        self._is_to_proxy = self._is_to_proxy or bool(_TO_PROXY.match(self._buffer))
        if not self._is_to_proxy:
            if _MAY_BE_TO_PROXY.fullmatch(self._buffer):
                return []
            self._over = True
            self._buffer = b""
            return [CloseConnection(Rejection.NOT_A_PROXY_REQUEST)]
        try:
            end = self._find_end()
            if end is None:
                return []
            self._over = True
            return [self._read_head(self._buffer[:end], self._buffer[end:])]
        except BadRequest as error:
            self._over = True
            fields = (
                (_CHALLENGE,) if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else ()
            )
            page = error_page(error.status, error.text, method=self._method, fields=fields)
            return [Send(page), CloseConnection(error.reason)]
        finally:
            if self._over:
                self._buffer = b""

    def accept(self) -> bytes:
        """See `Handshake.accept`."""
        return b"HTTP/1.1 200 Connection established\r\n\r\n"

    def refuse(self, failure: Failure) -> bytes:
        """See `Handshake.refuse`."""
        return failure_page(failure, self._method)

    def _find_end(self) -> int | None:
        # Start a few bytes back: the head's end, or an illegal pair of bytes, may be split between
        # this chunk and the one before.
        start = max(0, self._scanned - len(_END) + 1)
        at = self._buffer.find(_END, start, PROXY_HEAD_BYTES)
        end = at + len(_END) if at >= 0 else None
        if _ILLEGAL.search(self._buffer, start, min(len(self._buffer), end or PROXY_HEAD_BYTES)):
            raise _malformed("The request has a line that does not end as HTTP lines do.")
        if end is None and len(self._buffer) >= PROXY_HEAD_BYTES:
            raise BadRequest(
                Rejection.HEAD_TOO_LARGE,
                431,
                f"The request's head is larger than {PROXY_HEAD_BYTES // 1024} KiB. "
                "Delete this site's cookies, then try again.",
            )
        self._scanned = len(self._buffer)
        return end

    def _read_head(self, head: bytes, rest: bytes) -> Connect | Forward:
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise _malformed("The request does not begin with a method, an address and a version.")
        method, target, version = line.groups()
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=PROXY_HEAD_BYTES)
        # h11 checks everything but the target, in whose place it gets another.
        http.receive_data(b"%b * %b\r\n%b" % (method, version, head[line.end() :]))
        try:
            request = http.next_event()
        except h11.RemoteProtocolError:
            raise _malformed("The request is not well-formed HTTP.") from None
        # For a complete head h11 returns a Request and nothing else.
        assert isinstance(request, h11.Request)
        self._method = method
        if self._login is not None:
            _check_login(request, self._login)
        _check_framing(request)
        if method == b"CONNECT":
            return _connect(request, target, rest)
        return _forward(request, target, rest)


def _connect(request: h11.Request, target: bytes, rest: bytes) -> Connect:
    # CONNECT has no content (RFC 9110 §9.3.6). With a length, the first bytes of the stream
    # could be taken for a body.
    if not _content(request).complete:
        raise _malformed("A CONNECT request has no body.")
    host, port = _destination(target, None)
    return Connect(host, port, rest)


def _forward(request: h11.Request, target: bytes, rest: bytes) -> Forward:
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise _malformed("The address is not a whole one, such as http://example.com/.")
    scheme, authority, path = absolute.groups()
    if scheme.lower() not in {b"http", b"ws"}:
        text = _NO_HTTPS if scheme.lower() in _SECURE else "Only http addresses fit here."
        raise BadRequest(Rejection.SCHEME, 400, text)
    host, port = _destination(authority, 80)
    asked = Asked(request.method, request.http_version == b"1.0", _upgrade(request))
    head = _origin_head(request, _origin_target(request.method, path), host, port, asked.upgrade)
    exchange = HttpExchange(asked, _content(request), keeps=_keeps(request))
    try:
        early = exchange.send(rest)
    except MalformedBody:
        raise _malformed("The request's body is not well-formed HTTP.") from None
    return Forward(host, port, head, early, exchange)


def _malformed(text: str) -> BadRequest:
    return BadRequest(Rejection.MALFORMED, 400, text)


def _check_login(request: h11.Request, login: Login) -> None:
    """Raise BadRequest unless the request has the login, in one field."""
    given = [value for name, value in request.headers if name == b"proxy-authorization"]
    if len(given) == 1 and login.admits_basic(given[0]):
        return
    # Browsers send the first request without it, and ask their user when that is refused.
    raise BadRequest(
        Rejection.WRONG_LOGIN if given else Rejection.AUTHENTICATION,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        "This proxy wants a name and a password. Ask the person who runs it for them.",
    )


def _check_framing(request: h11.Request) -> None:
    """Raise BadRequest if two parsers could read different lengths or sites from the request."""
    names = {name for name, _ in request.headers}
    if request.http_version not in (b"1.0", b"1.1"):
        raise BadRequest(Rejection.VERSION, 400, "Only HTTP/1.1 and HTTP/1.0 fit here.")
    if b"transfer-encoding" in names and (
        # RFC 9112 §6.1, the last two paragraphs.
        b"content-length" in names or request.http_version == b"1.0"
    ):
        raise _malformed("The request gives its length in two ways.")
    if combined(request.headers, b"connection") & FRAMING:
        raise _malformed("The request hides a field that it cannot do without.")


def _content(request: h11.Request) -> Body:
    """Return the framing of the request's content. h11 has checked both fields."""
    fields = tuple(request.headers)
    if combined(fields, TRANSFER_ENCODING):
        return Body(Framing.CHUNKED)
    lengths = combined(fields, CONTENT_LENGTH)
    return Body(Framing.LENGTH, int(lengths.pop()) if lengths else 0)


def _keeps(request: h11.Request) -> bool:
    """Return whether the application wants its connection kept (RFC 9112 §9.3).

    HTTP/1.0 applications may ask for that too, and get an answer that ends with the connection.
    """
    fields = tuple(request.headers)
    options = combined(fields, b"connection") | combined(fields, b"proxy-connection")
    return request.http_version == b"1.1" and b"close" not in options


def _upgrade(request: h11.Request) -> bytes:
    """Return the value of `Upgrade` to pass on (RFC 9110 §7.8): `websocket`, or nothing.

    The only other upgrade used over plain HTTP is h2c, which has been used to smuggle requests
    past proxies, so it is dropped.
    """
    if b"upgrade" not in combined(request.headers, b"connection"):
        return b""
    asked = b", ".join(value for name, value in request.headers if name == b"upgrade")
    return asked if asked.lower() == b"websocket" else b""


def _destination(authority: bytes, default_port: int | None) -> tuple[str, int]:
    if b"@" in authority:
        # RFC 9110 §4.2.4 asks for an error: such addresses are used to deceive.
        raise BadRequest(
            Rejection.DESTINATION,
            400,
            "The address has a user name before the host. Leave it out; the site will ask for it.",
        )
    try:
        return split_authority(to_ascii(authority.decode(errors="replace")), default_port)
    except HostError:
        raise BadRequest(
            Rejection.DESTINATION, 400, "The address is not a host and port. Check its spelling."
        ) from None


def _origin_target(method: bytes, path: bytes) -> bytes:
    """Return the target in origin form (RFC 9112 §3.2.1), or `*` for OPTIONS (§3.2.4)."""
    if not path and method == b"OPTIONS":
        return b"*"
    return path if path.startswith(b"/") else b"/" + path


def _origin_head(
    request: h11.Request, target: bytes, host: str, port: int, upgrade: bytes
) -> bytes:
    # Keep the application's HTTP version: a site must not send an HTTP/1.0 application what that
    # version does not know.
    lines = [b"%b %b HTTP/%b" % (request.method, target, request.http_version)]
    # The target decides, not the Host field that came with it (RFC 9112 §3.2.2).
    authority = join_authority(host, port).removesuffix(":80")
    lines.append(b"Host: " + authority.encode("ascii"))
    fields = tuple(request.headers.raw_items())
    lines += [name + b": " + value for name, value in end_to_end(fields) if name.lower() != b"host"]
    if combined(fields, TRANSFER_ENCODING):
        lines.append(b"Transfer-Encoding: chunked")
    if upgrade:
        lines += [b"Connection: Upgrade", b"Upgrade: " + upgrade]
    else:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + _END
