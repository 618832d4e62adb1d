"""Measure the cost of finding a volunteer at another broker, and the loss when a broker dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

import aiohttp
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.brokerhost import SEAL_PUBLIC
from bench.command import main, say
from bench.errors import Unmeasured
from bench.report import Row, at_most, median, percentile
from passerelle.io.tasks import TaskSet
from passerelle.wire import rendezvous
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.rendezvous import Answer, RendezvousRequest
from passerelle.wire.signalling import VERSION as SIGNALLING_VERSION
from passerelle.wire.signalling import (
    BrokerOffer,
    VolunteerAnswer,
    VolunteerHello,
    VolunteerReady,
    decode_from_broker,
    encode,
)
from tests.rig.nats import nats_server

MEANING = """
Three broker processes on one real NATS server, and volunteers that answer every offer at once. A
match is one sealed request with one offer, until its sealed reply is open. own: the broker asked
has volunteers; across: it has none, and another one's is found over NATS, by turns with the first;
added is the difference. Then requests go to all three without pause, some of them across, and one
broker is killed (SIGKILL). lost in its hands are those under way then that it had been sent, or was
placing for another; lost otherwise are all others. Its volunteers come back to another broker after
a pause by chance, as a page's do.
"""
MATCHES = 400
QUICK_MATCHES = 100
HOST = "127.0.0.1"
VOLUNTEERS = 24
SLOTS = 60
STREAM_S = 8.0
QUICK_STREAM_S = 4.0
CLIENTS = 6
REQUEST_TIMEOUT_S = 10.0
START_S = 15.0
SETTLE_S = 1.0
COMEBACK_S = (0.2, 1.0)


def description(setup: Setup) -> Description:
    """Return a description that differs from all others."""
    return Description(
        ufrag=f"{random.getrandbits(48):012x}",
        pwd=f"{random.getrandbits(96):024x}",
        fingerprint=random.randbytes(32),
        setup=setup,
        candidates=(Candidate(CandidateKind.HOST, "192.0.2.7", 40_000),),
    )


class Broker:
    """One broker process."""

    def __init__(self, bus: str, log: IO[bytes] | None = None) -> None:
        """`log` takes what the process logs; None lets it go to this one's standard error."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.brokerhost", "0", bus], stdout=subprocess.PIPE, stderr=log
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().decode().strip()
        if not port:
            raise Unmeasured("a broker process did not start")
        self.url = f"http://{HOST}:{port}"

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process. Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(timeout=START_S)


class Volunteer:
    """A volunteer that answers every offer, at whichever of its brokers runs."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], offers: Counter[str]) -> None:
        self._http = http
        self._urls = urls
        self._offers = offers

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            url = self._urls[0]
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with self._http.ws_connect(f"{url}/v1/volunteer") as socket:
                    await socket.send_str(
                        encode(VolunteerHello(SIGNALLING_VERSION, "bench", SLOTS))
                    )
                    async for frame in socket:
                        message = decode_from_broker(frame.data)
                        if isinstance(message, BrokerOffer):
                            self._offers[url] += 1
                            answer = VolunteerAnswer(message.offer, description(Setup.ACTIVE))
                            await socket.send_str(encode(answer))
                            await socket.send_str(encode(VolunteerReady(SLOTS)))
            self._urls = self._urls[1:] + self._urls[:1]
            await asyncio.sleep(random.uniform(*COMEBACK_S))


@dataclass(slots=True)
class Tally:
    """The outcome of a series of requests."""

    matched: int = 0
    in_hands: int = 0
    otherwise: int = 0


class Load:
    """Volunteers and clients."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.offers: Counter[str] = Counter()
        """How many offers the volunteers got from each broker."""

    def volunteer(self, *urls: str) -> Volunteer:
        """Return a volunteer that goes to the first of these brokers that runs."""
        return Volunteer(self._http, list(urls), self.offers)

    async def match(self, url: str) -> tuple[bool, float]:
        """Ask for one volunteer; return whether one was found, and how long that took."""
        key = X25519PrivateKey.generate()
        request = RendezvousRequest(
            version=rendezvous.VERSION,
            time_s=int(time.time()),
            nonce=random.randbytes(16),
            reply_key=key.public_key().public_bytes_raw(),
            offers=(description(Setup.ACTPASS),),
        )
        sealed = rendezvous.seal_request(request, SEAL_PUBLIC)
        start_s = time.monotonic()
        try:
            async with self._http.post(f"{url}/v1/rendezvous", data=sealed) as response:
                reply = rendezvous.open_reply(await response.read(), key, request)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return False, time.monotonic() - start_s
        found = bool(reply.answers) and isinstance(reply.answers[0], Answer)
        return found, time.monotonic() - start_s


