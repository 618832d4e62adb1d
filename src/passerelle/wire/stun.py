"""STUN binding messages (RFC 8489), with what tells how a NAT behaves (RFC 5780).

    type u16 ‖ length u16 ‖ 0x2112A442 ‖ transaction (12) ‖ attributes
    attribute: type u16 ‖ length u16 ‖ value, padded to 4

| attribute | value |
|---|---|
| 0x0003 CHANGE-REQUEST | flags u32: 4 answer from the other address, 2 from the other port |
| 0x0009 ERROR-CODE | 0 u16, class u8, number u8, reason |
| 0x000A UNKNOWN-ATTRIBUTES | types, u16 each |
| 0x0020 XOR-MAPPED-ADDRESS | 0 u8, family u8, port ^ cookie, address ^ (cookie ‖ transaction) |
| 0x802B RESPONSE-ORIGIN | 0 u8, family u8, port u16, address |
| 0x802C OTHER-ADDRESS | 0 u8, family u8, port u16, address |
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple, assert_never

from passerelle import serverlimits
from passerelle.errors import LinkCode, PeerError

DEFAULT_PORT: Final = 3478
"""The port of a STUN server whose URL names none (RFC 7064 §3.2)."""
TRANSACTION_BYTES: Final = 12

_COOKIE = 0x2112A442
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_ADDRESS = struct.Struct("!xBH")
_FLAGS = struct.Struct("!I")
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
_CHANGE_REQUEST = 0x0003
_ERROR_CODE, _UNKNOWN_ATTRIBUTES = 0x0009, 0x000A
_XOR_MAPPED_ADDRESS = 0x0020
_RESPONSE_ORIGIN, _OTHER_ADDRESS = 0x802B, 0x802C
_OPTIONAL = 0x8000
"""First attribute that may be skipped by a program that does not know it (RFC 8489 §14)."""
_CHANGE_ADDRESS, _CHANGE_PORT = 4, 2
_FAMILIES = {4: 1, 6: 2}
_SIZES = {1: 4, 2: 16}
_UNKNOWN_ATTRIBUTE = 420
_REASON = b"Unknown Attribute"


class Endpoint(NamedTuple):
    """An address and a UDP port. Its `repr` withholds both."""

    address: IPv4Address | IPv6Address
    port: int

    def __repr__(self) -> str:
        return "<endpoint withheld>"


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A client asks from which address and port its datagram came."""

    transaction: bytes
    change_address: bool = False
    """Whether the server is to answer from its other address."""
    change_port: bool = False
    """Whether the server is to answer from its other port."""
    unknown: tuple[int, ...] = ()
    """Attributes of a received request that this code would have to know and does not."""


@dataclass(frozen=True, slots=True)
class BindingResponse:
    """The server's answer: the request came from `mapped`."""

    transaction: bytes
    mapped: Endpoint
    origin: Endpoint | None = None
    """Address and port from which the answer was sent."""
    other: Endpoint | None = None
    """The server's other address and port, from which CHANGE-REQUEST has it answer."""


@dataclass(frozen=True, slots=True)
class BindingError:
    """The server cannot answer the request."""

    transaction: bytes
    unknown: tuple[int, ...] = ()
    """Attributes that were not understood. `decode` does not fill it."""


Message = BindingRequest | BindingResponse | BindingError


def encode(message: Message) -> bytes:
    """Return `message` as one datagram."""
    match message:
        case BindingRequest():
            flags = _CHANGE_ADDRESS * message.change_address + _CHANGE_PORT * message.change_port
            body = _attribute(_CHANGE_REQUEST, _FLAGS.pack(flags)) if flags else b""
            return _message(_REQUEST, message.transaction, body)
        case BindingResponse():
            mapped = _mask(_pack(message.mapped), message.transaction)
            body = _attribute(_XOR_MAPPED_ADDRESS, mapped)
            if message.origin is not None:
                body += _attribute(_RESPONSE_ORIGIN, _pack(message.origin))
            if message.other is not None:
                body += _attribute(_OTHER_ADDRESS, _pack(message.other))
            return _message(_SUCCESS, message.transaction, body)
        case BindingError():
            code = struct.pack("!HBB", 0, *divmod(_UNKNOWN_ATTRIBUTE, 100)) + _REASON
            kinds = struct.pack(f"!{len(message.unknown)}H", *message.unknown)
            body = _attribute(_ERROR_CODE, code) + _attribute(_UNKNOWN_ATTRIBUTES, kinds)
            return _message(_ERROR, message.transaction, body)
        case _:
            assert_never(message)


