"""Families: readers whom a volunteer has chosen, by a token that it gives to them in a link.

A token is 16 random bytes, in an invite as `family=TOKEN` (base64url, 22 characters). Brokers never
see it. Volunteer and readers both tell the broker its tag, which is for one network only:
`HMAC-SHA-256(token, "passerelle family 1 " ‖ operator's key)`, its first 16 bytes.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Final

from msgspec import Meta

from passerelle.wire import base64url

TOKEN_BYTES: Final = 16
TAG_BYTES: Final = 16
_INFO: Final = b"passerelle family 1 "

FamilyTag = Annotated[bytes, Meta(min_length=TAG_BYTES, max_length=TAG_BYTES)]


def tag(token: bytes, operator_key: bytes) -> bytes:
    """Return the tag of a token in the network of an operator, 16 bytes."""
    return hmac.digest(token, _INFO + operator_key, hashlib.sha256)[:TAG_BYTES]


def parse(text: str) -> bytes:
    """Return the token in base64url. Raises ValueError."""
    token = base64url.decode(text)
    if len(token) != TOKEN_BYTES:
        raise ValueError("no token of a family")
    return token
