"""What the servers of one network say to each other on their bus (`io/server/bus`).

Messages are MessagePack arrays in the order of the fields below. A server ignores subjects that it
does not know. Subjects begin with `passerelle.1.` and the network's name on the bus, `NETWORK`
below: 16 digits of the hexadecimal SHA-256 of the key that tickets are checked with, so that
networks may share a NATS server.

| subject | from → to | message |
|---|---|---|
| `NETWORK.place.CLASS` | broker → one of the group `brokers` | `PlaceOffer`; answer `OfferPlaced` |
| `NETWORK.complaint` | broker → all brokers | `Complaint` |
| `NETWORK.link` | exit → all brokers | `LinkOutcome` |
| `NETWORK.exit` | exit → all brokers, every few seconds | `ExitLoad` |
| `NETWORK.broker` | broker → all brokers, every few seconds | `BrokerTotals` |

CLASS is the client's NAT class: a broker listens for those classes that its free volunteers can
reach. Like a broker, the bus carries session descriptions and coarse networks of people, and stores
nothing. It belongs on a private network of the operator's.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import Description
from passerelle.wire.rendezvous import Answer, Miss, VolunteerHandle
from passerelle.wire.signalling import ExitId, NatClass

T = TypeVar("T")

Natural = Annotated[int, Meta(ge=0, lt=2**62)]
Amount = Annotated[float, Meta(ge=0)]
TicketId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Key = Annotated[bytes, Meta(max_length=32)]


class BusClientProfile(msgspec.Struct, frozen=True, array_like=True):
    """A `core.matching.peers.ClientProfile`: what matching knows of a client."""

    nat: NatClass
    site: Annotated[bytes, Meta(max_length=16)] | None
    country: Annotated[str, Meta(max_length=2)] | None
    asn: int | None
    key: Key | None
    most: Natural
    crowd: bool

    def __repr__(self) -> str:
        return "<client withheld>"


class PlaceOffer(msgspec.Struct, frozen=True, array_like=True):
    """A broker asks another one to place an offer on a volunteer of its own."""

    exit_id: ExitId
    offer: Description
    who: BusClientProfile
    lanes: Annotated[int, Meta(ge=0, le=3)]
    avoid: Annotated[tuple[VolunteerHandle, ...], Meta(max_length=limits.BUS_AVOIDED)]
    left_s: Annotated[float, Meta(gt=0, le=60)]
    """The broker that asks waits so long for an answer."""

    def __repr__(self) -> str:
        return "<offer withheld>"


class OfferPlaced(msgspec.Struct, frozen=True, array_like=True):
    """What became of a `PlaceOffer`."""

    result: Answer | Miss


class Complaint(msgspec.Struct, frozen=True, array_like=True):
    """A client found no way through a volunteer; the broker that has the volunteer takes note."""

    who: BusClientProfile
    volunteer: VolunteerHandle


class LinkOutcome(msgspec.Struct, frozen=True, array_like=True):
    """How a link did: an `exit.reports.LinkReport` for the broker that signed the link's ticket."""

    exit_id: ExitId
    ticket_id: TicketId
    joined: bool
    received_bytes: Natural
    sent_bytes: Natural
    duration_s: Amount
    rate_bytes_s: Amount
    rtt_s: Amount
    reason: LinkCode

    def __repr__(self) -> str:
        return "<link's outcome withheld>"


class ExitLoad(msgspec.Struct, frozen=True, array_like=True):
    """How busy an exit is."""

    exit_id: ExitId
    sessions: Natural
    links: Natural
    most_links: Natural
    """Links that the exit can hold at once."""
    draining: bool = False


class BrokerTotals(msgspec.Struct, frozen=True, array_like=True):
    """How many volunteers a broker has, for public display."""

    broker: Annotated[str, Meta(min_length=8, max_length=64)]
    """A name that the broker draws at its start."""
    volunteers: Natural
    available: Natural
    countries: Annotated[dict[Annotated[str, Meta(max_length=2)], Natural], Meta(max_length=300)]


Message = PlaceOffer | OfferPlaced | Complaint | LinkOutcome | ExitLoad | BrokerTotals

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Return `message` as bytes."""
    return _encoder.encode(message)


def decode(data: bytes, kind: type[T]) -> T:
    """Parse a message of one kind. Raises PeerError(MALFORMED)."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError(LinkCode.MALFORMED, f"a bad {kind.__name__} on the bus") from error


class Subjects:
    """The subjects of one network."""

    def __init__(self, ticket_key: Ed25519PublicKey) -> None:
        """`ticket_key` checks the tickets of the network's brokers."""
        name = hashlib.sha256(ticket_key.public_bytes_raw()).hexdigest()[:16]
        self._stem = f"passerelle.1.{name}"
        self.complaint = f"{self._stem}.complaint"
        self.link = f"{self._stem}.link"
        self.exit = f"{self._stem}.exit"
        self.broker = f"{self._stem}.broker"

    def place(self, nat: NatClass) -> str:
        """Return the subject of offers whose clients have one NAT class."""
        return f"{self._stem}.place.{nat.value}"
