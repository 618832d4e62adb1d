"""What the servers of one network say to each other on their bus (`io/server/bus`).

Messages are MessagePack arrays in the order of the fields below. A member of the bus is a peer:
what brokers say is sealed (`wire.bus_seal`), what exits say is signed (`wire.bus_signature`), and
every field has bounds. A server ignores subjects that it does not know. Subjects begin with
`passerelle.2.` and the network's name on the bus, `NETWORK` below: 16 digits of the hexadecimal
SHA-256 of the key that tickets are checked with, so that networks may share a NATS server. Whoever
changes a message changes the number: versions that differ in it do not hear each other.

| subject | from → to | message | how |
|---|---|---|---|
| `NETWORK.place.CLASS` | broker → one of group `brokers` | `PlaceOffer`; `OfferPlaced` | sealed |
| `NETWORK.family.DIGEST` | broker → one of group `brokers` | the same | sealed |
| `NETWORK.complaint` | broker → all brokers | `Complaint` | sealed |
| `NETWORK.broker` | broker → all brokers, every few seconds | `BrokerTotals` | sealed |
| `NETWORK.question` | broker → all brokers | `CountsQuestion` | sealed |
| `NETWORK.counts` | broker → all brokers, of which one asked | `CountsAnswer` | sealed |
| `NETWORK.link` | exit → all brokers | `LinkOutcome` | signed |
| `NETWORK.exit` | exit → all brokers, every few seconds | `ExitLoad` | signed |

CLASS is the client's NAT class: a broker listens for those classes that its free volunteers can
reach. DIGEST is 16 hexadecimal digits of the SHA-256 of a family's tag (`wire.family`): a broker
with free volunteers of that family listens there, and places the offer on one of them. Like a
broker, the bus carries session descriptions and coarse networks of people, and stores nothing. It
belongs on a private network of the operator's.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from passerelle import limits, serverlimits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import Description
from passerelle.wire.rendezvous import Answer, Miss, VolunteerHandle
from passerelle.wire.signalling import Country, ExitId, NatClass

T = TypeVar("T")

Count = Annotated[int, Meta(ge=0, le=serverlimits.BUS_COUNT)]
ByteCount = Annotated[int, Meta(ge=0, le=serverlimits.BUS_LINK_BYTES)]
Rate = Annotated[float, Meta(ge=0, le=serverlimits.BUS_LINK_BYTES)]
Seconds = Annotated[float, Meta(ge=0, le=serverlimits.BUS_LINK_S)]
"""Both bounds are there for all numbers, because infinity keeps one of them; NaN keeps neither."""
UnixTime = Annotated[float, Meta(ge=0, lt=2**48)]
TicketId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Key = Annotated[bytes, Meta(max_length=32)]
BrokerName = Annotated[str, Meta(pattern=r"^[0-9a-z-]{8,64}\Z")]
"""A name that a broker draws at its start."""
QuestionNumber = Annotated[bytes, Meta(min_length=16, max_length=16)]
"""A number that a broker draws for one question, so that no answer fits another one."""


class BusClientProfile(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A `core.matching.peers.ClientProfile`: what matching knows of a client."""

    nat: NatClass
    site: Annotated[bytes, Meta(min_length=3, max_length=6)] | None
    country: Country | None
    asn: Annotated[int, Meta(ge=0, lt=2**48)] | None
    key: Key
    """Never absent: whoever is not known shares one key, so that nobody is without a limit."""
    most: Annotated[int, Meta(ge=0, le=limits.TOKEN_VOLUNTEERS)]
    crowd: bool

    def __repr__(self) -> str:
        return "<client withheld>"


