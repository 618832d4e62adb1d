"""A member of the bus that is no broker: what its garbage costs a match between two brokers.

`python -m bench.attacks.bus URL SUBJECTS KIND` is the attacker, which speaks NATS by itself.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bench.brokerhost import EXIT_KEY, TICKET_KEY
from bench.brokers import REQUEST_TIMEOUT_S, SETTLE_S, Broker, Load
from bench.command import say
from bench.errors import Unmeasured
from bench.machine import cpu_s, rss_bytes
from bench.report import Row, at_most, median, percentile
from passerelle.io.tasks import TaskSet
from passerelle.wire.bus import Subjects
from passerelle.wire.signalling import NatClass
from tests.rig.nats import nats_server

VOLUNTEERS = 8
WARM_MATCHES = 20
SECONDS = 10.0
QUICK_SECONDS = 4.0
RATE_BYTES_S = 125_000
"""1 Mbit/s of messages, beside which NATS has its own lines."""
GARBAGE_BYTES = 27
TRAILING_BYTES = 900_000
TRAILING_MESSAGES = 64
BURSTS_PER_S = 100
SOON_S = 3.0
MIB = 1 << 20


def subjects() -> list[str]:
    """Return the subjects that a broker listens on."""
    found = Subjects(TICKET_KEY.public_key())
    return [found.place(NatClass.UNKNOWN), found.complaint, found.broker, found.link, found.exit]


def payload(kind: str) -> bytes:
    """Return a message of the attacker: bytes at random, or the form of an exit's word with a
    signature that is none, which takes longest to refuse.
    """
    if kind == "garbage":
        return secrets.token_bytes(GARBAGE_BYTES)
    load = msgspec.msgpack.encode(["exit-1", time.time(), 1, 1, 8192, False])
    key = EXIT_KEY.public_key().public_bytes_raw()
    return msgspec.msgpack.encode([key, load, secrets.token_bytes(64)])


def attack(url: str, named: list[str], kind: str) -> None:
    """Send messages at RATE_BYTES_S until the process is ended, or `trailing` ones at once."""
    at = urlsplit(url)
    assert at.hostname is not None
    with socket.create_connection((at.hostname, at.port or 4222)) as connection:
        connection.sendall(b"CONNECT " + json.dumps({"verbose": False}).encode() + b"\r\n")

        def line(subject: str, message: bytes) -> bytes:
            return b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(message), message)

        if kind == "trailing":
            for number in range(TRAILING_MESSAGES):
                fields = [f"broker-{number}", 1, 1, {}, bytes(TRAILING_BYTES)]
                connection.sendall(line(named[0], msgspec.msgpack.encode(fields)))
            connection.sendall(b"PING\r\n")
            while b"PONG" not in connection.recv(65_536):
                pass
            print("begun", flush=True)
            return
        burst = RATE_BYTES_S // BURSTS_PER_S // len(payload(kind))
        due_s = began_s = time.monotonic()
        while True:
            lines = [line(secrets.choice(named), payload(kind)) for _ in range(burst)]
            connection.sendall(b"".join(lines))
            if due_s == began_s:
                print("begun", flush=True)
            due_s += 1 / BURSTS_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))


@asynccontextmanager
async def attacker(url: str, named: list[str], kind: str) -> AsyncIterator[None]:
    """Run the attacker, and end it at the end. `trailing` messages are all sent before."""
    line = [sys.executable, "-m", "bench.attacks.bus", url, ",".join(named), kind]
    process = subprocess.Popen(line, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        if await asyncio.to_thread(process.stdout.readline) != b"begun\n":
            raise Unmeasured("the attacker did not begin")
        yield
        if kind != "trailing" and process.poll() is not None:
            raise Unmeasured("the attacker ended by itself")
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Seen:
    """What honest readers and the two brokers saw in one stretch of time."""

    times_ms: list[float]
    """How long each request took, those included that found nobody."""
    lost: int
    """Requests that found nobody."""
    cpu_s: float
    """Processor time of both brokers together."""
    took_s: float


class Place:
    """Two brokers on one NATS server: one is asked, the other has the volunteers."""

    def __init__(self, url: str, load: Load, log: Path) -> None:
        self.url = url
        self.log = log
        self._load = load
        self._files = [log.open("ab"), log.open("ab")]
        self.brokers = [Broker(url, log=file) for file in self._files]

    @property
    def bare(self) -> Broker:
        """The broker that is asked."""
        return self.brokers[0]

    @property
    def near(self) -> Broker:
        """The broker that has the volunteers."""
        return self.brokers[1]

    def close(self) -> None:
        """End the brokers."""
        for broker, file in zip(self.brokers, self._files, strict=True):
            broker.end()
            file.close()

    async def watch(self, seconds: float) -> Seen:
        """Make matches one after the other."""
        times_ms, lost = [], 0
        cpu_before_s = sum(cpu_s(broker.pid) for broker in self.brokers)
        began_s = time.monotonic()
        while time.monotonic() < began_s + seconds:
            found, took_s = await self._load.match(self.bare.url)
            lost += not found
            times_ms.append(1e3 * took_s)
        took_s = time.monotonic() - began_s
        spent_s = sum(cpu_s(broker.pid) for broker in self.brokers) - cpu_before_s
        return Seen(times_ms, lost, spent_s, took_s)

    def rss(self) -> int:
        """Return the memory of both brokers, in bytes."""
        return sum(rss_bytes(broker.pid) for broker in self.brokers)


async def run(quick: bool) -> list[Row]:
    """Measure matches alone, beside each kind of garbage, and after long messages."""
    seconds = QUICK_SECONDS if quick else SECONDS
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    with nats_server() as server, tempfile.TemporaryDirectory() as folder:
        async with aiohttp.ClientSession(timeout=timeout) as http, TaskSet("volunteers") as tasks:
            load = Load(http)
            place = Place(server.url, load, Path(folder, "log"))
            try:
                for _ in range(VOLUNTEERS):
                    tasks.spawn(load.volunteer(place.near.url).run(), "volunteer")
                await asyncio.sleep(SETTLE_S)
                for _ in range(WARM_MATCHES):
                    await load.match(place.bare.url)
                return [row async for row in _rows(place, seconds)]
            finally:
                place.close()


async def _rows(place: Place, seconds: float) -> AsyncIterator[Row]:
    alone = await place.watch(seconds)
    if alone.lost:
        raise Unmeasured("a volunteer that waits was not found")
    yield Row("bus: match between brokers p50, alone", median(alone.times_ms), "ms", digits=2)
    each_s = alone.cpu_s / len(alone.times_ms)
    rss_before, logged_before = place.rss(), place.log.stat().st_size
    all_of_them = subjects()
    attacks = {"garbage": all_of_them, "forged words": all_of_them[-1:]}
    began_s = time.monotonic()
    for name, named in attacks.items():
        say(f"bus: {name} at 1 Mbit/s")
        async with attacker(place.url, named, name):
            beside = await place.watch(seconds)
        p50 = median(beside.times_ms)
        added = p50 - median(alone.times_ms)
        yield Row(f"bus: p50 beside {name}", p50, "ms", digits=2)
        yield Row(f"bus: p99 beside {name}", percentile(beside.times_ms, 0.99), "ms", digits=2)
        yield Row(f"bus: added to a match by {name}", added, "ms", at_most(3), digits=2)
        yield Row(f"bus: matches lost beside {name}", beside.lost, "", at_most(0), digits=0)
        taken = 100 * (beside.cpu_s - len(beside.times_ms) * each_s) / beside.took_s / 2
        yield Row(f"bus: core taken from each broker by {name}", taken, "%", at_most(25), digits=0)
    say("bus: long messages")
    async with attacker(place.url, [all_of_them[2]], "trailing"):
        after = await place.watch(SOON_S)
    yield Row("bus: matches lost beside long messages", after.lost, "", at_most(0), digits=0)
    grown = (place.rss() - rss_before) / MIB
    yield Row("bus: memory grown of two brokers", grown, "MiB", at_most(8))
    logged = (place.log.stat().st_size - logged_before) / (time.monotonic() - began_s)
    yield Row("bus: log written by two brokers", logged / 1000, "kB/s", at_most(1), digits=2)


def measure(quick: bool) -> Iterator[Row]:
    """Yield the cost of garbage on the bus."""
    yield from asyncio.run(run(quick))


if __name__ == "__main__":
    attack(sys.argv[1], sys.argv[2].split(","), sys.argv[3])
