from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import envelope


@given(st.binary(max_size=2000), st.integers(0, 40_000))
def test_round_trip(payload: bytes, padding_bytes: int) -> None:
    """Padding changes the size only, up to that of a link message."""
    message = envelope.wrap(payload, padding_bytes)
    assert envelope.unwrap(message) == payload
    assert len(message) == min(2 + len(payload) + padding_bytes, limits.LINK_MESSAGE_BYTES)


def test_largest_payload_fits_exactly() -> None:
    """A full payload leaves no room for padding; one byte more is refused."""
    payload = bytes(envelope.PAYLOAD_BYTES)
    assert len(envelope.wrap(payload, 1000)) == limits.LINK_MESSAGE_BYTES
    with pytest.raises(ValueError, match="does not fit"):
        envelope.wrap(payload + b"x", 0)


@pytest.mark.parametrize("message", [b"", b"\0", b"\0\1", b"\0\5abcd", b"\xff\xff"])
def test_a_length_beyond_the_message_is_malformed(message: bytes) -> None:
    """An envelope that announces more than came is refused."""
    with pytest.raises(PeerError) as caught:
        envelope.unwrap(message)
    assert caught.value.code is LinkCode.MALFORMED


@given(st.binary(max_size=300))
def test_garbage_gives_only_peer_errors(message: bytes) -> None:
    """Any bytes either unwrap to a part of themselves or raise PeerError."""
    try:
        payload = envelope.unwrap(message)
    except PeerError:
        return
    assert payload in message
