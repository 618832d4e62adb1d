"""The answer of a site to one request, made fit for the application, without I/O.

The head is parsed by this module and not by h11, because sites send much that h11 refuses and that
browsers read (bare LF, folded lines, blanks before a colon). RFC 9112 tells a proxy how to set such
a head right: it does not go on as it came. Where the content ends must be beyond doubt: an answer
with two lengths, or with a length that is no number, is refused (RFC 9112 §6.3). Otherwise a
site could send bytes that an application takes for another site's answer on the same connection.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Final

from passerelle.core.localport.httpbody import Body, Framing, MalformedBody
from passerelle.core.localport.httpfields import (
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    Fields,
    combined,
    end_to_end,
)
from passerelle.errors import PasserelleError
from passerelle.limits import PROXY_RESPONSE_HEAD_BYTES

_END = re.compile(rb"\n\r?\n")
_STARTS: Final = (b"HTTP/", b"ICY ")
"""Radio stations answer `ICY 200 OK`, and players and browsers take that for HTTP."""
_LONGEST_START: Final = max(map(len, _STARTS))
_STATUS_LINE = re.compile(rb"(?:HTTP/[0-9]\.[0-9]|ICY) +([1-9][0-9]{2})(?:[ \t]+(.*))?")
_FOLD = re.compile(rb"\r?\n[ \t]+")
# Blanks before the colon must be taken off by a proxy (RFC 9112 §5.1).
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
_FORBIDDEN = re.compile(rb"[\0\r]")
_LENGTH = re.compile(rb"[0-9]{1,18}")


class ResponseFault(enum.Enum):
    """Why an answer cannot be passed on. Values are proxy error types of RFC 9209 §2.3."""

    NOT_HTTP = "http_protocol_error"
    HEAD_TOO_LARGE = "http_response_header_section_size"
    INCOMPLETE = "http_response_incomplete"


class BadResponse(PasserelleError):
    """A site broke HTTP, or ended its answer too early."""

    def __init__(self, fault: ResponseFault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer depends on in its request."""

    method: bytes = b"GET"
    http_1_0: bool = False
    """The application knows neither chunks nor interim answers."""
    upgrade: bytes = b""
    """The protocol that the request asked to go on in; empty without one."""


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    reason: bytes = field(repr=False)
    fields: Fields = field(repr=False)


