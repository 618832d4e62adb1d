"""What an exit tells the brokers over the bus: how its links did, and how busy it is.

It signs each word with the key that the network's descriptor names it by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.exit.reports import LinkReport
from passerelle.io.server.bus import Bus
from passerelle.io.tasks import TaskSet
from passerelle.wire import bus_signature
from passerelle.wire.bus import ExitLoad, LinkOutcome, Subjects

ANNOUNCE_S: Final = 2.0
"""Time between two announcements; a broker takes an exit for gone after five times as long."""


class Announcer:
    """Reports on a bus how an exit's links did (a `Reporter`), and announces the exit's load."""

    def __init__(self, channel: Bus, subjects: Subjects, key: Ed25519PrivateKey) -> None:
        """`key` is the exit's own, with which it also proves itself in links."""
        self._bus = channel
        self._subjects = subjects
        self._key = key
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
        subject = self._subjects.link
        self._bus.publish(subject, bus_signature.sign(message, subject, self._key))

    def announce(self, load: Callable[[], ExitLoad]) -> None:
        """Publish how busy the exit is, now and every `ANNOUNCE_S` until `close`."""
        self._tasks.spawn(self._announce(load), "announce")

    async def close(self) -> None:
        """Announce nothing more. Idempotent."""
        await self._tasks.close()

    async def _announce(self, load: Callable[[], ExitLoad]) -> None:
        while True:
            subject = self._subjects.exit
            self._bus.publish(subject, bus_signature.sign(load(), subject, self._key))
            await asyncio.sleep(ANNOUNCE_S)
