"""The watch that `serve` keeps over its network's doors: it tries each as a reader would.

A door works if the network's own signed description comes through it, and if a message gets the
broker's receipt, which shows that it says its key as well. Whether WebSockets pass is found out by
opening a link with a ticket, as a reader's program does. A door that fails twice in a row is named
no longer, so that no reader waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from passerelle import limits
from passerelle.errors import ConfigError
from passerelle.keyring import Keyring
from passerelle.reachability import TIMEOUT_S, link_fault
from passerelle.wire import descriptor, doors, rendezvous
from passerelle.wire.descriptor import DoorEntry
from passerelle.wire.ways import NETWORK_PATH, RENDEZVOUS_PATH
from passerelle.wire.websocket import LINK_PATH

PAUSE_S: Final = 20.0
"""Time between two looks at the doors: with two failures, a dead one is left out in a minute."""
FAILURES: Final = 2

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Door:
    entry: DoorEntry
    works: bool = False
    failures: int = 0
    """Failures in a row."""
    fault: str = field(default="it was not tried yet")


class DoorWatch:
    """Tries the doors of one network."""

    def __init__(
        self,
        urls: Sequence[str],
        keys: Keyring,
        exit_id: str,
        *,
        changed: Callable[[], None],
        pause_s: float = PAUSE_S,
    ) -> None:
        """`changed` is called whenever other doors work than before, or otherwise."""
        self._keys = keys
        self._exit_id = exit_id
        self._changed = changed
        self._pause_s = pause_s
        self._doors = [_Door(DoorEntry(url)) for url in urls]

    @property
    def working(self) -> tuple[DoorEntry, ...]:
        """The doors that work, as a descriptor names them."""
        return tuple(door.entry for door in self._doors if door.works)

    @property
    def states(self) -> dict[str, float]:
        """For each door 1 if it works, otherwise 0."""
        return {door.entry.url: float(door.works) for door in self._doors}

    @property
    def faults(self) -> list[str]:
        """A sentence for each door that does not work."""
        return [
            f"--door {door.entry.url} does not work: {door.fault}."
            for door in self._doors
            if not door.works
        ]

    async def run(self) -> None:
        """Try the doors until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as http:
            while self._doors:
                before = self.working
                await self.look(http)
                if self.working != before:
                    self._changed()
                await asyncio.sleep(self._pause_s)

    async def look(self, http: aiohttp.ClientSession) -> None:
        """Try each door once. Cancelling breaks it off."""
        async with asyncio.TaskGroup() as group:
            for door in self._doors:
                group.create_task(self._try(http, door))

    async def _try(self, http: aiohttp.ClientSession, door: _Door) -> None:
        url = door.entry.url
        fault = await self._fault(http, url)
        if fault is None:
            at = f"{url}{LINK_PATH}/{self._exit_id}"
            links = await link_fault(http, at, self._exit_id, self._keys) is None
            if not door.works:
                _log.info(
                    "the door %s works, %s links", url, "also for" if links else "but not for"
                )
            door.entry, door.works, door.failures = DoorEntry(url, links), True, 0
            return
        door.failures += 1
        door.fault = fault
        if door.failures == FAILURES:
            state = "is named no longer" if door.works else "does not work"
            door.works = False
            _log.warning("the door %s %s: %s", url, state, fault)

    async def _fault(self, http: aiohttp.ClientSession, url: str) -> str | None:
        """Return what does not come through a door; None if all does that a reader needs."""
        to = url + RENDEZVOUS_PATH
        try:
            async with http.get(url + NETWORK_PATH, allow_redirects=False) as answer:
                if answer.status != 200:
                    return f"it answers {answer.status} where the network's description belongs"
                document = await _read(answer)
            async with http.post(to, data=doors.TRIAL, allow_redirects=False) as answer:
                receipt = await _read(answer)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"nothing answers ({type(error).__name__})"
        try:
            key = self._keys.operator.public_key().public_bytes_raw()
            descriptor.verify(document, key, now_s=time.time())
        except ConfigError:
            return "something else than this network's description comes through it"
        if receipt == doors.receipt(doors.door_key(self._keys.broker_seal, url)):
            return None
        if answer.content_type == rendezvous.CONTENT_TYPE:
            return "it does not say the key that this broker knows it by"
        return f"it passes no messages on (POST {RENDEZVOUS_PATH} is answered with {answer.status})"


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body, read no further than what would be too long for a description."""
    body = b""
    while len(body) <= limits.DESCRIPTOR_BYTES and (part := await answer.content.readany()):
        body += part
    return body
