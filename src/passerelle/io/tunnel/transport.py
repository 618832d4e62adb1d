"""What a link needs from whatever carries it: a reliable, ordered pipe of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from passerelle.errors import LinkCode, LinkLost


@dataclass(frozen=True, slots=True)
class Windows:
    """What may be unacknowledged, in bytes, for all a transport knows of its path."""

    send: int
    """By us."""
    receive: int
    """By the far end; 0 when it should find out by itself."""


class Receiver(Protocol):
    """Takes what arrives on a transport. Called from the event loop; must not block."""

    def message_received(self, message: bytes) -> None:
        """Take one of the link's messages, at most `limits.LINK_MESSAGE_BYTES`."""

    def control_received(self, text: str) -> None:
        """Take what the relay itself says (`wire.control`)."""

    def windows_changed(self) -> None:
        """Learn that `Transport.windows` has something new to say."""

    def transport_lost(self, error: LinkLost) -> None:
        """Learn, once, that nothing more will arrive or leave."""


class Transport(Protocol):
    """A pipe of messages, already connected."""

    def start(self, receiver: Receiver) -> None:
        """Begin to deliver to `receiver`; nothing was delivered before."""

    def send(self, message: bytes) -> None:
        """Queue one message; never blocks. The session's window bounds the queue, and
        `limits.TRANSPORT_QUEUE_BYTES` closes a transport whose queue grows all the same.
        """

    def send_control(self, text: str) -> None:
        """Queue one control message to the relay; never blocks."""

    def windows(self, rtt_s: float) -> Windows | None:
        """Return the windows of a transport that controls its rate; None if it does not.

        `rtt_s` is the smallest round trip to the far end of the link.
        """

    def close(self, code: LinkCode) -> None:
        """Send what is queued, then close. Idempotent; `transport_lost` is not called after."""
