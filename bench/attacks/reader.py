"""A reader's links, for attacks on them: `python -m bench.attacks.reader ENGINE`.

Only the interface of channels is used (`LinkOffer` and the `Transport` it leads to), so any engine
that has it can be attacked. Commands are lines of JSON on standard input, and each is
answered by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import uvloop

from passerelle.errors import LinkLost
from passerelle.io.webrtc.chrome.library import NoEngine
from passerelle.io.webrtc.engine import Engine, LinkOffer, choose
from passerelle.wire.description import Description

CONNECT_S = 20.0
MEMORY_BYTES = 8 << 30
"""Address space of the reader, so that an attack on its memory is none on the machine. Chrome's
engine reserves gigabytes of it that it never touches."""


class Taker:
    """Counts what arrives on a link within a time."""

    def __init__(self) -> None:
        self.size = 0
        self.longest_silence_s = 0.0
        self.lost = ""
        self._last_s = self._until_s = time.monotonic()
        self._changed = asyncio.Event()

    def begin(self, seconds: float) -> None:
        """Count for so long from now on."""
        self.size, self.longest_silence_s = 0, 0.0
        self._last_s = time.monotonic()
        self._until_s = self._last_s + seconds

    async def until(self, size: int) -> None:
        """Return once so many bytes have come; raise TimeoutError when the time is over."""
        async with asyncio.timeout(max(0.0, self._until_s - time.monotonic())):
            while self.size < size and not self.lost:
                self._changed.clear()
                await self._changed.wait()

    def message_received(self, message: bytes) -> None:
        """Count a message."""
        now = time.monotonic()
        self.longest_silence_s = max(self.longest_silence_s, now - self._last_s)
        self._last_s = now
        if now <= self._until_s:
            self.size += len(message)
            self._changed.set()

    def control_received(self, text: str) -> None:
        """Do nothing: the relays of this bench say nothing."""

    def windows_changed(self) -> None:
        """Do nothing: nothing is sent."""

    def transport_lost(self, error: LinkLost) -> None:
        """Remember why."""
        self.lost = error.code.name
        self._changed.set()


class Reader:
    """The links of one reader, by name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._offers: dict[str, LinkOffer] = {}
        self._takers: dict[str, Taker] = {}
        self._kept: set[asyncio.Task[None]] = set()

    async def obey(self, said: dict[str, Any]) -> dict[str, Any]:
        """Do what one command says, and return the answer."""
        commands: dict[str, Callable[[dict[str, Any]], Any]] = {
            "offer": self._offer,
            "connect": self._connect,
            "begin": self._begin,
            "count": self._count,
        }
        answer: dict[str, Any] = await commands[said["do"]](said)
        return answer

    async def _offer(self, said: dict[str, Any]) -> dict[str, Any]:
        offer = await self._engine.gather(private=True, media=said["media"])
        self._offers[said["link"]] = offer
        return {"description": msgspec.json.encode(offer.description).decode()}

    async def _connect(self, said: dict[str, Any]) -> dict[str, Any]:
        """Begin to connect, and wait for it if that is asked for."""
        taker = self._takers[said["link"]] = Taker()
        answer = msgspec.json.decode(said["answer"], type=Description)
        work = asyncio.create_task(self._run(self._offers[said["link"]], answer, taker))
        self._kept.add(work)
        if said["wait"]:
            await work
        return {"lost": taker.lost}

    async def _run(self, offer: LinkOffer, answer: Description, taker: Taker) -> None:
        try:
            transport = await offer.connect(answer, timeout_s=CONNECT_S)
        except LinkLost as error:
            taker.transport_lost(error)
            return
        transport.start(taker)

    async def _begin(self, said: dict[str, Any]) -> dict[str, Any]:
        self._takers[said["link"]].begin(said["seconds"])
        return {}

    async def _count(self, said: dict[str, Any]) -> dict[str, Any]:
        """Tell what arrived, once all has or the time is over."""
        taker = self._takers[said["link"]]
        with contextlib.suppress(TimeoutError):
            await taker.until(said["size"])
        return {"bytes": taker.size, "silence_s": taker.longest_silence_s, "lost": taker.lost}


def engine_names() -> list[str]:
    """Return the names of the engines that this machine has."""
    try:
        choose("chrome")
    except NoEngine:
        return ["python"]
    return ["python", "chrome"]


def find(name: str) -> Engine:
    """Return what makes a reader's channels. Raises NoEngine."""
    return choose("chrome" if name == "chrome" else "python")[0]


async def run(engine: Engine) -> None:
    """Obey the lines on standard input until they end."""
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    reader = Reader(engine)
    async for line in lines:
        print(json.dumps(await reader.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    uvloop.run(run(find(sys.argv[1])))
