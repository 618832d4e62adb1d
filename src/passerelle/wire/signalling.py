"""JSON messages between a volunteer and a broker, over one WebSocket held open.

Every message is one JSON object with a `type`. Byte strings are standard base64.

volunteer → broker: `hello`, `ready`, `answer`, `decline`, `friend`, `family`, `ping`
broker → volunteer: `welcome`, `offer`, `friend_reply`, `pong`, `bye`
"""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import Description
from passerelle.wire.family import FamilyTag

T = TypeVar("T")

VERSION = 1
"""Version of these messages; a volunteer names it in `hello`."""

OfferId = Annotated[int, Meta(ge=0, lt=2**31)]
Sealed = Annotated[bytes, Meta(max_length=limits.TEXT_SEALED_BYTES)]
Slots = Annotated[int, Meta(ge=0, le=64)]
ExitId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
"""Two letters of ISO 3166-1. No finer location is ever named."""


class NatClass(enum.Enum):
    """How a peer's network treats UDP (RFC 5780); the first is reached most easily."""

    OPEN = "open"
    """There is no NAT, or one mapping for all destinations that anybody may send to."""
    RESTRICTED = "restricted"
    """There is one mapping for all destinations, and only they may answer."""
    SYMMETRIC = "symmetric"
    """Each destination has another mapping, so nobody can be told where to send."""
    BLOCKED = "blocked"
    """No UDP passes."""
    UNKNOWN = "unknown"
    """The class was not found out, or not yet."""


class Decline(enum.Enum):
    """Why a volunteer did not answer an offer."""

    BUSY = "busy"
    UNKNOWN_EXIT = "unknown_exit"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


class Bye(enum.Enum):
    """Why the broker ends the conversation."""

    VERSION = "version"
    """The broker does not speak the volunteer's version, or not any more."""
    MALFORMED = "malformed"
    RESTART = "restart"
    FULL = "full"


class Demand(enum.Enum):
    """How many readers had to wait for a volunteer lately, rounded."""

    NOBODY = "nobody"
    """Nobody, or next to nobody."""
    SOME = "some"
    MANY = "many"


_DEMANDS: Final = {each.value: each for each in Demand}


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class _FromBroker(msgspec.Struct, frozen=True, tag_field="type"):
    """A message whose unknown fields are ignored: the switch may be years older than its broker."""


class VolunteerHello(_Message, frozen=True, tag="hello"):
    """The first message: who the volunteer is, and how many people it can help at once."""

    version: Annotated[int, Meta(ge=0, lt=2**16)]
    software: Annotated[str, Meta(max_length=64)]
    free: Slots
    nat: NatClass = NatClass.UNKNOWN


class VolunteerReady(_Message, frozen=True, omit_defaults=True, tag="ready"):
    """How many more people the volunteer can help now; sent when that or its NAT changes."""

    free: Slots
    nat: NatClass | None = None
    """None if it has not changed."""


class VolunteerAnswer(_Message, frozen=True, tag="answer"):
    """The volunteer's half of the DataChannel for an offer."""

    offer: OfferId
    description: Description


class VolunteerDecline(_Message, frozen=True, tag="decline"):
    """The volunteer does not take an offer."""

    offer: OfferId
    reason: Decline


class VolunteerFriend(_Message, frozen=True, tag="friend"):
    """A sealed request that somebody gave to this volunteer, who wants to be the one that helps."""

    id: OfferId
    request: Sealed


class VolunteerFamily(_Message, frozen=True, tag="family"):
    """From now on the volunteer helps only readers who name this tag (`wire.family`)."""

    family: FamilyTag

    def __repr__(self) -> str:
        return "<family withheld>"


class VolunteerPing(_Message, frozen=True, tag="ping"):
    """The volunteer asks whether the broker is still there."""


class RateTicket(msgspec.Struct, frozen=True):
    """Lets a volunteer find out how fast it is (`wire.ratetest`)."""

    exit: ExitId
    ticket: Annotated[str, Meta(max_length=limits.TICKET_BYTES)]

    def __repr__(self) -> str:
        return f"<test at {self.exit}>"


