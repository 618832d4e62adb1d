"""The fields of HTTP messages that a proxy must know (RFC 9110 §7.6.1, RFC 9112 §6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Fields = tuple[tuple[bytes, bytes], ...]
"""Names, in any case, and values of a message's fields."""

CONTENT_LENGTH: Final = b"content-length"
TRANSFER_ENCODING: Final = b"transfer-encoding"
FRAMING: Final = frozenset({CONTENT_LENGTH, TRANSFER_ENCODING, b"host"})
"""Fields that say where a message ends or goes. `Connection` must not name them."""

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
"""Fields for one hop only: those of RFC 9110 §7.6.1, and of proxy authentication (§11.7)."""


def combined(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> set[bytes]:
    """Return the members, in lower case, of all lists that fields of this name have.

    An empty value counts as an empty member: it is there, and means nothing.
    """
    values = (value for each, value in fields if each.lower() == name)
    return {member.strip().lower() for value in values for member in value.split(b",")}


def end_to_end(fields: Fields) -> list[tuple[bytes, bytes]]:
    """Return the fields that go on to the next hop, Transfer-Encoding not among them."""
    dropped = _HOP_BY_HOP | {TRANSFER_ENCODING}
    dropped |= combined(fields, b"connection") - FRAMING
    return [(name, value) for name, value in fields if name.lower() not in dropped]