class PlaceOffer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A broker asks another one to place an offer on a volunteer of its own."""

    exit_id: ExitId
    offer: Description
    who: BusClientProfile
    lanes: Annotated[int, Meta(ge=0, le=limits.LANES - 1)]
    avoid: Annotated[tuple[VolunteerHandle, ...], Meta(max_length=serverlimits.BUS_AVOIDED)]
    left_s: Annotated[float, Meta(gt=0, le=serverlimits.BUS_PLACE_S)]
    """The broker that asks waits so long for an answer."""
    gateway: bool = False
    last_resort: bool = False
    """Whether a volunteer that failed the client lately is better than none."""

    def __repr__(self) -> str:
        return "<offer withheld>"


class OfferPlaced(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What became of a `PlaceOffer`."""

    result: Answer | Miss


class Complaint(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A client found no way through a volunteer; the broker that has the volunteer takes note."""

    broker: BrokerName
    """The broker that the client told."""
    who: BusClientProfile
    volunteer: VolunteerHandle


class LinkOutcome(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How a link did: an `exit.reports.LinkReport` for the broker that signed the link's ticket."""

    exit_id: ExitId
    ticket_id: TicketId
    joined: bool
    received_bytes: ByteCount
    sent_bytes: ByteCount
    duration_s: Seconds
    rate_bytes_s: Rate
    rtt_s: Seconds
    reason: LinkCode

    def __repr__(self) -> str:
        return "<link's outcome withheld>"


class ExitLoad(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How busy an exit is."""

    exit_id: ExitId
    time_s: UnixTime
    """When the exit says so. Of two words the later one counts, in whatever order they arrive."""
    sessions: Count
    links: Count
    most_links: Count
    """Links that the exit can hold at once."""
    draining: bool = False


class BrokerTotals(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How many volunteers a broker has, for public display."""

    broker: BrokerName
    volunteers: Count
    available: Count
    countries: Annotated[dict[Country, Count], Meta(max_length=300)]


class CountsQuestion(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A broker asks what the others counted of one publisher, or of the whole network."""

    broker: BrokerName
    number: QuestionNumber
    publisher: Annotated[str, Meta(max_length=serverlimits.PAGE_ORIGIN_CHARS)]
    """The publisher's name (`wire.publishers`), empty for the whole network."""

    def __repr__(self) -> str:
        return "<question withheld>"


class BusHour(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a broker counted in one hour: a `core.tally.HourCounts`."""

    hour: Annotated[int, Meta(ge=0, lt=2**32)]
    """Its number since 1970."""
    volunteers: Count
    helped: Count
    carried_bytes: ByteCount


class CountsAnswer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a broker counted, for the one that asked: a `core.tally.Counted`."""

    broker: BrokerName
    """The broker that answers."""
    number: QuestionNumber
    """The number of the question."""
    volunteers: Count
    hours: Annotated[tuple[BusHour, ...], Meta(max_length=serverlimits.COUNTED_HOURS)]
    countries: Annotated[dict[Country, Count], Meta(max_length=serverlimits.COUNTED_COUNTRIES)]
    unknown: Count
    """Readers in other countries or in unknown ones."""

    def __repr__(self) -> str:
        return "<counts withheld>"


BrokerMessage = PlaceOffer | OfferPlaced | Complaint | BrokerTotals | CountsQuestion | CountsAnswer
ExitMessage = LinkOutcome | ExitLoad
Message = BrokerMessage | ExitMessage

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Return `message` as bytes, neither sealed nor signed."""
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
        self._stem = f"passerelle.2.{name}"
        self.complaint = f"{self._stem}.complaint"
        self.link = f"{self._stem}.link"
        self.exit = f"{self._stem}.exit"
        self.broker = f"{self._stem}.broker"
        self.question = f"{self._stem}.question"
        self.counts = f"{self._stem}.counts"

    def place(self, nat: NatClass) -> str:
        """Return the subject of offers whose clients have one NAT class."""
        return f"{self._stem}.place.{nat.value}"

    def family(self, tag: bytes) -> str:
        """Return the subject of offers for the volunteers of one family, by its tag."""
        return f"{self._stem}.family.{hashlib.sha256(tag).hexdigest()[:16]}"
