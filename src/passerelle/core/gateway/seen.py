"""Whether a sealed request may have come before: a Bloom filter (Bloom 1970).

It never takes a repeated request for a new one, however many there were, and its size is fixed.
Now and then it takes a new one for a repeated one; the more it has seen, the more often. Its hashes
are keyed by a secret, so nobody can choose requests that make it err about others.
"""

from __future__ import annotations

import hashlib
from typing import Final

_HASHES: Final = 6
_HASH_BYTES: Final = 8


class SeenRequests:
    """The requests to one key, by their ephemeral public keys."""

    def __init__(self, secret: bytes, size_bytes: int) -> None:
        """`secret` is 16 random bytes, and `size_bytes` the memory that is used."""
        self._secret = secret
        self._bits = bytearray(size_bytes)

    def add(self, enc: bytes) -> bool:
        """Remember `enc`; return False if it may have come before."""
        size = _HASHES * _HASH_BYTES
        digest = hashlib.blake2b(enc, digest_size=size, key=self._secret).digest()
        bits, most = self._bits, 8 * len(self._bits)
        is_new = False
        for at in range(0, size, _HASH_BYTES):
            place, bit = divmod(int.from_bytes(digest[at : at + _HASH_BYTES], "big") % most, 8)
            mask = 1 << bit
            if not bits[place] & mask:
                bits[place] |= mask
                is_new = True
        return is_new
