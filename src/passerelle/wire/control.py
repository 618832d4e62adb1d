"""Control messages of a link: what a relay and its two sides say beside the link's own bytes.

A relay cannot write inside a link's TLS. On both of its sides, DataChannel and WebSocket, binary
messages are the link's and are copied untouched; *text* messages are between the relay and that
side, and are never copied. Each is one JSON object with a `type`; unknown types are ignored.

| type           | from → to            | meaning                                                |
|----------------|----------------------|--------------------------------------------------------|
| `drain`        | relay → client, exit | the link will close within two seconds                 |
| `lane`         | client → relay       | the client wants one more link, with this description  |
| `lane_answer`  | relay → client       | the relay's half of that link                          |
| `lane_refused` | relay → client       | the relay helps as many as it may, or cannot           |
| `got`          | client → relay       | media link: the relay may forget what the client has   |
| `resend`       | client → relay       | media link: the relay sends again what the client lacks |
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import Description

MessageNumber = Annotated[int, Meta(ge=0, lt=2**32)]
LaneNumber = Annotated[int, Meta(ge=0, lt=2**31)]


class _Message(msgspec.Struct, frozen=True, tag_field="type"):
    pass


class RelayDrain(_Message, frozen=True, tag="drain"):
    """The relay is about to leave."""


class Lane(_Message, frozen=True, tag="lane"):
    """The client asks for one more link through this volunteer, to the same exit."""

    lane: LaneNumber
    ticket: Annotated[str, Meta(max_length=limits.TICKET_BYTES)]
    """The new link's own ticket, from the rendezvous reply."""
    description: Description

    def __repr__(self) -> str:
        return f"<lane {self.lane}>"


class LaneAnswer(_Message, frozen=True, tag="lane_answer"):
    """The relay's half of a lane."""

    lane: LaneNumber
    description: Description


class LaneRefused(_Message, frozen=True, tag="lane_refused"):
    """The relay opens no such lane."""

    lane: LaneNumber


class Got(_Message, frozen=True, tag="got"):
    """The client has every downstream message before this one."""

    next: MessageNumber


class Resend(_Message, frozen=True, tag="resend"):
    """The client misses messages that retransmitted packets did not bring."""

    gaps: Annotated[
        tuple[tuple[MessageNumber, MessageNumber], ...],
        Meta(min_length=1, max_length=limits.RESEND_GAPS),
    ]
    """Each gap as (first, end), the end exclusive; numbers wrap at 2^32."""


Control = RelayDrain | Lane | LaneAnswer | LaneRefused | Got | Resend

_TYPES = frozenset({"drain", "lane", "lane_answer", "lane_refused", "got", "resend"})
_decoder: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)
_kind_decoder = msgspec.json.Decoder(dict[str, object])
_encoder = msgspec.json.Encoder()


def encode(message: Control) -> str:
    """Return `message` as JSON text."""
    return _encoder.encode(message).decode()


def decode(text: str) -> Control | None:
    """Parse a control message; None for a type this version does not know.

    Raises PeerError(MALFORMED or LIMIT).
    """
    if len(text) > limits.SIGNAL_MESSAGE_BYTES:
        raise PeerError(LinkCode.LIMIT, f"a control message of {len(text)} characters")
    try:
        kind = _kind_decoder.decode(text).get("type")
        if not isinstance(kind, str) or kind not in _TYPES:
            return None
        return _decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PeerError(LinkCode.MALFORMED, "a malformed control message") from error
