"""Datagrams between an application and the client after UDP ASSOCIATE (RFC 1928 §7), without I/O.

    00 00 fragment type address port payload…

`fragment` must be 0: reassembly is optional in the RFC, and no known application asks for it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from passerelle.core.address.host import HostError, parse_host, to_ascii
from passerelle.core.localport.socks5 import ByteReader, Incomplete, encode_destination


class Drop(enum.Enum):
    """Why a datagram was dropped. Values are metric labels."""

    MALFORMED = "malformed"
    FRAGMENT = "fragment"
    DESTINATION = "destination"
    """The host name is malformed, or the port is 0."""
    STRANGER = "stranger"
    """The datagram came from another address than the application's."""
    FLOWS = "flows"
    """The application has flows to too many destinations at once."""
    CLOSED = "closed"
    """The exit refused the destination, or the flow to it is closing."""
    QUEUE = "queue"
    """The flow's queue is full: datagrams come faster than the links carry them."""


@dataclass(frozen=True, slots=True)
class AssociatePacket:
    """One datagram of an application."""

    host: str = field(repr=False)
    """An IP literal without brackets, or a DNS name; checked by `core.address.host`."""
    port: int = field(repr=False)
    payload: bytes = field(repr=False)


def decode(datagram: bytes) -> AssociatePacket | Drop:
    """Return an application's datagram with its destination, or why it must be dropped."""
    reader = ByteReader(datagram)
    try:
        reserved, fragment = reader.take(2), reader.byte()
        host, port = reader.host(), reader.port()
    except Incomplete:
        return Drop.MALFORMED
    if host is None or reserved != b"\0\0":
        return Drop.MALFORMED
    if fragment:
        return Drop.FRAGMENT
    try:
        host = str(parse_host(to_ascii(host)))
    except HostError:
        return Drop.DESTINATION
    return AssociatePacket(host, port, reader.rest()) if port else Drop.DESTINATION


def header(host: str, port: int) -> bytes:
    """Return the header of every datagram to the application that comes from `host` and `port`.

    Raises HostError if `host` is neither an IP literal nor a DNS name.
    """
    return b"\0\0\0" + encode_destination(parse_host(host), port)
