"""Origins: whom something counts for in a table or a limit that many people share.

An origin is bytes. The first byte is its kind, and the parties that it is part of are its prefixes:
an IPv6 /56 is part of a /48 and of a /32. Each party has a number of shares. Whatever one origin
may have, each of its parties may have as often as it has shares, all its origins together.

| kind | what it is | parties and their shares |
|---|---|---|
| `4` | public IPv4 address | /24: 1 |
| `6` | public IPv6 address | /56: 1, /48: `limits.SITE_SHARES`, /32: `limits.PROVIDER_SHARES` |
| `g` | the tags in a client ticket, which hide one of the other kinds | as for `6` |
| `t` | holders of one token | the token: 1 |
| `s` | a crowd: those behind one cache, front or door, or all that nothing is known of | the crowd:
`limits.CROWD_SHARES` |
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from passerelle import limits

IPV4: Final = b"4"
IPV6: Final = b"6"
TAGS: Final = b"g"
TOKEN: Final = b"t"
CROWD: Final = b"s"
TAG_BYTES: Final = 4
"""Length of one of the three tags of a ticket."""
_DOOR_BYTES: Final = 8
UNKNOWN: Final = CROWD
"""The origin of all that nothing is known of."""

SHARES: Final = (limits.PROVIDER_SHARES, limits.SITE_SHARES, 1)
"""Shares of the parties of an IPv6 address and of a ticket's tags, the widest first."""

_PARTS: Final = {
    IPV4: ((4, 1),),
    IPV6: tuple(zip((8, 7, 5), reversed(SHARES), strict=True)),
    TAGS: tuple(zip((13, 9, 5), reversed(SHARES), strict=True)),
}
"""Length of each party's prefix, kind included, and its shares; the narrowest first."""


class Party(NamedTuple):
    """One party that an origin is part of."""

    key: bytes
    """A prefix of the origin; for the narrowest party it is the origin itself."""
    shares: int


def parties(origin: bytes) -> tuple[Party, ...]:
    """Return the parties that `origin` is part of, the narrowest first."""
    kind = origin[:1]
    parts = _PARTS.get(kind)
    if parts is None or len(origin) != parts[0][0]:
        return (Party(origin, limits.CROWD_SHARES if kind == CROWD else 1),)
    return tuple(Party(origin[:length], shares) for length, shares in parts)


def crowd_at(door: str) -> bytes:
    """Return the origin of all who come through the door with this URL."""
    return CROWD + hashlib.sha256(door.encode()).digest()[:_DOOR_BYTES]


def is_crowd(origin: bytes) -> bool:
    """Whether `origin` stands for people who have nothing to do with each other."""
    return origin[:1] == CROWD


def tagged(tags: bytes) -> bytes:
    """Return the origin that a client ticket's three tags stand for; UNKNOWN without them."""
    return TAGS + tags if len(tags) == TAG_BYTES * len(SHARES) else UNKNOWN
