from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle.wire.doors import KEY_CHARS, door_key, receipt


def test_a_key_belongs_to_one_door_of_one_network() -> None:
    """The operator can print it again, and whoever has one knows no other."""
    mine, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    key = door_key(mine, "https://news.example/door")
    assert len(key) == KEY_CHARS
    assert key == door_key(mine, "https://news.example/door")
    assert key != door_key(mine, "https://news.example/door2")
    assert key != door_key(other, "https://news.example/door")
    assert receipt(key) == receipt(key)
    assert receipt(key) != receipt(door_key(other, "https://news.example/door"))
