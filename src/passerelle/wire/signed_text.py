"""Short texts that carry a payload and an Ed25519 signature: tickets and tokens.

A text is `base64url(payload ‖ signature (64))`. The signature covers a context, which says what
kind of text it is, and the payload's exact bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from passerelle import limits
from passerelle.wire import base64url

_SIGNATURE_BYTES = 64


def sign(payload: bytes, key: Ed25519PrivateKey, context: bytes) -> str:
    """Return the text that carries `payload`."""
    return base64url.encode(payload + key.sign(context + payload))


def read(text: str, keys: Iterable[Ed25519PublicKey], context: bytes) -> bytes | None:
    """Return the payload of `text`; None unless one of `keys` signed it in this context."""
    if len(text) > limits.TICKET_BYTES:
        return None
    try:
        signed = base64url.decode(text)
    except ValueError:
        return None
    payload, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
    return payload if any(_is_signed(key, signature, context + payload) for key in keys) else None


def _is_signed(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
