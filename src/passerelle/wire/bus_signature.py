"""The signature on what exits say: each word is checked with that exit's key in the descriptor.

A word is a MessagePack array of the exit's public key (32 bytes), the message's bytes, and the
Ed25519 signature (64 bytes) over a context string, the subject, a zero byte and the message's
bytes. The key is the one of the exit's links, which the descriptor pins by the SHA-256 of its SPKI.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Annotated, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from passerelle import serverlimits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import bus
from passerelle.wire.bus import ExitMessage

T = TypeVar("T")

_CONTEXT: Final = b"passerelle bus word 2 "


class SignedWord(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an exit says, as it travels."""

    key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    message: Annotated[bytes, Meta(max_length=serverlimits.BUS_MESSAGE_BYTES)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


_encoder = msgspec.msgpack.Encoder()


def sign(message: ExitMessage, subject: str, key: Ed25519PrivateKey) -> bytes:
    """Return `message` signed for `subject` with an exit's key."""
    encoded = bus.encode(message)
    signature = key.sign(_signed(encoded, subject))
    return _encoder.encode(SignedWord(key.public_key().public_bytes_raw(), encoded, signature))


def read(
    data: bytes, kind: type[T], subject: str, pins: Callable[[T], Collection[bytes]]
) -> T | None:
    """Return the message of one kind in `data`.

    `pins` returns the SHA-256 of each key (SPKI) that may say a message; with none of them the
    message is not wanted, and the result is None without a look at the signature, which costs much.
    Raises PeerError: MALFORMED for bytes that hold no such message, IDENTITY for one that none of
    these keys signed.
    """
    word = bus.decode(data, SignedWord)
    message = bus.decode(word.message, kind)
    wanted = pins(message)
    if not wanted:
        return None
    key = Ed25519PublicKey.from_public_bytes(word.key)
    if _spki_sha256(key) not in wanted:
        raise _foreign()
    try:
        key.verify(word.signature, _signed(word.message, subject))
    except InvalidSignature as error:
        raise _foreign() from error
    return message


def _signed(encoded: bytes, subject: str) -> bytes:
    return _CONTEXT + subject.encode() + b"\0" + encoded


def _spki_sha256(key: Ed25519PublicKey) -> bytes:
    spki = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).digest()


def _foreign() -> PeerError:
    return PeerError(LinkCode.IDENTITY, "a word that the exit it names did not sign")
