"""The server side of an HTTP/1.1 proxy (RFC 9110, RFC 9112), without I/O.

The proxy takes two kinds of request. `CONNECT host:port` becomes a plain stream. The absolute form,
`GET http://host/path`, is sent to the site with its head rewritten, followed by its body.

h11 parses heads and body framing, because it is small, strict and well fuzzed, and httpx and
uvicorn rely on it. It accepts some things that a proxy must not (bare LF, folded lines, two kinds
of body length at once); this module itself refuses requests that have them.

Each connection carries one request: the head that goes to the site says `Connection: close`, and
bytes after the body are dropped. An application may send its next request, for another site, on
the same connection. To read that request, the proxy would have to parse the site's answers too; to
pass it on unread would tell one site about another. Opening another connection costs an
application nothing.

The proxy adds no `Via` field, although RFC 9110 §7.6.3 asks for one: it would tell every site that
the reader uses this program.
"""

from __future__ import annotations

import html
import re
from http import HTTPStatus
from typing import Final

import h11

from passerelle.core.address.host import HostError, join_authority, split_authority
from passerelle.core.localport.request import (
    BadRequest,
    CloseConnection,
    Connect,
    Effect,
    Forward,
    Rejection,
    Send,
)
from passerelle.errors import FAILURES, Failure
from passerelle.limits import PROXY_HEAD_BYTES

_END: Final = b"\r\n\r\n"
# Bare CR, bare LF, NUL and folded lines (RFC 9112 §2.2 and §5.2): parsers disagree about them all.
_ILLEGAL = re.compile(rb"\x00|(?<!\r)\n|\r[^\n]|\n[ \t]")
_ABSOLUTE = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([^#]*)", re.IGNORECASE)
# Fields that are for one hop only: those of RFC 9110 §7.6.1, and of proxy authentication (§11.7).
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
# The proxy drops the fields that `Connection` names. To drop these would change where the message
# ends or goes, so a request that names them is refused.
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"host"})

