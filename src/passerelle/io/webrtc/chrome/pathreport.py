"""What the engine knows of the path of one link, read from its statistics.

Each question costs a millisecond of work, for all that the answer tells beside. What a receiver
tells is the least that says how a download fares. Its sender is asked more seldom: the browser's
reports come to it about once a second.
"""

from __future__ import annotations

import math
from typing import Any

SENDER_S = 0.5
"""Time between two questions to the sender."""


class PathReport:
    """The last answers. Counts are since the beginning of the link."""

    def __init__(self, transceiver: Any) -> None:
        """Ask the two ends of the link's video, which `transceiver` has."""
        self._transceiver = transceiver
        self._asked_at = -math.inf
        self.rate_bit_s = 0.0
        """What the engine's congestion control lets this end send; 0 while it does not say."""
        self.received_bytes = 0
        """Bytes of the video that came, in whatever order, but for repeats."""
        self.lost_packets = 0
        """Packets of that video that did not come."""
        self.lost_there = 0
        """Packets of this end's video that did not reach the browser."""

    async def renew(self, now: float) -> None:
        """Ask the engine. Raises what the engine raises at its end."""
        for entry in (await self._transceiver.receiver.get_stats()).values():
            match entry.type.value:
                case "candidate-pair":
                    self.rate_bit_s = entry.available_outgoing_bitrate or 0.0
                case "inbound-rtp":
                    repeated = entry.retransmitted_bytes_received or 0
                    self.received_bytes = (entry.bytes_received or 0) - repeated
                    self.lost_packets = max(0, entry.packets_lost or 0)
        if now - self._asked_at < SENDER_S:
            return
        self._asked_at = now
        for entry in (await self._transceiver.sender.get_stats()).values():
            if entry.type.value == "remote-inbound-rtp":
                self.lost_there = max(0, entry.packets_lost or 0)
