"""Tickets: short-lived permissions that a broker signs and an exit checks offline.

A ticket is `base64url(MessagePack payload ‖ Ed25519 signature (64))`. The signature covers a
context string and the payload's exact bytes. It names one exit, a kind, when it ends, and a
random id by which an exit can refuse a second use.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import base64url
from passerelle.wire.signalling import ExitId

_CONTEXT = b"passerelle ticket 1 "
_SIGNATURE_BYTES = 64


class TicketKind(enum.Enum):
    """What a ticket permits."""

    LINK = "link"
    """A volunteer may open one link to the exit."""
    CLIENT = "client"
    """A client may start or resume a session at the exit."""


class Ticket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a ticket says once its signature is known to be good."""

    kind: TicketKind
    exit: ExitId
    expires_s: Annotated[int, Meta(ge=0, lt=2**48)]
    """Unix time."""
    id: Annotated[bytes, Meta(min_length=16, max_length=16)]

    def __repr__(self) -> str:
        return f"<{self.kind.value} ticket withheld>"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Ticket)


def sign(ticket: Ticket, key: Ed25519PrivateKey) -> str:
    """Return the text of `ticket`, signed."""
    payload = _encoder.encode(ticket)
    return base64url.encode(payload + key.sign(_CONTEXT + payload))


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
    if len(text) > limits.TICKET_BYTES:
        return None
    try:
        signed = base64url.decode(text)
    except ValueError:
        return None
    payload, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
    if not any(_is_signed(key, signature, payload) for key in keys):
        return None
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:
        return None


def _is_signed(key: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, _CONTEXT + payload)
    except InvalidSignature:
        return False
    return True
