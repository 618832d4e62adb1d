"""The seal on what brokers say to each other: only a broker of the network can make or open it.

The key is HKDF-SHA256 (RFC 5869) of the brokers' X25519 seal key, which every broker has and no
exit. The cipher is AES-256-GCM-SIV (RFC 8452), because many brokers draw nonces at random under one
key: a nonce that comes twice then shows no more than whether two messages are the same.

Sealed bytes: `time u64 ‖ nonce (12) ‖ ciphertext`. `time` is Unix milliseconds at the sender. The
associated data are `time`, the nonce of the request that is answered (zeros if none is), and the
subject; so an answer fits one request, and a message one subject. Who opens a message must refuse a
time that is not near its own, and a nonce that came before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from passerelle.errors import LinkCode, PeerError
from passerelle.wire import bus
from passerelle.wire.bus import BrokerMessage

T = TypeVar("T")

NONCE_BYTES: Final = 12
"""Length of a nonce: that of the cipher (RFC 8452 §4)."""
NO_REQUEST: Final = bytes(NONCE_BYTES)
"""Stands for the nonce of a request in a message that answers none."""

_CONTEXT: Final = b"passerelle bus seal 2"
_KEY_BYTES: Final = 32
_TIME: Final = struct.Struct("!Q")
_MILLISECONDS: Final = 1000
_HEAD_BYTES: Final = _TIME.size + NONCE_BYTES


@dataclass(frozen=True, slots=True)
class Opened(Generic[T]):
    """A message that a broker of this network sealed, perhaps long ago."""

    message: T
    time_s: float
    """Unix time at the sender."""
    nonce: bytes


class BusSeal:
    """Seals and opens the messages of a network's brokers."""

    def __init__(self, seal_key: X25519PrivateKey) -> None:
        """`seal_key` is the key that opens rendezvous requests."""
        derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_CONTEXT)
        self._cipher = AESGCMSIV(derived.derive(seal_key.private_bytes_raw()))

    def seal(
        self,
        message: BrokerMessage,
        subject: str,
        *,
        now_s: float,
        nonce: bytes,
        answered: bytes = NO_REQUEST,
    ) -> bytes:
        """Return `message` sealed for `subject`.

        `now_s` is Unix time, `nonce` 12 random bytes, `answered` the nonce of the request that this
        is the answer to.
        """
        time = _TIME.pack(int(now_s * _MILLISECONDS))
        plaintext = bus.encode(message)
        return (
            time + nonce + self._cipher.encrypt(nonce, plaintext, _bound(time, answered, subject))
        )

    def open(
        self, sealed: bytes, kind: type[T], subject: str, *, answered: bytes = NO_REQUEST
    ) -> Opened[T]:
        """Open a message of one kind. Raises PeerError(IDENTITY) for one that no broker sealed, and
        PeerError(MALFORMED) for one that a broker of another version sealed.
        """
        time, nonce = sealed[: _TIME.size], sealed[_TIME.size : _HEAD_BYTES]
        try:
            plaintext = self._cipher.decrypt(
                nonce, sealed[_HEAD_BYTES:], _bound(time, answered, subject)
            )
        except (InvalidTag, ValueError) as error:
            raise PeerError(LinkCode.IDENTITY, "a message that no broker sealed") from error
        (milliseconds,) = _TIME.unpack(time)
        return Opened(bus.decode(plaintext, kind), milliseconds / _MILLISECONDS, nonce)


def _bound(time: bytes, answered: bytes, subject: str) -> bytes:
    return time + answered + subject.encode()
