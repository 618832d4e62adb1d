"""The sealed conversation between a client and a broker.

A request is one message sealed to the broker's key (HPKE, RFC 9180, base mode: DHKEM(X25519),
HKDF-SHA256, ChaCha20-Poly1305 or AES-128-GCM), padded to a size class, with the time, a nonce and a
reply key; the reply is sealed to that key. Therefore a request can travel by any method: a CDN,
cache or mailbox in the middle learns nothing but a size class. HPKE draws a fresh key for each
message by itself, the only randomness in `wire/`.

Sealed bytes: `enc (32) ‖ ciphertext`, of `length u16 ‖ MessagePack ‖ zeros` padded to one of
`limits.SEALED_SIZES`. HPKE's `info` names the direction; the reply's also holds the request's
nonce, so a reply answers one request only.
"""

from __future__ import annotations

import contextlib
import enum
import struct
from typing import Annotated, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.description import Description
from passerelle.wire.family import TAG_BYTES
from passerelle.wire.signalling import Country, ExitId, NatClass

T = TypeVar("T")

VersionNumber = Annotated[int, Meta(ge=0, lt=2**16)]
VolunteerHandle = Annotated[bytes, Meta(min_length=8, max_length=8)]

VERSION = 1
CONTENT_TYPE = "application/octet-stream"


class Cipher(enum.Enum):
    """What a message is sealed with. A web page has no ChaCha20-Poly1305 (WebCrypto)."""

    CHACHA20_POLY1305 = "chacha20-poly1305"
    AES_128_GCM = "aes-128-gcm"


_SUITES = {
    Cipher.CHACHA20_POLY1305: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305),
    Cipher.AES_128_GCM: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM),
}
_REQUEST_INFO = b"passerelle rendezvous request 1"
_REPLY_INFO = b"passerelle rendezvous reply 1 "
_LENGTH = struct.Struct("!H")
SEALED_OVERHEAD_BYTES = 32 + 16
"""HPKE's encapsulated key and tag."""
SEALED_BYTES = max(limits.SEALED_SIZES) + SEALED_OVERHEAD_BYTES
"""Largest sealed message."""


class Miss(enum.Enum):
    """Why one offer of a request got no answer."""

    NO_VOLUNTEER = "no_volunteer"
    """No volunteer waits for offers."""
    NO_ANSWER = "no_answer"
    """A volunteer was asked and did not answer in time, or declined."""


class Refusal(enum.Enum):
    """Why a whole request was refused."""

    VERSION = "version"
    UNKNOWN_EXIT = "unknown_exit"
    BUSY = "busy"
    PROOF = "proof"
    """Too many ask; the client may ask again with a proof of work of `proof_bits` in the reply."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A volunteer's half of one link."""

    description: Description
    volunteer: VolunteerHandle
    """Opaque name of this volunteer in later requests of the same client."""
    lane_tickets: Annotated[
        tuple[Annotated[str, Meta(max_length=limits.TICKET_BYTES)], ...],
        Meta(max_length=limits.LANES - 1),
    ] = ()
    """Tickets for more links through the same volunteer (`wire.control.Lane`)."""
    country: Country | None = None
    """Where the volunteer seems to be. Only reading pages are told, because older clients refuse
    a field that they do not know."""
    family: bool = False
    """Whether the volunteer is of the family that the request named."""


class RendezvousRequest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A client asks for one volunteer per offer, all towards the same exit."""

    version: VersionNumber
    time_s: Annotated[int, Meta(ge=0, lt=2**48)]
    """Unix time at the client."""
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    reply_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """X25519 public key to which the reply is sealed; fresh for every request."""
    offers: Annotated[tuple[Description, ...], Meta(max_length=limits.OFFERS_PER_REQUEST)]
    """One for each volunteer wanted. Who asks for none needs a ticket: a reading page that uses
    doors only, or a client that may have to."""
    exit: ExitId | None = None
    """The exit that holds the client's session; None lets the broker choose."""
    avoid: Annotated[tuple[VolunteerHandle, ...], Meta(max_length=limits.AVOIDED_VOLUNTEERS)] = ()
    """Volunteers that the client has links through already, or does not want."""
    failed: Annotated[tuple[VolunteerHandle, ...], Meta(max_length=limits.AVOIDED_VOLUNTEERS)] = ()
    """Volunteers through which no link came about since the last request; avoided as well."""
    lanes: Annotated[int, Meta(ge=0, le=limits.LANES - 1)] = 0
    """Lane tickets that the client wants with each answer."""
    nat: NatClass = NatClass.UNKNOWN
    """NAT class of the client."""
    software: Annotated[str, Meta(max_length=64)] = ""
    """Name and release of the client, such as `passerelle/0.1.0`."""
    token: Annotated[str, Meta(max_length=limits.TICKET_BYTES)] = ""
    """Token of this reader (`wire.tokens`), if an operator gave it one."""
    proof: Annotated[bytes, Meta(max_length=8)] = b""
    """Proof of work (`core.matching.proof`), if one was asked for."""
    gateway: bool = False
    """Whether links to the exit's gateway are wanted, as a reading page needs."""
    family: Annotated[bytes, Meta(max_length=TAG_BYTES)] = b""
    """Tag of the family (`wire.family`) whose volunteers are wanted first; empty without one. Older
    brokers refuse a request with it."""
    cipher: Cipher = Cipher.CHACHA20_POLY1305
    """What this request is sealed with, and its reply."""

    def __repr__(self) -> str:
        return f"<rendezvous request with {len(self.offers)} offers>"


class RendezvousReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker's reply: one answer or miss per offer, in their order."""

    exit: ExitId | None = None
    answers: Annotated[tuple[Answer | Miss, ...], Meta(max_length=limits.OFFERS_PER_REQUEST)] = ()
    ticket: Annotated[str, Meta(max_length=limits.TICKET_BYTES)] = ""
    """Client ticket for the exit's HELLO."""
    refusal: Refusal | None = None
    retry_after_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    proof_bits: Annotated[int, Meta(ge=0, le=limits.PROOF_BITS)] = 0
    """Zero bits that the proof of work in the next request must have."""
    minimum: Annotated[str, Meta(max_length=64)] = ""
    """The oldest release that is let in, if a version was refused and the broker says it."""

    def __repr__(self) -> str:
        return f"<rendezvous reply with {len(self.answers)} answers>"


_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(RendezvousRequest)
_reply_decoder = msgspec.msgpack.Decoder(RendezvousReply)


def seal_request(request: RendezvousRequest, broker_key: bytes) -> bytes:
    """Return `request` sealed to the broker's 32-byte X25519 key.

    Raises ValueError when the request is too long or the key is no X25519 key.
    """
    return _seal(_padded(request), broker_key, _REQUEST_INFO, request.cipher)


def open_request(sealed: bytes, key: X25519PrivateKey) -> RendezvousRequest:
    """Open a sealed request.

    Raises PeerError, always with the same code and words, so that its sender learns nothing about
    what was wrong.
    """
    for cipher in Cipher:
        with contextlib.suppress(InvalidTag):
            request = _open(sealed, key, _REQUEST_INFO, cipher, _request_decoder)
            if request.cipher is cipher:
                return request
            break
    raise _unreadable()


def seal_reply(reply: RendezvousReply, request: RendezvousRequest) -> bytes:
    """Return `reply` sealed to the key that `request` brought.

    Raises PeerError when that key is no usable X25519 key, ValueError when the reply is too long.
    """
    plaintext = _padded(reply)
    try:
        return _seal(plaintext, request.reply_key, _REPLY_INFO + request.nonce, request.cipher)
    except ValueError as error:
        raise _unreadable() from error


def open_reply(sealed: bytes, key: X25519PrivateKey, request: RendezvousRequest) -> RendezvousReply:
    """Open the reply to `request`. Raises PeerError."""
    try:
        return _open(sealed, key, _REPLY_INFO + request.nonce, request.cipher, _reply_decoder)
    except InvalidTag as error:
        raise _unreadable() from error


def _padded(message: RendezvousRequest | RendezvousReply) -> bytes:
    body = _encoder.encode(message)
    needed = _LENGTH.size + len(body)
    size = next((size for size in limits.SEALED_SIZES if size >= needed), None)
    if size is None:
        raise ValueError(f"a message of {len(body)} bytes is beyond the largest size class")
    return (_LENGTH.pack(len(body)) + body).ljust(size, b"\0")


def _seal(plaintext: bytes, key: bytes, info: bytes, cipher: Cipher) -> bytes:
    return _SUITES[cipher].encrypt(plaintext, X25519PublicKey.from_public_bytes(key), info=info)


def _open(
    sealed: bytes,
    key: X25519PrivateKey,
    info: bytes,
    cipher: Cipher,
    decoder: msgspec.msgpack.Decoder[T],
) -> T:
    """Raises PeerError, and InvalidTag for a message that another cipher may open."""
    if len(sealed) - SEALED_OVERHEAD_BYTES not in limits.SEALED_SIZES:
        raise _unreadable()
    try:
        plaintext = _SUITES[cipher].decrypt(sealed, key, info=info)
        (length,) = _LENGTH.unpack_from(plaintext)
        return decoder.decode(plaintext[_LENGTH.size : _LENGTH.size + length])
    except (ValueError, msgspec.MsgspecError) as error:
        raise _unreadable() from error


def _unreadable() -> PeerError:
    return PeerError(LinkCode.MALFORMED, "a rendezvous message that cannot be opened")
