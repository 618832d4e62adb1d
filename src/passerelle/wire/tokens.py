"""Tokens: texts that an operator gives to readers it trusts, and brokers honour.

A request with a token needs no proof of work, is counted for the token instead of for the network
it came from, and may learn of more volunteers a day. A token does not say who holds it, but a
broker can tell that two requests came with the same one. It is signed with a broker's ticket key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from passerelle import limits
from passerelle.wire import signed_text

_CONTEXT = b"passerelle token 1 "


class Token(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a token says once its signature is known to be good."""

    id: Annotated[bytes, Meta(min_length=16, max_length=16)]
    expires_s: Annotated[int, Meta(ge=0, lt=2**48)]
    """Unix time."""
    volunteers: Annotated[int, Meta(ge=1, le=limits.TOKEN_VOLUNTEERS)]
    """Volunteers that the token's holders, all together, may learn of in a day."""

    def __repr__(self) -> str:
        return "<token withheld>"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Token)


def sign(token: Token, key: Ed25519PrivateKey) -> str:
    """Return the text of `token`, signed."""
    return signed_text.sign(_encoder.encode(token), key, _CONTEXT)


def read(text: str, keys: Iterable[Ed25519PublicKey], *, now_s: float) -> Token | None:
    """Return the token if one of `keys` signed it and it has not expired, else None."""
    payload = signed_text.read(text, keys, _CONTEXT)
    if payload is None:
        return None
    try:
        token = _decoder.decode(payload)
    except msgspec.MsgspecError:
        return None
    return token if now_s <= token.expires_s else None
