"""What both ends of a WebSocket agree on: where links are taken, and what a close code means."""

from __future__ import annotations

from typing import Final

LINK_PATH: Final = "/v1/link"
"""Where an exit takes links, below its public address."""
CLOSE_CODE_BASE: Final = 4000
"""A `LinkCode` is sent as this plus its value when a WebSocket is closed: RFC 6455 §7.4.2 leaves
4000 to 4999 to applications."""