def decode(datagram: bytes) -> Message:
    """Parse one datagram. Raises PeerError(MALFORMED or LIMIT)."""
    if len(datagram) > serverlimits.STUN_BYTES:
        raise PeerError(LinkCode.LIMIT, "a STUN message too large")
    if len(datagram) < _HEADER.size:
        raise _malformed()
    kind, length, cookie, transaction = _HEADER.unpack_from(datagram)
    if cookie != _COOKIE or length != len(datagram) - _HEADER.size or length % 4:
        raise _malformed()
    attributes: dict[int, bytes] = {}
    for name, value in _attributes(datagram):
        attributes.setdefault(name, value)  # the first of several counts (RFC 8489 §14)
    if kind == _REQUEST:
        return _request(transaction, attributes)
    if kind == _SUCCESS:
        return _response(transaction, attributes)
    if kind == _ERROR:
        return BindingError(transaction)
    raise _malformed()


def _request(transaction: bytes, attributes: dict[int, bytes]) -> BindingRequest:
    flags = 0
    if (change := attributes.get(_CHANGE_REQUEST)) is not None:
        if len(change) != _FLAGS.size:
            raise _malformed()
        (flags,) = _FLAGS.unpack(change)
    unknown = (name for name in attributes if name < _OPTIONAL and name != _CHANGE_REQUEST)
    return BindingRequest(
        transaction,
        bool(flags & _CHANGE_ADDRESS),
        bool(flags & _CHANGE_PORT),
        tuple(unknown)[: serverlimits.STUN_UNKNOWN],
    )


def _response(transaction: bytes, attributes: dict[int, bytes]) -> BindingResponse:
    if _XOR_MAPPED_ADDRESS not in attributes:
        raise _malformed()
    mapped = _unpack(_mask(attributes[_XOR_MAPPED_ADDRESS], transaction))
    origin, other = (
        _unpack(attributes[name]) if name in attributes else None
        for name in (_RESPONSE_ORIGIN, _OTHER_ADDRESS)
    )
    return BindingResponse(transaction, mapped, origin, other)


def _attributes(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    at = _HEADER.size
    while at < len(datagram):
        # The datagram's length and each step are multiples of four, so a head always fits.
        name, size = _ATTRIBUTE.unpack_from(datagram, at)
        at += _ATTRIBUTE.size
        if at + size > len(datagram):
            raise _malformed()
        yield name, datagram[at : at + size]
        at += size + -size % 4


def _attribute(name: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, body: bytes) -> bytes:
    return _HEADER.pack(kind, len(body), _COOKIE, transaction) + body


def _pack(endpoint: Endpoint) -> bytes:
    address, port = endpoint
    return _ADDRESS.pack(_FAMILIES[address.version], port) + address.packed


def _unpack(value: bytes) -> Endpoint:
    if len(value) < _ADDRESS.size:
        raise _malformed()
    family, port = _ADDRESS.unpack_from(value)
    packed = value[_ADDRESS.size :]
    if len(packed) != _SIZES.get(family):
        raise _malformed()
    return Endpoint(ip_address(packed), port)


def _mask(value: bytes, transaction: bytes) -> bytes:
    """Return a packed endpoint with port and address XORed; twice is as before (RFC 8489 §14.2)."""
    key = struct.pack("!xxHI12s", _COOKIE >> 16, _COOKIE, transaction)
    size = len(value)
    return (int.from_bytes(value) ^ int.from_bytes(key[:size])).to_bytes(size)


def _malformed() -> PeerError:
    return PeerError(LinkCode.MALFORMED, "a malformed STUN message")
