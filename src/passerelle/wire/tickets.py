"""Tickets: short-lived permissions that a broker signs and an exit checks offline.

A ticket is `base64url(MessagePack payload ‖ Ed25519 signature (64))`. The signature covers a
context string and the payload's exact bytes. The payload names a kind, one exit, the time when the
ticket ends, and a random id by which an exit can refuse a second use. A client's ticket also has
three tags (`core.origin`), by which an exit can share itself fairly between networks of readers
without learning which they are.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from passerelle.errors import LinkCode, PeerError
from passerelle.wire import signed_text
from passerelle.wire.signalling import ExitId

_CONTEXT = b"passerelle ticket 1 "
TAGS_BYTES = 12


class TicketKind(enum.Enum):
    """What a ticket permits."""

    LINK = "link"
    """A volunteer may open one link to the exit."""
    GATEWAY = "gateway"
    """A volunteer may open one link to the exit's gateway, for a reading page. To the volunteer it
    is a link like any other."""
    CLIENT = "client"
    """A client may start or resume a session at the exit."""
    TEST = "test"
    """A volunteer may find out once how fast bytes pass between it and the exit."""


class Ticket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a ticket says once its signature is known to be good."""

    kind: TicketKind
    exit: ExitId
    expires_s: Annotated[int, Meta(ge=0, lt=2**48)]
    """Unix time."""
    id: Annotated[bytes, Meta(min_length=16, max_length=16)]
    tags: Annotated[bytes, Meta(max_length=TAGS_BYTES)] = b""
    """Tags of the /32, /48 and /56 that the client asked from, or of what stands for them, 4 bytes
    each. Link tickets have none, because volunteers see those; nor have tickets of older brokers.
    """

    def __repr__(self) -> str:
        return f"<{self.kind.value} ticket withheld>"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Ticket)


def sign(ticket: Ticket, key: Ed25519PrivateKey) -> str:
    """Return the text of `ticket`, signed."""
    return signed_text.sign(_encoder.encode(ticket), key, _CONTEXT)


def verify(
    text: str, keys: tuple[Ed25519PublicKey, ...], *, kind: TicketKind, exit_id: str, now_s: float
) -> Ticket:
    """Return the ticket if one of `keys` signed it for this kind and exit and it has not expired.

    Raises PeerError(TICKET), always with the same words.
    """
    ticket = _read(text, keys)
    if ticket is None or (ticket.kind, ticket.exit) != (kind, exit_id) or now_s > ticket.expires_s:
        raise PeerError(LinkCode.TICKET, "no valid ticket")
    return ticket


def _read(text: str, keys: tuple[Ed25519PublicKey, ...]) -> Ticket | None:
    payload = signed_text.read(text, keys, _CONTEXT)
    if payload is None:
        return None
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:
        return None
