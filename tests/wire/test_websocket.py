from __future__ import annotations

from passerelle.errors import LinkCode
from passerelle.wire.websocket import CLOSE_CODE_BASE, LINK_PATH


def test_every_link_code_is_a_close_code_of_an_application() -> None:
    """A code is one byte in a frame, and 4000 + value when a WebSocket is closed (RFC 6455)."""
    assert all(0 <= code <= 255 for code in LinkCode)
    assert all(4000 <= CLOSE_CODE_BASE + code <= 4999 for code in LinkCode)


def test_the_path_is_what_the_protocol_says() -> None:
    """The path stays `/v1/link`, because descriptors name it."""
    assert LINK_PATH == "/v1/link"
