"""Datagrams between an application and the client after UDP ASSOCIATE (RFC 1928 §7), without I/O.

    00 00 fragment type address port payload…

`fragment` must be 0: reassembly is optional in the RFC, and no known application asks for it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from passerelle.core.address.host import HostError, parse_host
from passerelle.core.localport.socks5 import Incomplete, Reader, encode_destination


class Drop(enum.Enum):
    """Why a datagram went no further. Values are metric labels."""

    MALFORMED = "malformed"
    FRAGMENT = "fragment"
    DESTINATION = "destination"
    """A name that is none, a port that is 0."""
    STRANGER = "stranger"
    """From another address than the application's."""
    FLOWS = "flows"
    """Too many destinations at once."""
    CLOSED = "closed"
    """Its destination was refused, or is being given up."""
    QUEUE = "queue"
    """More than the way takes."""


@dataclass(frozen=True, slots=True)
class AssociatePacket:
    """One datagram of an application."""

    host: str = field(repr=False)
    """As in `core.localport.request.Connect`."""
    port: int = field(repr=False)
    payload: bytes = field(repr=False)


def decode(datagram: bytes) -> AssociatePacket | Drop:
    """Return what an application sends and where to, or why that cannot be told."""
    reader = Reader(datagram)
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
        host = str(parse_host(host))
    except HostError:
        return Drop.DESTINATION
    return AssociatePacket(host, port, reader.rest()) if port else Drop.DESTINATION


def header(host: str, port: int) -> bytes:
    """Return what stands before each payload from `host` and `port`.

    Both are checked as in `AssociatePacket`.
    """
    return b"\0\0\0" + encode_destination(parse_host(host), port)
