"""A volunteer's program in a test network, and what watches it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from passerelle.io.tasks import TaskSet
from passerelle.io.webrtc.chrome.process import ProcessEngine
from passerelle.volunteer.config import VolunteerConfig
from passerelle.volunteer.service import Volunteer
from passerelle.volunteer.status import Status
from tests.network import KEYS, Network

SOON_S = 15.0


class Running:
    """A running volunteer, and what it has shown."""

    def __init__(self, config: VolunteerConfig) -> None:
        self.shown: list[Status] = []
        self._news = asyncio.Event()
        self.program = Volunteer(config, ProcessEngine(), self._observe)

    def _observe(self, status: Status) -> None:
        self.shown.append(status)
        self._news.set()

    async def until(self, reached: Callable[[Status], bool]) -> Status:
        """Return the first status from now on that is as it should be."""
        async with asyncio.timeout(SOON_S):
            while not reached(status := self.program.status()):
                self._news.clear()
                await self._news.wait()
        return status


@asynccontextmanager
async def volunteering(net: Network, **changes: Any) -> AsyncIterator[Running]:
    """Yield a volunteer that is connected to the network's broker, and close it in the end."""
    usual = {"invite": KEYS.invite(net.url), "mbit": math.inf, "flows_a_day": None, "tests": False}
    running = Running(VolunteerConfig(**{**usual, **changes}))
    await running.program.start()
    async with TaskSet("test") as tasks:
        tasks.spawn(running.program.run(), "volunteer")
        try:
            await running.until(lambda status: status.state != "connecting")
            yield running
        finally:
            await running.program.close()
