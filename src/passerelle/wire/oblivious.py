"""Sealed HTTP requests and answers: Oblivious HTTP (RFC 9458), in chunks
(draft-ietf-ohai-chunked-ohttp-08).

    key configuration   key id u8 ‖ KEM u16 ‖ public key (32) ‖ 4 u16 ‖ KDF u16 ‖ AEAD u16
    request             key id u8 ‖ KEM u16 ‖ KDF u16 ‖ AEAD u16 ‖ enc (32) ‖ chunks
    answer              nonce (16) ‖ chunks
    chunks              any number of `length ‖ ciphertext`, then `0 ‖ ciphertext` to the end

Lengths are QUIC's integers. KEM is DHKEM(X25519, HKDF-SHA256), KDF HKDF-SHA256, AEAD AES-128-GCM.
The last chunk is sealed with the associated data `final`, the others without any, so that nobody
can cut a message off. An answer can be opened by nobody but who sealed its request.

`pyhpke` draws the ephemeral key of a request, and no caller has to hand it one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from pyhpke import (
    AEADId,
    CipherSuite,
    ContextInterface,
    KDFId,
    KEMId,
    KEMKey,
    KEMKeyPair,
    PyHPKEError,
)

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.capsule import decode_integer, encode_integer

REQUEST_LABEL: Final = b"message/bhttp chunked request"
ANSWER_LABEL: Final = b"message/bhttp chunked response"
NONCE_BYTES: Final = 16
"""Length of an answer's nonce: that of the longer of AES-128's key and nonce (RFC 9458 §4.4)."""
ENC_BYTES: Final = 32
HEADER_BYTES: Final = 7
TAG_BYTES: Final = 16
CHUNK_OVERHEAD_BYTES: Final = 2 + TAG_BYTES
"""What sealing adds to a chunk of at most 16,367 bytes."""

_FINAL: Final = b"final"
_SUITE = CipherSuite.new(
    KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM
)  # fmt: skip
_KEM, _KDF, _AEAD = 0x0020, 0x0001, 0x0001
_CONFIGURATION = struct.Struct(">BH32sHHH")
_HEADER = struct.Struct(">BHHH")


@dataclass(frozen=True, slots=True)
class KeyConfiguration:
    """A gateway's public key, with the number that requests name it by (RFC 9458 §3.1)."""

    key_id: int
    """0 to 255."""
    public_key: bytes
    """X25519, 32 bytes."""

    def encode(self) -> bytes:
        """Return the 41 bytes of this configuration."""
        return _CONFIGURATION.pack(self.key_id, _KEM, self.public_key, 4, _KDF, _AEAD)

    @classmethod
    def decode(cls, data: bytes) -> KeyConfiguration:
        """Read a configuration with these algorithms. Raises ValueError for any other."""
        if len(data) != _CONFIGURATION.size:
            raise ValueError("a key configuration of another length")
        key_id, kem, public_key, size, kdf, aead = _CONFIGURATION.unpack(data)
        if (kem, size, kdf, aead) != (_KEM, 4, _KDF, _AEAD):
            raise ValueError("a key configuration with other algorithms")
        return cls(key_id, public_key)


def header(key_id: int) -> bytes:
    """Return the 7 bytes that a request begins with."""
    return _HEADER.pack(key_id, _KEM, _KDF, _AEAD)


class UnknownKeyError(PeerError):
    """A request is sealed to a key that this gateway has not, or not any more."""


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request that was opened, and what its answer is sealed with."""

    plaintext: bytes = field(repr=False)
    enc: bytes = field(repr=False)
    """The request's ephemeral public key, which no honest client uses twice."""
    secret: bytes = field(repr=False)


def recipient(
    key_id: int, enc: bytes, key: X25519PrivateKey, label: bytes = REQUEST_LABEL
) -> ContextInterface:
    """Return the HPKE context of a request. Raises PyHPKEError or ValueError for a bad `enc`."""
    info = label + b"\x00" + header(key_id)
    return _SUITE.create_recipient_context(enc, KEMKey.from_pyca_cryptography_key(key), info)


def open_request(message: bytes, keys: Mapping[int, X25519PrivateKey]) -> OpenedRequest:
    """Open a whole request. `keys` are the gateway's, by their numbers.

    Raises UnknownKeyError, and PeerError(MALFORMED) for anything else that is not sealed to us.
    """
    body = HEADER_BYTES + ENC_BYTES
    if len(message) <= body:
        raise _malformed()
    key_id = message[0]
    if message[:HEADER_BYTES] != header(key_id):
        raise _malformed()
    key = keys.get(key_id)
    if key is None:
        raise UnknownKeyError(LinkCode.UNEXPECTED, "a sealed request to a key that is not ours")
    enc = message[HEADER_BYTES:body]
    parts: list[bytes] = []
    try:
        context = recipient(key_id, enc, key)
        at = body
        while True:
            found = decode_integer(message, at)
            if found is None:
                raise _malformed()
            size, at = found
            if size == 0:
                parts.append(context.open(message[at:], _FINAL))
                break
            parts.append(context.open(message[at : at + size]))
            at += size
        secret = context.export(ANSWER_LABEL, NONCE_BYTES)
    except (PyHPKEError, InvalidTag, ValueError):
        raise _malformed() from None
    return OpenedRequest(b"".join(parts), enc, secret)


