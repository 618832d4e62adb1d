from __future__ import annotations

from passerelle import limits
from passerelle.core.media import browserpath
from passerelle.core.media.browserpath import (
    DeliveryRate,
    receive_window_bytes,
    send_window_bytes,
)


def test_the_rate_is_the_largest_of_late() -> None:
    """A pause does not lower it at once, and what is long past is forgotten."""
    rate = DeliveryRate(0.0)
    for step in range(1, 11):
        rate.arrived(100_000, step * 0.1)
    assert 0.9e6 < rate.bytes_s < 1.1e6
    rate.arrived(0, 2.0)
    assert rate.bytes_s > 0.9e6
    for step in range(browserpath.BINS + 1):
        rate.arrived(1_000, 3.0 + step)
    assert rate.bytes_s < 2_000


def test_the_window_doubles_until_bytes_wait_at_the_relay() -> None:
    short = receive_window_bytes(4e6, 0.1, 0, 0)
    full = receive_window_bytes(4e6, 0.1, 1_000_000, 0)
    assert short > 1.7 * full
    assert full > 4e6 * 0.1
    assert receive_window_bytes(4e6, 0.1, 1_000_000, 50_000) == full + 50_000
    assert receive_window_bytes(0.0, 0.1, 0, 0) == browserpath.LEAST_BYTES
    assert receive_window_bytes(1e9, 1.0, 0, 0) == limits.LINK_WINDOW_CAP_BYTES


def test_a_sender_may_have_under_way_what_the_stack_took_and_a_little_more() -> None:
    assert send_window_bytes(1e6, 0.1, 500_000) == 500_000 + 200_000
    assert send_window_bytes(1e3, 0.1, 0) == browserpath.LEAST_BYTES
