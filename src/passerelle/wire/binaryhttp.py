"""HTTP messages as bytes: Binary HTTP (RFC 9292), with QUIC's integers (RFC 9000 §16).

    message       framing (integer) ‖ control ‖ fields ‖ content ‖ trailers ‖ zeros
    framing       0 request, 1 response, both of known length; 2 request, 3 response, of any length
    control       request: method, scheme, authority, path, each `length ‖ bytes`
                  response: any number of `status 100–199 ‖ fields`, then the final status 200–599
    fields        framing 0, 1: length ‖ lines; framing 2, 3: lines ‖ 0; trailers are the same
    line          name length, at least 1 ‖ name ‖ value length ‖ value
    content       framing 0, 1: length ‖ bytes; framing 2, 3: any number of `length ‖ bytes` ‖ 0

A message may end wherever only empty parts would follow, and zeros behind it are padding
(RFC 9292 §3.8). Requests are padded to one of few sizes, so that their length says little.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.capsule import decode_integer, encode_integer

Fields = tuple[tuple[bytes, bytes], ...]
"""Names in lower case with their values, in the order of the message."""

LEAST_REQUEST_BYTES: Final = 512
"""The smallest padded size of a request; each further one is twice as large."""
END: Final = b"\x00\x00"
"""End of a response of any length, without trailers."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# Blanks at either end are no part of a value (RFC 9110 §5.5).
_VALUE = re.compile(rb"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")
_SCHEME = re.compile(rb"[a-z][a-z0-9+.-]*")
_AUTHORITY = re.compile(rb"[\x21-\x7e]*")
_PATH = re.compile(rb"(?:/[\x21-\x7e]*|\*)")


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `method`, `scheme`, `authority` and `path` are ASCII."""

    method: str
    scheme: str
    authority: str
    path: str
    fields: Fields = ()
    content: bytes = b""
    trailers: Fields = ()

    def __repr__(self) -> str:
        return "<request withheld>"


@dataclass(frozen=True, slots=True)
class Head:
    """The final status of a response, and its fields."""

    status: int
    fields: Fields


@dataclass(frozen=True, slots=True)
class Content:
    """The next bytes of a message's content; at least one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Trailers:
    """The end of a message, and the fields behind its content."""

    fields: Fields


Event = Request | Head | Content | Trailers
"""What a `Decoder` finds. A `Request` among them has neither content nor trailers yet."""


def encode_request(request: Request) -> bytes:
    """Return a request of known length, without padding."""
    control = (request.method, request.scheme, request.authority, request.path)
    return b"".join(
        (
            b"\x00",
            *(_prefixed(part.encode("ascii")) for part in control),
            _prefixed(_lines(request.fields)),
            _prefixed(request.content),
            _prefixed(_lines(request.trailers)),
        )
    )


def pad(message: bytes, least_bytes: int = LEAST_REQUEST_BYTES) -> bytes:
    """Return a message with zeros behind it, up to `least_bytes` times a power of two."""
    size = least_bytes
    while size < len(message):
        size *= 2
    return message.ljust(size, b"\x00")


def is_field(name: bytes, value: bytes) -> bool:
    """Tell whether HTTP allows a field, and so whoever decodes a message (RFC 9110 §5)."""
    return bool(_NAME.fullmatch(name) and _VALUE.fullmatch(value))


