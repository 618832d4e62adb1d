"""Requests that applications make at the client's local port, in either proxy protocol."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

from passerelle.core.localport.httpexchange import HttpExchange
from passerelle.errors import Failure, PasserelleError


class Rejection(enum.Enum):
    """Why an application's request was refused before a stream began. Values are metric labels."""

    NOT_A_PROXY_REQUEST = "not_a_proxy_request"
    VERSION = "version"
    AUTHENTICATION = "authentication"
    WRONG_LOGIN = "wrong_login"
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

    After that, send the application what `accept` or `refuse` returns; once it is accepted, all
    bytes pass both ways unchanged. The repr shows neither destination nor bytes.
    """

    host: str = field(repr=False)
    """An IP literal without brackets, or a DNS name; checked by `core.address.host`."""
    port: int = field(repr=False)
    early: bytes = field(default=b"", repr=False)
    """The stream's first bytes, which the application sent without waiting for the answer."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Open a stream to a destination and send it the request `head`, then `early`.

    Afterwards pass what application and site send through `exchange`. The site's own response
    answers the application; `refuse` does if there is no stream.
    """

    host: str = field(repr=False)
    port: int = field(repr=False)
    head: bytes = field(repr=False)
    """The request's head as the site expects it, with the empty line at its end."""
    early: bytes = field(repr=False)
    """The beginning of the request's body."""
    exchange: HttpExchange = field(repr=False, compare=False)
    """Knows where request and response end."""


@dataclass(frozen=True, slots=True)
class Associate:
    """Relay datagrams (SOCKS5 UDP ASSOCIATE) for as long as the connection stays open."""

    port: int = field(repr=False)
    """The port that the application will send from; 0 if it does not know yet."""


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection once everything is sent; without a `Send` before it, at once."""

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
        """Take the next bytes, in chunks of any size, and return what to do.

        There may be many `Send` effects. Any other effect is the last one and comes only once.
        """

    def accept(self) -> bytes:
        """Return the bytes that tell the application that a `Connect`'s stream is open."""

    def refuse(self, failure: Failure) -> bytes:
        """Return the bytes that tell the application that its stream failed.

        The caller closes the connection after it has sent them.
        """