class HttpResponse:
    """Takes a site's bytes in any chunks, and returns those for the application."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._buffer = b""
        self._scanned = 0
        self._body: Body | None = None
        self.switched = False
        """Whether site and application go on in another protocol, in which all bytes pass."""
        self.ends_by_close = False
        """Whether only the end of the connection tells the application where the answer ends."""

    @property
    def begun(self) -> bool:
        """Whether the head of the answer itself, not of an interim one, has been passed on."""
        return self.switched or self._body is not None

    @property
    def complete(self) -> bool:
        """Whether all of the answer has come."""
        return self._body is not None and self._body.complete

    def receive(self, data: bytes, *, closes: bool) -> bytes:
        """Return what goes to the application. Bytes behind the answer are dropped.

        `closes` says whether the application's connection is closed after the answer, whatever the
        answer is. Raises BadResponse.
        """
        if self.switched:
            return data
        if self._body is not None:
            return self._receive_body(self._body, data)
        self._buffer += data
        heads = b""
        while not self.begun and (head := self._next_head()) is not None:
            heads += self._pass_head(head, closes=closes)
        if not self.begun:
            return heads
        rest, self._buffer = self._buffer, b""
        return heads + self.receive(rest, closes=closes)

    def receive_end(self) -> None:
        """Take the end of the site's connection. Raises BadResponse if the answer is incomplete."""
        if self.switched:
            return
        if self._body is None:
            raise BadResponse(ResponseFault.INCOMPLETE)
        try:
            self._body.receive_end()
        except MalformedBody:
            raise BadResponse(ResponseFault.INCOMPLETE) from None

    def _receive_body(self, body: Body, data: bytes) -> bytes:
        try:
            return body.receive(data)
        except MalformedBody:
            raise BadResponse(ResponseFault.NOT_HTTP) from None

    def _next_head(self) -> _Head | None:
        if self._scanned < _LONGEST_START:
            self._buffer = self._buffer.lstrip(b"\r\n")
            # Do not wait for the end of what is not HTTP: it may never come.
            if not any(self._buffer[: len(each)] == each[: len(self._buffer)] for each in _STARTS):
                raise BadResponse(ResponseFault.NOT_HTTP)
        end = _END.search(self._buffer, max(0, self._scanned - 2), PROXY_RESPONSE_HEAD_BYTES)
        if end is None:
            if len(self._buffer) >= PROXY_RESPONSE_HEAD_BYTES:
                raise BadResponse(ResponseFault.HEAD_TOO_LARGE)
            self._scanned = len(self._buffer)
            return None
        head, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
        self._scanned = 0
        return _parse_head(head)

    def _pass_head(self, head: _Head, *, closes: bool) -> bytes:
        if head.status == 101:
            return self._switch(head)
        if head.status < 200:
            fields = [each for each in end_to_end(head.fields) if each[0].lower() != CONTENT_LENGTH]
            return b"" if self._asked.http_1_0 else _head_bytes(head, fields)
        framing, length = _framing(head.fields)
        fields = [each for each in end_to_end(head.fields) if each[0].lower() != CONTENT_LENGTH]
        if framing is Framing.LENGTH and head.status != 204:
            fields.append((b"Content-Length", b"%d" % length))
        if self._asked.method == b"HEAD" or head.status in {204, 304}:
            self._body = Body(Framing.LENGTH)
        else:
            write_chunks = not self._asked.http_1_0
            self._body = Body(framing, length, write_chunks=write_chunks)
            if framing is Framing.CHUNKED and write_chunks:
                fields.append((b"Transfer-Encoding", b"chunked"))
            else:
                self.ends_by_close = framing is not Framing.LENGTH
        if closes or self.ends_by_close:
            fields.append((b"Connection", b"close"))
        return _head_bytes(head, fields)

    def _switch(self, head: _Head) -> bytes:
        if not self._asked.upgrade:
            raise BadResponse(ResponseFault.NOT_HTTP)
        self.switched = True
        upgrade = [(b"Connection", b"Upgrade"), (b"Upgrade", self._asked.upgrade)]
        return _head_bytes(head, [*end_to_end(head.fields), *upgrade])


def _parse_head(head: bytes) -> _Head:
    # A proxy must replace a fold by blanks (RFC 9112 §5.2), and NUL and CR too (RFC 9110 §5.5).
    first, *lines = (line.removesuffix(b"\r") for line in _FOLD.sub(b" ", head).split(b"\n"))
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise BadResponse(ResponseFault.NOT_HTTP)
    status, reason = int(status_line[1]), status_line[2] or b""
    # Browsers pass over a line that is no field. Nothing is left of it that a parser could misread.
    found = [each for line in lines if (each := _FIELD.fullmatch(line))]
    fields = tuple((each[1], _FORBIDDEN.sub(b" ", each[2]).strip(b" \t")) for each in found)
    return _Head(status, _FORBIDDEN.sub(b" ", reason), fields)


def _framing(fields: Fields) -> tuple[Framing, int]:
    """Return how the content's end is told, and its length (RFC 9112 §6.3). Raises BadResponse."""
    codings = combined(fields, TRANSFER_ENCODING) - {b"identity"}
    lengths = combined(fields, CONTENT_LENGTH)
    if codings:
        if codings != {b"chunked"} or lengths:
            raise BadResponse(ResponseFault.NOT_HTTP)
        return Framing.CHUNKED, 0
    if not lengths:
        return Framing.CLOSE, 0
    # The same length twice is one length.
    if len(lengths) > 1 or not _LENGTH.fullmatch(text := lengths.pop()):
        raise BadResponse(ResponseFault.NOT_HTTP)
    return Framing.LENGTH, int(text)


def _head_bytes(head: _Head, fields: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    lines += [name + b": " + value for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"
