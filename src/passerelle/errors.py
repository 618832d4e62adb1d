"""The errors that Passerelle raises on purpose, split by whose fault they are.

PasserelleError
├── ConfigError      what a person wrote (an option, a file, an invite) is wrong
├── LocalError       this machine cannot do it (port taken, no browser, no network)
├── PeerError        a peer broke the protocol; carries the code its link is closed with
├── LinkLost         a link ended; the session goes on over its other links
│   ├── LinkRefused  the exit did not want the link
│   └── EngineLost   this machine's WebRTC ended, and all links with it
└── StreamFailed     one proxied stream could not be opened or went away; carries a `Failure`

The tree has the errors of this module. Another module may derive a narrower one from these, where
its callers have to tell it apart; the others catch it as what it derives from.

A message for a person says what happened, why, and what to do next.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class Sensitive(Generic[T]):
    """A value that must never reach a log: an address, destination, SDP, ticket or payload.

    `repr`, `str` and `format` show only the type; `reveal()` gives the value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value; the caller must not log it."""
        return self._value

    def __repr__(self) -> str:
        return f"<{type(self._value).__name__} withheld>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sensitive) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Sensitive, self._value))


class LinkCode(enum.IntEnum):
    """Why a link was refused or closed, as `REFUSED` and `CLOSE` frames say it.

    `wire.websocket` has the close codes that stand for them.
    """

    NORMAL = 0
    MALFORMED = 1
    """A frame or message cannot be parsed."""
    UNEXPECTED = 2
    """A well-formed frame came at the wrong moment."""
    VERSION = 3
    """This side does not speak the protocol version."""
    TICKET = 4
    """A ticket is missing, expired, was used before, or is for another exit."""
    UNKNOWN_SESSION = 5
    """The session that a client wants to resume does not exist here, or not any more."""
    FLOW = 6
    """Bytes came beyond the window, or an acknowledgement of bytes that were never sent."""
    LIMIT = 7
    """A length, count or rate is beyond its limit."""
    TIMEOUT = 8
    """The peer did not answer in time."""
    DRAINING = 9
    """This side is going away, and another link must be used."""
    INTERNAL = 10
    """This side has a fault."""
    IDENTITY = 11
    """The far end's key is not the one the network's descriptor names."""
    TRANSPORT = 12
    """The pipe under the link broke, or somebody in the middle altered bytes."""


class Failure(enum.Enum):
    """Why a stream failed. Values are proxy error types of RFC 9209 §2.3 where one fits."""

    POLICY = "destination_ip_prohibited"
    UNREACHABLE = "destination_ip_unroutable"
    PORT_CLOSED = "connection_refused"
    DNS = "dns_error"
    TIMEOUT = "connection_timeout"
    LIMIT = "connection_limit_reached"
    NO_VOLUNTEER = "no_volunteer"
    NO_BROKER = "no_broker"
    SESSION_LOST = "connection_terminated"
    NO_DATAGRAMS = "datagrams_not_offered"
    INTERNAL = "proxy_internal_error"


@dataclass(frozen=True, slots=True)
class FailureReport:
    """How one `Failure` is told to an application and to a person."""

    socks_reply: int
    """Reply code of SOCKS5 (RFC 1928 §6)."""
    http_status: int
    """Status of the HTTP proxy's answer."""
    sentence: str
    """What happened and what to do next, for a person."""


FAILURES: dict[Failure, FailureReport] = {
    Failure.POLICY: FailureReport(
        0x02,
        403,
        "The exit does not go there. Exits serve what their operator has opened: usually the web's "
        "own ports, never private or local networks, sometimes one site only.",
    ),
    Failure.UNREACHABLE: FailureReport(
        0x04, 502, "The exit found no way to this site. It may be down; try again later."
    ),
    Failure.PORT_CLOSED: FailureReport(
        0x05, 502, "The site refused the connection on this port. Check the port in the address."
    ),
    Failure.DNS: FailureReport(
        0x04, 502, "The exit could not find this site's name. Check its spelling."
    ),
    Failure.TIMEOUT: FailureReport(
        0x04, 504, "The site did not answer the exit in time. It may be down; try again later."
    ),
    Failure.LIMIT: FailureReport(
        0x01,
        503,
        "More connections are wanted at once than the exit carries for one reader. Close some, or "
        "try again in a few seconds.",
    ),
    Failure.NO_VOLUNTEER: FailureReport(
        0x01,
        503,
        "No volunteer is available right now. The client keeps asking; try again in a minute.",
    ),
    Failure.NO_BROKER: FailureReport(
        0x03,
        503,
        "The network's servers do not answer. This computer may be offline, or they may be blocked "
        "here. The client keeps trying; where it never succeeds, the command `friend` needs no "
        "server.",
    ),
    Failure.SESSION_LOST: FailureReport(
        0x01,
        502,
        "The way through the volunteers was lost. The client is looking for another; try again.",
    ),
    Failure.NO_DATAGRAMS: FailureReport(
        0x07,
        501,
        "This network's exit carries no UDP. Use the application's TCP mode, or ask the operator "
        "to open UDP ports.",
    ),
    Failure.INTERNAL: FailureReport(
        0x01, 502, "Something went wrong inside the proxy. Try again; if it stays, report it."
    ),
}


class PasserelleError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(PasserelleError):
    """What a person wrote (an option, a file, an invite) is wrong."""


class LocalError(PasserelleError):
    """This machine cannot do what was asked."""


class PeerError(PasserelleError):
    """A peer broke the protocol. `code` is what its link is closed with."""

    def __init__(self, code: LinkCode, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} ({self.code.name.lower()})"


class LinkLost(PasserelleError):
    """A link ended with `code`."""

    def __init__(self, code: LinkCode, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} ({self.code.name.lower()})"


class LinkRefused(LinkLost):
    """The exit answered a HELLO with REFUSED: it can be reached, but does not want the link."""


class EngineLost(LinkLost):
    """The process that makes links ended. The volunteers have done their part."""


class StreamFailed(PasserelleError):
    """One stream failed. `failure` says why; `FAILURES` says it to applications and people."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return FAILURES[self.failure].sentence
