"""Base64url without padding (RFC 4648 §5), strict: one text per value."""

from __future__ import annotations

import base64
import binascii


def encode(data: bytes) -> str:
    """Return `data` as unpadded base64url text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of unpadded base64url `text`.

    Raises ValueError for any other alphabet, for padding, and for non-canonical trailing bits.
    """
    try:
        data = base64.b64decode(
            text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url text") from error
    if encode(data) != text:
        raise ValueError("not canonical base64url text")
    return data
