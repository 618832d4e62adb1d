"""What carries a link: a reliable, ordered pipe of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from passerelle.errors import LinkCode, LinkLost


@dataclass(frozen=True, slots=True)
class Windows:
    """How many bytes may be unacknowledged, as far as a transport knows its path."""

    send: int
    """What this end may have unacknowledged."""
    receive: int
    """What the far end may have unacknowledged; 0 leaves it to its own measurements."""
    is_silent: bool = False
    """Whether the relay has fallen silent, so that a sign of life is to be asked for."""


TOLD_STEP = 16
"""A window that changed by more than one part in this many is told at once."""


def is_news(window_bytes: int, told_bytes: int) -> bool:
    """Whether a window differs so much from the one told last that it is told at once."""
    return abs(window_bytes - told_bytes) * TOLD_STEP > told_bytes


class Receiver(Protocol):
    """Takes what arrives on a transport. Called from the event loop; must not block."""

    def message_received(self, message: bytes) -> None:
        """Take one of the link's messages, of at most `limits.LINK_MESSAGE_BYTES`."""

    def control_received(self, text: str) -> None:
        """Take what the relay itself says (`wire.control`)."""

    def windows_changed(self) -> None:
        """Learn that `Transport.windows` may have changed."""

    def transport_lost(self, error: LinkLost) -> None:
        """Learn that nothing more will arrive or leave. Called once."""


class Transport(Protocol):
    """A pipe of messages that is already connected. No method blocks."""

    def start(self, receiver: Receiver) -> None:
        """Deliver to `receiver` from now on. Nothing was delivered before."""

    def send(self, message: bytes) -> None:
        """Queue one message.

        The session's window bounds the queue. A transport whose queue grows beyond
        `limits.TRANSPORT_QUEUE_BYTES` all the same is lost.
        """

    def send_control(self, text: str) -> None:
        """Queue one control message to the relay."""

    def windows(self, rtt_s: float) -> Windows | None:
        """Return the windows of a transport that controls its rate; None if it does not.

        `rtt_s` is the smallest round trip to the far end of the link.
        """

    def close(self, code: LinkCode) -> None:
        """Send what is queued, then close. Idempotent. `transport_lost` is not called any more."""
