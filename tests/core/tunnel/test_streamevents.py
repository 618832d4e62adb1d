from __future__ import annotations

from passerelle.core.tunnel.streamevents import FlowRequested, Received, Requested


def test_repr_hides_destination_and_payload() -> None:
    """Neither the address nor the bytes can reach a log through an event."""
    assert "example" not in repr(Requested(1, "example.com", 443))
    assert "example" not in repr(FlowRequested(1, "example.com", 443))
    assert "secret" not in repr(Received(1, b"secret", 6))