@asynccontextmanager
async def brokers(bus: str) -> AsyncIterator[list[Broker]]:
    """Yield three broker processes, and end them at the end."""
    made: list[Broker] = []
    try:
        for _ in range(3):
            made.append(Broker(bus))  # noqa: PERF401 (those made must be ended)
        yield made
    finally:
        for broker in made:
            broker.end()


async def across(load: Load, near: Broker, bare: Broker, count: int) -> Iterator[Row]:
    """Compare a broker with volunteers and one without, by turns."""
    times: dict[Broker, list[float]] = {near: [], bare: []}
    for number in range(count + 10):
        for broker in (near, bare):
            found, took_s = await load.match(broker.url)
            if not found:
                raise Unmeasured("a volunteer that waits was not found")
            if number >= 10:
                times[broker].append(1e3 * took_s)
    own, other = times[near], times[bare]
    added = median([far - here for here, far in zip(own, other, strict=True)])
    return iter(
        [
            Row("own p50", median(own), "ms", digits=2),
            Row("own p99", percentile(own, 0.99), "ms", digits=2),
            Row("across p50", median(other), "ms", digits=2),
            Row("across p99", percentile(other, 0.99), "ms", digits=2),
            Row("added by another broker p50", added, "ms", at_most(5), digits=2),
        ]
    )


async def death(load: Load, made: list[Broker], seconds: float) -> Iterator[Row]:
    """Kill one of three brokers while requests are being made."""
    tally = Tally()
    killed_s: float | None = None
    victim = made[2]
    stop_s = time.monotonic() + seconds
    kill_s = stop_s - seconds / 2
    longest_s = 0.0

    async def client(urls: list[str]) -> None:
        nonlocal longest_s
        turn = 0
        while time.monotonic() < stop_s:
            url = urls[turn % len(urls)]
            turn += 1
            if killed_s is not None and url == victim.url:
                continue  # a client would ask another broker now
            began_s = time.monotonic()
            found, took_s = await load.match(url)
            if found:
                tally.matched += 1
                longest_s = max(longest_s, took_s)
            elif began_s <= (killed_s or began_s) and (url == victim.url or killed_s is not None):
                tally.in_hands += 1
            else:
                tally.otherwise += 1
            await asyncio.sleep(0)

    async def kill() -> None:
        nonlocal killed_s
        await asyncio.sleep(kill_s - time.monotonic())
        victim.end(signal.SIGKILL)
        killed_s = time.monotonic()

    before = load.offers[victim.url]
    urls = [broker.url for broker in made]
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(urls[number % 3 :] + urls[: number % 3]))
        group.create_task(kill())
    say(f"the killed broker had placed {load.offers[victim.url] - before} offers")
    return iter(
        [
            Row("killed: matches", tally.matched, "", digits=0),
            Row("killed: lost in its hands", tally.in_hands, "", digits=0),
            Row("killed: lost otherwise", tally.otherwise, "", at_most(0), digits=0),
            Row("killed: longest match", 1e3 * longest_s, "ms"),
        ]
    )


async def run(quick: bool) -> list[Row]:
    """Run both measurements."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    with nats_server() as bus:
        async with (
            brokers(bus.url) as made,
            aiohttp.ClientSession(timeout=timeout, connector=connector) as http,
            TaskSet("volunteers") as tasks,
        ):
            load = Load(http)
            bare, near, third = made
            for number in range(VOLUNTEERS):
                home, other = (near, third) if number % 2 else (third, near)
                tasks.spawn(load.volunteer(home.url, other.url).run(), "volunteer")
            await asyncio.sleep(SETTLE_S)
            rows = list(await across(load, near, bare, QUICK_MATCHES if quick else MATCHES))
            rows += await death(load, made, QUICK_STREAM_S if quick else STREAM_S)
            return rows


def measure(quick: bool) -> Iterator[Row]:
    """Yield the cost of another broker, then the cost of a broker's death."""
    yield from asyncio.run(run(quick))


if __name__ == "__main__":
    main("brokers", measure, MEANING)
