"""JSON messages between a volunteer and a broker, over one WebSocket held open.

Every message is one JSON object with a `type`. Byte strings are standard base64.

volunteer → broker: `hello`, `ready`, `answer`, `decline`, `friend`
broker → volunteer: `welcome`, `offer`, `friend_reply`, `bye`
"""

from __future__ import annotations

import enum
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import Description

T = TypeVar("T")

VERSION = 1
"""Version of these messages; a volunteer names it in `hello`."""

OfferId = Annotated[int, Meta(ge=0, lt=2**31)]
Sealed = Annotated[bytes, Meta(max_length=limits.TEXT_SEALED_BYTES)]
Slots = Annotated[int, Meta(ge=0, le=64)]
ExitId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]


class NatClass(enum.Enum):
    """How a peer's network treats UDP (RFC 5780), in the order of how easily it is reached."""

    OPEN = "open"
    """One mapping for all destinations, and anybody may send to it; or no NAT at all."""
    RESTRICTED = "restricted"
    """One mapping for all destinations; only those that were sent to may answer."""
    SYMMETRIC = "symmetric"
    """Another mapping for each destination: nobody can be told where to send."""
    BLOCKED = "blocked"
    """No UDP passes."""
    UNKNOWN = "unknown"
    """Not found out, or not yet."""


class Decline(enum.Enum):
    """Why a volunteer did not answer an offer."""

    BUSY = "busy"
    UNKNOWN_EXIT = "unknown_exit"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


class Bye(enum.Enum):
    """Why the broker ends the conversation."""

    VERSION = "version"
    """The volunteer's version is not spoken here (any more)."""
    MALFORMED = "malformed"
    RESTART = "restart"
    FULL = "full"


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class VolunteerHello(_Message, frozen=True, tag="hello"):
    """First message: who I am and how many people I can help at once."""

    version: Annotated[int, Meta(ge=0, lt=2**16)]
    software: Annotated[str, Meta(max_length=64)]
    free: Slots
    nat: NatClass = NatClass.UNKNOWN


class VolunteerReady(_Message, frozen=True, omit_defaults=True, tag="ready"):
    """How many more people I can help right now; sent whenever that, or my NAT, changes."""

    free: Slots
    nat: NatClass | None = None
    """None: as I said before."""


class VolunteerAnswer(_Message, frozen=True, tag="answer"):
    """My half of the DataChannel for an offer."""

    offer: OfferId
    description: Description


class VolunteerDecline(_Message, frozen=True, tag="decline"):
    """I cannot take this offer."""

    offer: OfferId
    reason: Decline


class VolunteerFriend(_Message, frozen=True, tag="friend"):
    """Somebody gave me a sealed request by hand: answer it, with me as the volunteer."""

    id: OfferId
    request: Sealed


class BrokerWelcome(_Message, frozen=True, tag="welcome"):
    """The hello was accepted; offers may come."""

    version: int = VERSION


class BrokerOffer(_Message, frozen=True, omit_defaults=True, tag="offer"):
    """A client wants a link to an exit."""

    offer: OfferId
    exit: ExitId
    """Looked up in the signed descriptor; never an address."""
    ticket: Annotated[str, Meta(max_length=limits.TICKET_BYTES)]
    description: Description
    patient: bool = False
    """The client comes late: your answer is carried to it by hand."""

    def __repr__(self) -> str:
        return f"<offer {self.offer} for {self.exit}>"


class BrokerFriendReply(_Message, frozen=True, tag="friend_reply"):
    """The sealed reply to a request given by hand; None when the request cannot be used."""

    id: OfferId
    reply: Sealed | None


class BrokerBye(_Message, frozen=True, tag="bye"):
    """The WebSocket will close; come back after `retry_after_s`, or never when it is None."""

    reason: Bye
    retry_after_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None


FromVolunteer = (
    VolunteerHello | VolunteerReady | VolunteerAnswer | VolunteerDecline | VolunteerFriend
)
FromBroker = BrokerWelcome | BrokerOffer | BrokerFriendReply | BrokerBye

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
        # The library's message may quote the input: it stays out of ours.
        raise PeerError(LinkCode.MALFORMED, "a malformed signalling message") from error
