from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.gateway.seen import SeenRequests

SECRET = bytes(16)


@given(st.lists(st.binary(min_size=32, max_size=32), unique=True))
def test_nothing_comes_twice(keys: list[bytes]) -> None:
    """Whatever was remembered is never taken for new again, however full the memory is."""
    seen = SeenRequests(SECRET, 16)
    for key in keys:
        seen.add(key)
    assert not any(seen.add(key) for key in keys)


def test_few_new_ones_are_taken_for_repeated() -> None:
    """With as many bits as limits.py has for a request, hardly one in two hundred is."""
    count = 20_000
    seen = SeenRequests(SECRET, count * 32 // 20)
    new = sum(seen.add(n.to_bytes(32, "big")) for n in range(count))
    assert new > count * 0.995


def test_nobody_can_choose_what_collides() -> None:
    """Another secret errs about other requests."""
    keys = [n.to_bytes(32, "big") for n in range(300)]
    mistakes = []
    for secret in (SECRET, bytes(15) + b"\x01"):
        seen = SeenRequests(secret, 100)
        mistakes.append([key for key in keys if not seen.add(key)])
    assert mistakes[0]
    assert mistakes[0] != mistakes[1]