class BrokerWelcome(_FromBroker, frozen=True, tag="welcome"):
    """The broker accepts the hello; offers may come."""

    version: int = VERSION
    country: Country | None = None
    """Where the volunteer seems to be; None when the broker cannot tell."""
    caution: bool = False
    """Whether helping may be dangerous there: the volunteer then takes no offer until the person
    has said yes once more."""
    heartbeat_s: Annotated[float, Meta(ge=1, le=3600)] | None = None
    """Seconds between two `ping` messages of the volunteer; None if the broker answers none."""
    idle_s: Annotated[float, Meta(ge=1, le=3600)] | None = None
    """The same while it helps nobody, at most; None if that is no longer."""
    test: RateTicket | None = None
    """Where the volunteer may find out how fast it is; None from a broker that knows no test."""


class BrokerOffer(_FromBroker, frozen=True, omit_defaults=True, tag="offer"):
    """A client wants a link to an exit."""

    offer: OfferId
    exit: ExitId
    """Id of the exit, never an address: the volunteer looks it up in the signed descriptor."""
    ticket: Annotated[str, Meta(max_length=limits.TICKET_BYTES)]
    description: Description
    patient: bool = False
    """Whether the client comes late, because the answer is carried to it by hand."""
    country: Country | None = None
    """Where the client seems to be; None when the broker cannot tell."""

    def __repr__(self) -> str:
        return f"<offer {self.offer} for {self.exit}>"


class BrokerFriendReply(_FromBroker, frozen=True, tag="friend_reply"):
    """The sealed reply to a request given by hand; None if the request cannot be used."""

    id: OfferId
    reply: Sealed | None


class BrokerPong(_FromBroker, frozen=True, omit_defaults=True, tag="pong"):
    """The answer to a `ping`."""

    demand: Any = None
    """A `Demand`; None where the broker does not tell. Anything else that it says counts as None:
    a later one may know more words."""

    def __post_init__(self) -> None:
        if not isinstance(self.demand, Demand):
            told = _DEMANDS.get(self.demand) if isinstance(self.demand, str) else None
            msgspec.structs.force_setattr(self, "demand", told)


class BrokerBye(_FromBroker, frozen=True, tag="bye"):
    """The broker closes the WebSocket. The volunteer comes back after `retry_after_s`; if that is
    None, never.
    """

    reason: Bye
    retry_after_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None


FromVolunteer = (
    VolunteerHello
    | VolunteerReady
    | VolunteerAnswer
    | VolunteerDecline
    | VolunteerFriend
    | VolunteerFamily
    | VolunteerPing
)
FromBroker = BrokerWelcome | BrokerOffer | BrokerFriendReply | BrokerPong | BrokerBye

_encoder = msgspec.json.Encoder()
_from_volunteer: msgspec.json.Decoder[FromVolunteer] = msgspec.json.Decoder(FromVolunteer)
_from_broker: msgspec.json.Decoder[FromBroker] = msgspec.json.Decoder(FromBroker)


def encode(message: FromVolunteer | FromBroker) -> str:
    """Return `message` as JSON text."""
    return _encoder.encode(message).decode()


def decode_from_volunteer(text: str | bytes) -> FromVolunteer:
    """Parse what a volunteer sent. Raises PeerError(MALFORMED or LIMIT)."""
    return _decode(_from_volunteer, text)


def decode_from_broker(text: str | bytes) -> FromBroker:
    """Parse what a broker sent. Raises PeerError(MALFORMED or LIMIT)."""
    return _decode(_from_broker, text)


def _decode(decoder: msgspec.json.Decoder[T], text: str | bytes) -> T:
    if len(text) > limits.SIGNAL_MESSAGE_BYTES:
        raise PeerError(LinkCode.LIMIT, f"a signalling message of {len(text)} bytes")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # The library's message may quote the input, so it does not become part of this one.
        raise PeerError(LinkCode.MALFORMED, "a malformed signalling message") from error
