"""What the engine knows of the path of one link, read from its statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class PathReport:
    """Counts are since the beginning of the link."""

    rate_bit_s: float = 0.0
    """What the engine's congestion control lets this end send; 0 while it does not say."""
    received_bytes: int = 0
    """Bytes of the video that came, in whatever order, but for repeats."""
    lost_packets: int = 0
    """Packets of that video that did not come."""
    lost_there: int = 0
    """Packets of this end's video that did not reach the browser."""


async def read_report(connection: Any) -> PathReport:
    """Return what the engine says of `connection` now. Raises what the engine raises at its end."""
    report = PathReport()
    for entry in (await connection.get_stats()).values():
        match entry.type.value:
            case "candidate-pair":
                report.rate_bit_s = max(report.rate_bit_s, entry.available_outgoing_bitrate or 0.0)
            case "inbound-rtp":
                repeated = entry.retransmitted_bytes_received or 0
                report.received_bytes += (entry.bytes_received or 0) - repeated
                report.lost_packets += max(0, entry.packets_lost or 0)
            case "remote-inbound-rtp":
                report.lost_there += max(0, entry.packets_lost or 0)
    return report