_TITLES: Final = {
    400: "This request cannot be passed on",
    403: "The exit does not connect there",
    431: "This request is too large",
    502: "This site could not be reached",
    501: "Not carried here",
    503: "Not connected at the moment",
    504: "This site did not answer in time",
}
_NOT_FOR_PROXY: Final = (
    "This port is a proxy, not a web site. Enter its address and port as the HTTP or SOCKS5 proxy "
    "in your browser's network settings, then open the page you want."
)
_NO_HTTPS: Final = (
    "A proxy must not read https pages, so they go through CONNECT. Set this address as the proxy "
    "for https too, or use it as a SOCKS5 proxy."
)
_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1em}}
:root{{color-scheme:light dark}}small{{opacity:.7}}</style></head>
<body><h1>{title}</h1><p>{text}</p><p><small>Passerelle, error {status}</small></p></body></html>
"""


def error_response(
    status: int, title: str, text: str, *, body: bool = True, fields: tuple[str, ...] = ()
) -> bytes:
    """Return a whole response with a small error page that loads nothing from anywhere.

    `title` and `text` are plain text. `body=False` leaves the page out, as HEAD requires.
    """
    page = _PAGE.format(title=html.escape(title), text=html.escape(text), status=status).encode()
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(page)}",
        # The browser shows this page under the site's own origin, so it must not run any script
        # there or stay in the cache.
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "Cache-Control: no-store",
        *fields,
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + _END + (page if body else b"")


class HttpProxy:
    """The `Handshake` of one connection: it reads one request, then the request's body."""

    def __init__(self) -> None:
        self._buffer = b""
        self._scanned = 0
        self._over = False
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=PROXY_HEAD_BYTES)
        self._method = b""
        self._chunked = False
        self._raw = False

    def receive(self, data: bytes) -> list[Effect]:
        """See `Handshake.receive`. Raises RuntimeError when called after the last effect."""
        if self._over:
            raise RuntimeError("the request is complete")
        self._buffer += data
        try:
            end = self._find_end()
            if end is None:
                return []
            self._over = True
            return [self._read_head(self._buffer[:end], self._buffer[end:])]
        except BadRequest as error:
            self._over = True
            return [Send(self._error(error.status, error.text)), CloseConnection(error.reason)]
        finally:
            if self._over:
                self._buffer = b""

    def accept(self) -> bytes:
        """See `Handshake.accept`. Empty for the absolute form, where the site itself answers."""
        if self._method == b"CONNECT":
            return b"HTTP/1.1 200 Connection established\r\n\r\n"
        return b""

    def refuse(self, failure: Failure) -> bytes:
        """See `Handshake.refuse`. The `Proxy-Status` field names the failure (RFC 9209)."""
        report = FAILURES[failure]
        status = f"Proxy-Status: passerelle; error={failure.value}"
        return self._error(report.http_status, report.sentence, status)

    def forward(self, data: bytes) -> bytes:
        """See `Handshake.forward`. Returns nothing once the body is complete."""
        if self._raw:
            return data
        if self._http.their_state is not h11.SEND_BODY:
            return b""
        return self._read_body(data)

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
        self._http.receive_data(head)
        try:
            request = self._http.next_event()
        except h11.RemoteProtocolError:
            raise _malformed("The request is not well-formed HTTP.") from None
        # For a complete head h11 returns a Request and nothing else.
        assert isinstance(request, h11.Request)
        self._method = request.method
        _check_framing(request)
        target = request.target.decode("ascii")
        if request.method == b"CONNECT":
            return self._connect(request, target, rest)
        return self._forward_request(request, target, rest)

    def _connect(self, request: h11.Request, target: str, rest: bytes) -> Connect:
        # CONNECT has no content (RFC 9110 §9.3.6). With a length, the first bytes of the stream
        # could be taken for a body.
        if any(
            name == b"transfer-encoding" or (name == b"content-length" and int(value))
            for name, value in request.headers
        ):
            raise _malformed("A CONNECT request has no body.")
        self._raw = True
        host, port = _destination(target, None)
        return Connect(host, port, rest)

    def _forward_request(self, request: h11.Request, target: str, rest: bytes) -> Forward:
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise BadRequest(Rejection.NOT_A_PROXY_REQUEST, 400, _NOT_FOR_PROXY)
        scheme, authority, path = absolute.groups()
        if scheme.lower() != "http":
            text = _NO_HTTPS if scheme.lower() == "https" else "Only http addresses fit here."
            raise BadRequest(Rejection.SCHEME, 400, text)
        host, port = _destination(authority, 80)
        self._chunked = any(name == b"transfer-encoding" for name, _ in request.headers)
        upgrade = _upgrade(request)
        head = _origin_head(request, _origin_target(request.method, path), host, port, upgrade)
        early = self._read_body(rest)
        if upgrade and self._http.their_state is not h11.SEND_BODY:
            # Bytes after a complete upgrade request already belong to the new protocol.
            self._raw = True
            early += self._http.trailing_data[0]
        return Forward(host, port, head, early)

    def _read_body(self, data: bytes) -> bytes:
        """Return the part of `data` that is body, in new chunks without extensions or trailers."""
        parts: list[bytes] = []
        if data:  # h11 takes empty input for the end of the connection
            self._http.receive_data(data)
        try:
            # Stop at the body's end: what h11 returns for later bytes depends on the head.
            while isinstance(event := self._http.next_event(), h11.Data):
                piece = bytes(event.data)
                parts.append(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
            if self._chunked and isinstance(event, h11.EndOfMessage):
                parts.append(b"0\r\n\r\n")
        except h11.RemoteProtocolError:
            raise _malformed("The request's body is not well-formed HTTP.") from None
        return b"".join(parts)

    def _error(self, status: int, text: str, *fields: str) -> bytes:
        title = _TITLES[status]
        return error_response(status, title, text, body=self._method != b"HEAD", fields=fields)


def _malformed(text: str) -> BadRequest:
    return BadRequest(Rejection.MALFORMED, 400, text)


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
    if _connection_options(request) & _FRAMING:
        raise _malformed("The request hides a field that it cannot do without.")


def _connection_options(request: h11.Request) -> frozenset[bytes]:
    return frozenset(
        option.strip().lower()
        for name, value in request.headers
        if name == b"connection"
        for option in value.split(b",")
    )


def _upgrade(request: h11.Request) -> bytes:
    """Return the value of `Upgrade` to pass on (RFC 9110 §7.8): `websocket`, or nothing.

    The only other upgrade used over plain HTTP is h2c, which has been used to smuggle requests
    past proxies, so it is dropped.
    """
    if b"upgrade" not in _connection_options(request):
        return b""
    asked = b", ".join(value for name, value in request.headers if name == b"upgrade")
    return asked if asked.lower() == b"websocket" else b""


def _destination(authority: str, default_port: int | None) -> tuple[str, int]:
    try:
        return split_authority(authority, default_port)
    except HostError:
        # A user name before the host is an error, too (RFC 9110 §4.2.4).
        raise BadRequest(
            Rejection.DESTINATION, 400, "The address is not a host and port. Check its spelling."
        ) from None


def _origin_target(method: bytes, path: str) -> bytes:
    """Return the target in origin form (RFC 9112 §3.2.1), or `*` for OPTIONS (§3.2.4)."""
    if not path and method == b"OPTIONS":
        return b"*"
    return (path if path.startswith("/") else "/" + path).encode("ascii")


def _origin_head(
    request: h11.Request, target: bytes, host: str, port: int, upgrade: bytes
) -> bytes:
    # Keep the application's HTTP version: the site's answer reaches the application unchanged, so
    # the site must frame it for that version.
    lines = [b"%b %b HTTP/%b" % (request.method, target, request.http_version)]
    # The target decides, not the Host field that came with it (RFC 9112 §3.2.2).
    authority = join_authority(host, port).removesuffix(":80")
    lines.append(b"Host: " + authority.encode("ascii"))
    dropped = _HOP_BY_HOP | _connection_options(request) | {b"host"}
    lines += [
        name + b": " + value
        for name, value in request.headers.raw_items()
        if name.lower() not in dropped
    ]
    if upgrade:
        lines += [b"Connection: Upgrade", b"Upgrade: " + upgrade]
    else:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + _END