def answer_keys(secret: bytes, enc: bytes, nonce: bytes) -> tuple[bytes, bytes]:
    """Return key (16 bytes) and base nonce (12 bytes) of an answer (RFC 9458 §4.4)."""
    prk = HKDF.extract(SHA256(), enc + nonce, secret)
    return tuple(HKDFExpand(SHA256(), size, info).derive(prk)
                 for info, size in ((b"key", 16), (b"nonce", 12)))  # type: ignore[return-value]  # fmt: skip


class _Cipher:
    """Seals and opens the chunks of one answer, in their order."""

    def __init__(self, secret: bytes, enc: bytes, nonce: bytes) -> None:
        key, base = answer_keys(secret, enc, nonce)
        self._aead = AESGCM(key)
        self._base = int.from_bytes(base, "big")
        self._count = 0

    def seal(self, chunk: bytes, *, final: bool) -> bytes:
        return self._aead.encrypt(self._next(), chunk, _FINAL if final else None)

    def open(self, sealed: bytes, *, final: bool) -> bytes:
        try:
            return self._aead.decrypt(self._next(), sealed, _FINAL if final else None)
        except InvalidTag:
            raise _malformed() from None

    def _next(self) -> bytes:
        nonce = (self._base ^ self._count).to_bytes(12, "big")
        self._count += 1
        return nonce


class AnswerSealer:
    """Seals the answer to one request."""

    def __init__(self, request: OpenedRequest, nonce: bytes) -> None:
        """`nonce` is NONCE_BYTES random bytes, which are the answer's first."""
        self._cipher = _Cipher(request.secret, request.enc, nonce)
        self._first = nonce

    def seal(self, chunk: bytes, *, final: bool = False) -> bytes:
        """Return the next chunk, sealed and with its length; the nonce is before the first one.

        A chunk that is not `final` has at least one byte.
        """
        sealed = self._cipher.seal(chunk, final=final)
        first, self._first = self._first, b""
        return first + (b"\x00" if final else encode_integer(len(sealed))) + sealed


class AnswerOpener:
    """Opens an answer that arrives in pieces of any size. It holds one incomplete chunk."""

    def __init__(self, secret: bytes, enc: bytes) -> None:
        """`secret` and `enc` are those of the request (`SealedRequest`)."""
        self._secret = secret
        self._enc = enc
        self._cipher: _Cipher | None = None
        self._buffer = bytearray()
        self._is_last = False

    def receive(self, data: bytes) -> list[bytes]:
        """Return the chunks that are complete. Raises PeerError(MALFORMED or LIMIT)."""
        self._buffer += data
        found: list[bytes] = []
        if self._cipher is None:
            if len(self._buffer) < NONCE_BYTES:
                return found
            nonce = bytes(self._buffer[:NONCE_BYTES])
            del self._buffer[:NONCE_BYTES]
            self._cipher = _Cipher(self._secret, self._enc, nonce)
        while not self._is_last:
            integer = decode_integer(self._buffer, 0)
            if integer is None:
                break
            size, at = integer
            if size > limits.SEALED_CHUNK_BYTES:
                raise PeerError(LinkCode.LIMIT, "a long chunk")
            if size and len(self._buffer) < at + size:
                break
            self._is_last = size == 0
            sealed = bytes(self._buffer[at : at + size])
            del self._buffer[: at + size]
            if size:
                found.append(self._cipher.open(sealed, final=False))
        if self._is_last and len(self._buffer) > limits.SEALED_CHUNK_BYTES:
            raise PeerError(LinkCode.LIMIT, "a long chunk")
        return found

    def end(self) -> bytes:
        """Return the last chunk, once everything has arrived. Raises PeerError(MALFORMED)."""
        if self._cipher is None or not self._is_last:
            raise _malformed()
        return self._cipher.open(bytes(self._buffer), final=True)


@dataclass(frozen=True, slots=True)
class SealedRequest:
    """A request as it travels, and what opens its answer."""

    message: bytes = field(repr=False)
    enc: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    def answer(self) -> AnswerOpener:
        """Return what opens the answer."""
        return AnswerOpener(self.secret, self.enc)


def seal_request(
    configuration: KeyConfiguration,
    plaintext: bytes,
    *,
    chunks: int = 1,
    ephemeral: X25519PrivateKey | None = None,
) -> SealedRequest:
    """Seal a request in as many chunks. Only a test hands in the `ephemeral` key."""
    public = X25519PublicKey.from_public_bytes(configuration.public_key)
    first = header(configuration.key_id)
    pair = None
    if ephemeral is not None:
        halves = (ephemeral, ephemeral.public_key())
        pair = KEMKeyPair(*(KEMKey.from_pyca_cryptography_key(half) for half in halves))
    enc, context = _SUITE.create_sender_context(
        KEMKey.from_pyca_cryptography_key(public), REQUEST_LABEL + b"\x00" + first, eks=pair
    )
    size = -(-len(plaintext) // chunks) or 1
    pieces = [plaintext[at : at + size] for at in range(0, len(plaintext), size)] or [b""]
    message = bytearray(first + enc)
    for piece in pieces[:-1]:
        sealed = context.seal(piece)
        message += encode_integer(len(sealed)) + sealed
    message += b"\x00" + context.seal(pieces[-1], _FINAL)
    return SealedRequest(bytes(message), enc, context.export(ANSWER_LABEL, NONCE_BYTES))


def _malformed() -> PeerError:
    return PeerError(LinkCode.MALFORMED, "a message that is not sealed properly")
