"""What `Streams` tells of the streams of a session."""

from __future__ import annotations

from dataclasses import dataclass, field

from passerelle.errors import Failure


@dataclass(frozen=True, slots=True)
class Requested:
    """At the exit: a client wants `host:port`."""

    stream: int
    host: str = field(repr=False)
    port: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class FlowRequested:
    """At the exit: a client wants to exchange datagrams with `host:port`."""

    stream: int
    host: str = field(repr=False)
    port: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """At the exit: a request that is not served was reset."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """The far side has said what it offers: `Streams.offers_flows` is known from now on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """At the client: the exit has connected."""

    stream: int


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes for the application. Give `size` to `consumed` when the application has taken them."""

    stream: int
    data: bytes = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The far side will send no more on this stream; the other direction stays open."""

    stream: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream is over, without a proper end."""

    stream: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Writable:
    """A window has opened: a stream that could not send may try again."""

    stream: int = 0
    """The stream that has the window; 0 is the window that all streams share."""


Event = (
    Requested | FlowRequested | Malformed | Greeted | Opened | Received | Ended | Failed | Writable
)
