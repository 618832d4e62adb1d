"""Proof of work: what a request costs when a broker has too many (Hashcash, Back 2002).

The proof binds to the broker's key and the request's nonce and time. A broker takes each nonce
once and a time for a few minutes, so a proof is good for one request to one broker, now.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

_CONTEXT = b"passerelle proof 1 "
_TIME = struct.Struct("!Q")
_PROOF = struct.Struct("!Q")
PROOF_BYTES = _PROOF.size


def challenge(broker_key: bytes, nonce: bytes, time_s: int) -> bytes:
    """Return what a proof for this request begins with."""
    return _CONTEXT + broker_key + nonce + _TIME.pack(time_s)


def is_proof(challenged: bytes, proof: bytes, bits: int) -> bool:
    """Whether SHA-256 of challenge and `proof` begins with `bits` zero bits."""
    if len(proof) != PROOF_BYTES:
        return False
    digest = hashlib.sha256(challenged + proof).digest()
    return int.from_bytes(digest) >> (256 - bits) == 0


def search(challenged: bytes, bits: int, tries: Iterable[int]) -> bytes | None:
    """Return a proof among `tries` (whole numbers below 2⁶⁴), None if there is none.

    Takes 2^bits tries on average, of about a microsecond each.
    """
    start = hashlib.sha256(challenged)
    for number in tries:
        proof = _PROOF.pack(number)
        attempt = start.copy()
        attempt.update(proof)
        if int.from_bytes(attempt.digest()) >> (256 - bits) == 0:
            return proof
    return None
