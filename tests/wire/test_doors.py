from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import limits
from passerelle.wire.doors import KEY_CHARS, TRIAL, door_key, receipt

SEAL_KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
DOOR = "https://news.example/door"


def test_a_key_belongs_to_one_door_of_one_network() -> None:
    """The operator can print it again, and whoever has one knows no other."""
    other = X25519PrivateKey.generate()
    key = door_key(SEAL_KEY, DOOR)
    assert len(key) == KEY_CHARS
    assert key == door_key(X25519PrivateKey.from_private_bytes(bytes(range(32))), DOOR)
    assert key != door_key(SEAL_KEY, f"{DOOR}2")
    assert key != door_key(other, DOOR)


def test_a_receipt_shows_which_key_came() -> None:
    """It is a hash, so whoever sees receipts learns no key (PROTOCOL §4.1)."""
    key = door_key(SEAL_KEY, DOOR)
    assert receipt(key) == hashlib.sha256(b"passerelle door receipt 1 " + key.encode()).digest()
    assert receipt(key) != receipt(door_key(SEAL_KEY, f"{DOOR}2"))


def test_a_trial_is_as_long_as_the_shortest_request() -> None:
    """Doors pass messages of the usual sizes on, and look at nothing else."""
    assert len(TRIAL) == min(limits.SEALED_SIZES) + 48
    assert not any(TRIAL)
