"""What an application asks of the client's local port, whichever proxy protocol it speaks."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

from passerelle.errors import Failure, PasserelleError


class Rejection(enum.Enum):
    """Why an application's request was turned down before any stream. Values are metric labels."""

    NOT_A_PROXY_REQUEST = "not_a_proxy_request"
    VERSION = "version"
    AUTHENTICATION = "authentication"
    COMMAND = "command"
    DESTINATION = "destination"
    MALFORMED = "malformed"
    HEAD_TOO_LARGE = "head_too_large"
    SCHEME = "scheme"


@dataclass(frozen=True, slots=True)
class Send:
    """Send `data` to the application."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a stream to a destination.

    Then send the application what `accept` or `refuse` returns, and pass what it sends through
    `forward`. Destination and bytes are kept out of the repr.
    """

    host: str = field(repr=False)
    """An IP literal without brackets, or a DNS name; checked by `core.address.host`."""
    port: int = field(repr=False)
    early: bytes = field(default=b"", repr=False)
    """First bytes for the stream: what the application sent behind its request without waiting."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Open a stream to a destination and send it the request `head`, then `early`.

    Like `Connect` otherwise; the site's own answer is the application's answer.
    """

    host: str = field(repr=False)
    port: int = field(repr=False)
    head: bytes = field(repr=False)
    """The request's head as the site expects it, with its empty line."""
    early: bytes = field(default=b"", repr=False)
    """The beginning of the request's body."""


@dataclass(frozen=True, slots=True)
class Associate:
    """Relay datagrams (SOCKS5 UDP ASSOCIATE) for as long as the connection stays open."""

    port: int = field(repr=False)
    """The application will send from this port; 0: it does not know yet."""


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection once everything is sent."""

    reason: Rejection


Effect = Send | Connect | Forward | Associate | CloseConnection


class BadRequest(PasserelleError):
    """An application broke its proxy protocol; `text` says how, for a person."""

    def __init__(self, reason: Rejection, status: int, text: str) -> None:
        super().__init__(reason, status, text)
        self.reason = reason
        self.status = status
        """HTTP status code of the answer."""
        self.text = text

    def __str__(self) -> str:
        return self.text


class Handshake(Protocol):
    """A proxy protocol's server side, for one connection."""

    def receive(self, data: bytes) -> list[Effect]:
        """Take bytes in any chunking. Every effect but `Send` comes last, and only once."""

    def accept(self) -> bytes:
        """Return what tells the application that its stream is open."""

    def refuse(self, failure: Failure) -> bytes:
        """Return what tells the application that its stream failed; close after sending it."""

    def forward(self, data: bytes) -> bytes:
        """Return the part of `data`, read after the request, that belongs to the stream.

        Raise `BadRequest` if the application breaks its own framing; reset the stream then.
        """