def encode_head(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the beginning of a response of any length."""
    return b"\x03" + encode_integer(status) + _lines(fields) + b"\x00"


def encode_content(data: bytes) -> bytes:
    """Return the next part of such a response's content; nothing for no bytes."""
    return _prefixed(data) if data else b""


def encode_end(trailers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Return the end of such a response."""
    return b"\x00" + _lines(trailers) + b"\x00"


def decode_request(message: bytes) -> Request:
    """Return the request that a message is. Raises PeerError(MALFORMED or LIMIT)."""
    decoder = Decoder(request=True)
    events = decoder.receive(message) + decoder.end()
    request, *content, trailers = events
    assert isinstance(request, Request)
    assert isinstance(trailers, Trailers)
    return Request(
        request.method,
        request.scheme,
        request.authority,
        request.path,
        request.fields,
        b"".join(part.data for part in content if isinstance(part, Content)),
        trailers.fields,
    )


class _State(enum.Enum):
    FRAMING = enum.auto()
    CONTROL = enum.auto()
    FIELDS = enum.auto()
    CONTENT = enum.auto()
    TRAILERS = enum.auto()
    PADDING = enum.auto()


_BOUNDARIES = (_State.FIELDS, _State.CONTENT, _State.TRAILERS)
"""Parts that a message may leave out at its end."""


class _ShortError(Exception):
    """More bytes must come first."""


class Decoder:
    """Decodes one message that arrives in chunks of any size.

    It holds one incomplete part: never content, and at most `limits.MESSAGE_FIELDS_BYTES` and a few
    bytes more.
    """

    def __init__(self, *, request: bool) -> None:
        """`request` says which kind of message is expected."""
        self._is_request = request
        self._buffer = bytearray()
        self._at = 0
        self._state = _State.FRAMING
        self._known = False
        """Whether parts have their length in front."""
        self._begun = False
        """Whether a part of any length has begun."""
        self._left = 0
        """Bytes still to come of the content, or of the present piece of it."""
        self._control: tuple[str, ...] = ()
        self._status = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._field_bytes = 0

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes, and return what they complete. Raises PeerError(MALFORMED or LIMIT)."""
        self._buffer += data
        found: list[Event] = []
        try:
            while True:
                self._at = 0
                event = self._step()
                del self._buffer[: self._at]
                if event is not None:
                    found.append(event)
        except _ShortError:
            return found

    def end(self) -> list[Event]:
        """Return what is left when no more bytes come: the last event is `Trailers`.

        Raises PeerError(MALFORMED) for a message that is cut off.
        """
        found: list[Event] = []
        while self._state is not _State.PADDING:
            if self._buffer or self._begun or self._left or self._state not in _BOUNDARIES:
                raise _malformed("a message is cut off")
            informational = self._state is _State.FIELDS and 0 < self._status < 200
            if informational:
                raise _malformed("a response without a final status")
            found += self.receive(b"\x00")
        return found

    def _step(self) -> Event | None:
        """Decode one part, and advance `_at` behind it. Raises _ShortError if it is incomplete."""
        match self._state:
            case _State.FRAMING:
                kind = self._integer()
                if kind not in ((0, 2) if self._is_request else (1, 3)):
                    raise _malformed("another kind of message")
                self._known = kind < 2
                self._state = _State.CONTROL
            case _State.CONTROL:
                if self._is_request:
                    self._control = self._request_control()
                else:
                    self._status = self._integer()
                    if not 100 <= self._status <= 599:
                        raise _malformed("a status that is none")
                self._state = _State.FIELDS
            case _State.FIELDS:
                if self._section():
                    return self._head()
            case _State.CONTENT:
                return self._content()
            case _State.TRAILERS:
                if self._section():
                    self._state = _State.PADDING
                    return Trailers(self._taken())
            case _State.PADDING:
                if not self._buffer:
                    raise _ShortError
                if self._buffer.strip(b"\x00"):
                    raise _malformed("bytes behind a message")
                self._at = len(self._buffer)
        return None

    def _request_control(self) -> tuple[str, ...]:
        control = []
        for pattern in (_TOKEN, _SCHEME, _AUTHORITY, _PATH):
            part = self._string(limits.MESSAGE_LINE_BYTES)
            if not pattern.fullmatch(part):
                raise _malformed("a request without a proper method, scheme, authority or path")
            control.append(part.decode("ascii"))
        return tuple(control)

    def _section(self) -> bool:
        """Take fields, and return whether the section is complete."""
        if self._known:
            size = self._integer()
            if size > limits.MESSAGE_FIELDS_BYTES:
                raise _too_much("fields")
            end = self._at + size
            if end > len(self._buffer):
                raise _ShortError
            while self._at < end:
                self._line(end)
            return True
        if self._at == len(self._buffer):
            raise _ShortError
        self._begun = self._buffer[self._at] != 0
        if not self._begun:
            self._at += 1
            return True
        self._line(None)
        return False

    def _line(self, end: int | None) -> None:
        """Take one field. It must end before `end`, if that is known."""
        try:
            name = self._string(limits.MESSAGE_LINE_BYTES)
            value = self._string(limits.MESSAGE_FIELDS_BYTES)
        except _ShortError:
            if end is None:
                raise
            raise _malformed("a field that is cut off") from None
        if end is not None and self._at > end:
            raise _malformed("a field beyond its section")
        if not is_field(name, value):
            raise _malformed("a field that HTTP does not allow")
        self._fields.append((name, value))
        self._field_bytes += len(name) + len(value)
        if len(self._fields) > limits.MESSAGE_FIELDS:
            raise _too_much("fields")
        if self._field_bytes > limits.MESSAGE_FIELDS_BYTES:
            raise _too_much("bytes in fields")

    def _head(self) -> Event | None:
        fields = self._taken()
        if self._is_request:
            self._state = _State.CONTENT
            method, scheme, authority, path = self._control
            return Request(method, scheme, authority, path, fields)
        if self._status < 200:
            self._state = _State.CONTROL
            return None
        self._state = _State.CONTENT
        return Head(self._status, fields)

    def _content(self) -> Event | None:
        if self._left == 0:
            self._left = self._integer()
            if self._left == 0:
                self._begun = False
                self._state = _State.TRAILERS
            else:
                self._begun = not self._known
            return None
        data = bytes(self._buffer[: self._left])
        if not data:
            raise _ShortError
        self._at = len(data)
        self._left -= len(data)
        if self._left == 0 and self._known:
            self._state = _State.TRAILERS
        return Content(data)

    def _taken(self) -> Fields:
        fields = tuple(self._fields)
        self._fields.clear()
        self._field_bytes = 0
        return fields

    def _integer(self) -> int:
        found = decode_integer(self._buffer, self._at)
        if found is None:
            raise _ShortError
        value, self._at = found
        return value

    def _string(self, most_bytes: int) -> bytes:
        size = self._integer()
        if size > most_bytes:
            raise _too_much("bytes in a line")
        end = self._at + size
        if end > len(self._buffer):
            raise _ShortError
        part = bytes(self._buffer[self._at : end])
        self._at = end
        return part


def _prefixed(data: bytes) -> bytes:
    return encode_integer(len(data)) + data


def _lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(_prefixed(name) + _prefixed(value) for name, value in fields)


def _malformed(what: str) -> PeerError:
    return PeerError(LinkCode.MALFORMED, what)


def _too_much(what: str) -> PeerError:
    return PeerError(LinkCode.LIMIT, f"too many {what} in an HTTP message")
