"""The daily keys of a gateway, from one secret that is replaced every day.

A seed belongs to a day. The next day's seed is made from it, and it cannot be had back from that
one: whoever takes today's seed opens nothing of what readers asked until yesterday. The keys of the
days to come can be made ahead, so a descriptor names them for its whole life, and servers that
began with the same seed keep the same keys. Each exit has keys of its own, so that a request to one
cannot be repeated at another.

    next seed   HKDF-SHA256(seed, info "passerelle gateway seed 1")
    key         HKDF-SHA256(seed, info "passerelle gateway key 1 " ‖ exit id), an X25519 private key
    file        "passerelle-gateway1 DAY SEED", SEED in base64url
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from passerelle.wire import base64url
from passerelle.wire.oblivious import KeyConfiguration

DAY_S: Final = 86_400
"""Seconds in a day; days are counted from 1970."""
VALID_DAYS: Final = 2
"""Days for which a key is valid, from the day of its seed on."""
SEED_BYTES: Final = 32
LATEST_DAY: Final = 2**24
_FURTHEST_DAYS: Final = 36_525
"""Days that a seed is moved at most: a clock that is off by a century is a mistake."""
_WORD: Final = "passerelle-gateway1"


@dataclass(frozen=True, slots=True)
class GatewaySeed:
    """The seed of one day."""

    day: int
    secret: bytes = field(repr=False)
    """SEED_BYTES random bytes, or what was made from such."""

    def at(self, day: int) -> GatewaySeed:
        """Return the seed of this day or a later one. Raises ValueError for any other day."""
        if not self.day <= day <= min(self.day + _FURTHEST_DAYS, LATEST_DAY - 1):
            raise ValueError("a day that this seed does not lead to")
        secret = self.secret
        for _ in range(day - self.day):
            secret = _derive(secret, b"passerelle gateway seed 1")
        return GatewaySeed(day, secret)

    def key(self, exit_id: str) -> X25519PrivateKey:
        """Return the key of this day for one exit."""
        info = b"passerelle gateway key 1 " + exit_id.encode()
        return X25519PrivateKey.from_private_bytes(_derive(self.secret, info))

    def keys(self, exit_id: str, days: int) -> list[X25519PrivateKey]:
        """Return the keys of this day and of those that follow, `days` in all."""
        found = []
        seed = self
        for _ in range(days):
            found.append(seed.key(exit_id))
            seed = seed.at(seed.day + 1)
        return found

    def __str__(self) -> str:
        return f"{_WORD} {self.day} {base64url.encode(self.secret)}"

    @classmethod
    def parse(cls, text: str) -> GatewaySeed:
        """Read the text of a file. Raises ValueError."""
        word, day, secret = text.split()
        found = base64url.decode(secret)
        if word != _WORD or not day.isascii() or not day.isdigit() or len(found) != SEED_BYTES:
            raise ValueError("not a gateway's seed")
        if int(day) >= LATEST_DAY:
            raise ValueError("not a day")
        return cls(int(day), found)


def day_at(now_s: float) -> int:
    """Return the day of a Unix time."""
    return int(now_s // DAY_S)


def key_id(day: int) -> int:
    """Return the number by which requests name the key of a day."""
    return day % 256


def configurations(seed: GatewaySeed, exit_id: str, days: int) -> tuple[bytes, ...]:
    """Return the encoded key configurations of an exit, from the seed's day on."""
    return tuple(
        KeyConfiguration(key_id(seed.day + n), key.public_key().public_bytes_raw()).encode()
        for n, key in enumerate(seed.keys(exit_id, days))
    )


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), SEED_BYTES, None, info).derive(secret)
