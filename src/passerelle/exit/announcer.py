"""What an exit tells the brokers over the bus: how its links did, and how busy it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from passerelle.exit.reports import LinkReport
from passerelle.io.server.bus import Bus
from passerelle.io.tasks import TaskSet
from passerelle.wire import bus
from passerelle.wire.bus import ExitLoad, LinkOutcome, Subjects

ANNOUNCE_S: Final = 2.0
"""Time between two announcements; a broker takes an exit for gone after five times as long."""


class Announcer:
    """Reports on a bus how an exit's links did (a `Reporter`), and announces the exit's load."""

    def __init__(self, channel: Bus, subjects: Subjects) -> None:
        self._bus = channel
        self._subjects = subjects
        self._tasks = TaskSet("announcer")

    def link_ended(self, report: LinkReport) -> None:
        """Publish a report (`Reporter.link_ended`). While the bus is away, reports are lost."""
        message = LinkOutcome(
            exit_id=report.exit_id,
            ticket_id=report.ticket_id,
            joined=report.joined,
            received_bytes=report.received_bytes,
            sent_bytes=report.sent_bytes,
            duration_s=report.duration_s,
            rate_bytes_s=report.rate_bytes_s,
            rtt_s=report.rtt_s,
            reason=report.reason,
        )
        self._bus.publish(self._subjects.link, bus.encode(message))

    def announce(self, load: Callable[[], ExitLoad]) -> None:
        """Publish how busy the exit is, now and every `ANNOUNCE_S` until `close`."""
        self._tasks.spawn(self._announce(load), "announce")

    async def close(self) -> None:
        """Announce nothing more. Idempotent."""
        await self._tasks.close()

    async def _announce(self, load: Callable[[], ExitLoad]) -> None:
        while True:
            self._bus.publish(self._subjects.exit, bus.encode(load()))
            await asyncio.sleep(ANNOUNCE_S)
