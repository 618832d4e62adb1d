"""What a client reports to whoever watches it: a terminal, the demonstration, a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from passerelle.wire.signalling import NatClass


@dataclass(frozen=True, slots=True)
class PortOpen:
    """Applications can connect to the local port; nothing leads anywhere yet."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class NetworkLoaded:
    """The descriptor was fetched and its signature is good."""

    name: str


@dataclass(frozen=True, slots=True)
class NatFound:
    """The class of the NAT that the client is behind is known, or has changed."""

    nat: NatClass


@dataclass(frozen=True, slots=True)
class Searching:
    """The broker is being asked for volunteers."""


@dataclass(frozen=True, slots=True)
class NoVolunteer:
    """No volunteer is available; the client asks again."""

    retry_s: float
    """Seconds until then."""


@dataclass(frozen=True, slots=True)
class BrokerUnreachable:
    """No broker answers; the client tries again."""

    reason: str
    retry_s: float
    """Seconds until then."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The exit has welcomed a link."""

    link: int
    """The link's number."""
    steps: tuple[tuple[str, float], ...]
    """(name, seconds) of each step it took, in order."""
    media: bool = False
    """Whether downloads come over it as video."""
    server: str | None = None
    """Host of the server that it leads to without a volunteer; None through a volunteer."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A link ended, or could not be made."""

    link: int
    """The link's number."""
    reason: str


@dataclass(frozen=True, slots=True)
class HandshakesDropped:
    """Volunteers are reached, and the handshakes with them do not get through.

    Told of our own WebRTC stack only, whose DTLS can be told from a browser's; once until a link is
    up.
    """


@dataclass(frozen=True, slots=True)
class FamilyPresence:
    """Whether a volunteer of the invite's family helps; told when that changes."""

    helps: bool


Notice = (
    PortOpen
    | NetworkLoaded
    | NatFound
    | Searching
    | NoVolunteer
    | BrokerUnreachable
    | LinkUp
    | LinkDown
    | HandshakesDropped
    | FamilyPresence
)
Observe = Callable[[Notice], None]
