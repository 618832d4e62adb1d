"""Measure a volunteer who stays: the program without a screen, and the browser's extension."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from bench import command, extended, idle
from bench.command import say
from bench.download import mbit_s
from bench.errors import Unmeasured
from bench.machine import family_cpu_s, family_pss_bytes
from bench.people import people
from bench.report import Row, at_least, at_most, median
from passerelle import limits
from passerelle.volunteer.network import NetworkSource
from passerelle.volunteer.ratetest import RateTest
from passerelle.wire import signalling
from passerelle.wire.invite import parse
from passerelle.wire.signalling import BrokerWelcome, VolunteerHello
from tests.rig.program import PASSERELLE, Program
from tests.rig.site import Site
from tests.rig.way import Way

MEANING = f"""
Everything runs on this machine, each part a process of its own. Without a screen: `passerelle
volunteer` carries downloads of one client with Chrome's engine, and shares the machine with that
client, the servers and the site; processor time is that of its two processes. Many people are
clients with one link each that carry nothing. The end of both processes is the last packet's
latest time. Everywhere {idle.MEANING.strip()} The extension: {extended.MEANING.strip()}
"""
ONLY = ("headless", "test", "people", "idle", "extension")
FILE_BYTES = 192_000_000
QUICK_FILE_BYTES = 64_000_000
RUNS = 3
PEOPLE = 200
QUICK_PEOPLE = 50
IDLE_S = 30.0
QUICK_IDLE_S = 10.0
SETTLE_S = 5.0
"""How long to wait after the last connection is open until all is quiet."""
STOPS = 3


def measure(quick: bool, only: str | None) -> Iterable[Row]:
    """Yield all rows, or those of one part."""
    return asyncio.run(_measure(quick, only))


async def _measure(quick: bool, only: str | None) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as name:
        folder = Path(name)
        if only in (None, "headless"):
            rows += await _headless(folder, quick)
        if only in (None, "test"):
            rows += await _test(folder)
        if only in (None, "people"):
            rows += await _people(folder, quick)
        if only in (None, "idle"):
            rows += await _idle(folder, idle.QUICK_IDLE_S if quick else idle.IDLE_S)
        if only in (None, "extension"):
            rows += await extended.measure(folder, quick)
    return rows


@asynccontextmanager
async def volunteer(folder: Path, invite: str, *options: str) -> AsyncIterator[Program]:
    """Run a volunteer's program until it waits for people, and end it."""
    words = ("volunteer", "--invite", invite, "--state", str(folder), "--flows-a-day", "0")
    async with Program(*PASSERELLE, *words, *options) as program:
        await program.expect("Waiting for people")
        yield program


async def _headless(folder: Path, quick: bool) -> list[Row]:
    size = QUICK_FILE_BYTES if quick else FILE_BYTES
    async with Site() as site:
        policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
        async with Way(folder / "way", None, *policy) as way:
            rates, ms_per_mib = [], []
            async with (
                volunteer(folder / "volunteer", way.invite) as program,
                way.client() as (client, port),
            ):
                await client.expect("Connected through a volunteer")
                await mbit_s(port, site, size // 4)
                for _ in range(RUNS):
                    used_s = family_cpu_s(program.pid)
                    rates.append(await mbit_s(port, site, size))
                    used_s = family_cpu_s(program.pid) - used_s
                    ms_per_mib.append(1e3 * used_s / (size / limits.MIB))
            say(f"Mbit/s: {rates}; ms per MiB: {ms_per_mib}")
            stops_s = [await _stop(folder, way, site) for _ in range(STOPS)]
            say(f"stops: {stops_s}")
    return [
        Row("headless: relayed", median(rates), "Mbit/s", at_least(100)),
        Row("headless: processor time", median(ms_per_mib), "ms/MiB", at_most(20)),
        Row("headless: from SIGTERM to its end, slowest", max(stops_s), "s", at_most(2), 2),
    ]


async def _stop(folder: Path, way: Way, site: Site) -> float:
    """Return how long a volunteer that carries a download takes to end."""
    async with (
        volunteer(folder / "volunteer", way.invite) as program,
        way.client() as (client, port),
    ):
        await client.expect("Connected through a volunteer")
        url = f"http://127.0.0.1:{site.port}/bytes/{FILE_BYTES}?slow=0"
        words = ("--socks5-hostname", f"127.0.0.1:{port}", "--output", "/dev/null", url)
        async with Program("curl", "--silent", "--noproxy", "", *words):
            await program.expect("Helping 1")
            await asyncio.sleep(1.0)
            start_s = time.monotonic()
            await program.stop()
            return time.monotonic() - start_s


async def _test(folder: Path) -> list[Row]:
    """Measure what finding out the rate takes before anybody is helped."""
    took_s, moved = [], []
    async with (
        Way(folder / "tested", None, "--allow", "127.0.0.0/8") as way,
        aiohttp.ClientSession() as http,
    ):
        descriptor = await NetworkSource(parse(way.invite).plain, http).describe()
        broker = f"{descriptor.brokers[0].url}/v1/volunteer"
        for _ in range(RUNS):
            async with http.ws_connect(broker) as socket:
                hello = VolunteerHello(signalling.VERSION, "bench", 0)
                await socket.send_str(signalling.encode(hello))
                welcome = signalling.decode_from_broker(await socket.receive_str())
            if not isinstance(welcome, BrokerWelcome) or welcome.test is None:
                raise Unmeasured("the broker gave no ticket for a test")
            at = descriptor.exit(welcome.test.exit)
            test = RateTest(http, limits.RATE_TEST_BYTES)
            start_s = time.monotonic()
            rates = at and await test.run(at.url, welcome.test.ticket)
            took_s.append(time.monotonic() - start_s)
            moved.append(test.moved_bytes)
            if not rates:
                raise Unmeasured("the exit did not answer the test")
            say(f"test: {took_s[-1]:.2f} s, {rates.down_mbit:g} down, {rates.up_mbit:g} up")
    return [
        Row("headless: test of the rate before the first start", max(took_s), "s", at_most(5), 2),
        Row("headless: what it moves, both ways", max(moved) / 1e6, "MB", at_most(4)),
    ]


async def _idle(folder: Path, idle_s: float) -> list[Row]:
    async with Way(folder / "idle", None, "--allow", "127.0.0.0/8") as way:
        async with volunteer(folder / "waiting", way.invite) as program:
            rows = await idle.program(program.pid, idle_s)
        return rows + await idle.measure(folder, way, idle_s)


async def _people(folder: Path, quick: bool) -> list[Row]:
    count, idle_s = (QUICK_PEOPLE, QUICK_IDLE_S) if quick else (PEOPLE, IDLE_S)
    async with people() as crowd:
        options = ("--people", str(limits.VOLUNTEER_PEOPLE))
        async with volunteer(folder / "crowd", crowd.invite, *options) as program:
            alone = family_pss_bytes(program.pid)
            start_s = time.monotonic()
            await crowd.connect(count)
            say(f"{count} people connected in {time.monotonic() - start_s:.0f} s")
            await asyncio.sleep(SETTLE_S)
            used_s = family_cpu_s(program.pid)
            await asyncio.sleep(idle_s)
            used_s = family_cpu_s(program.pid) - used_s
            memory = family_pss_bytes(program.pid)
            found = await program.expect(rf"Helping ({count}) of", timeout_s=1.0)
            if program.returncode is not None:
                raise Unmeasured("the volunteer's program has ended")
    return [
        Row("headless: people connected at once", int(found[1]), "", at_least(PEOPLE), 0),
        Row("headless: memory with them", memory / 1e6, "MB", at_most(2048), 0),
        Row("headless: memory of each", (memory - alone) / count / 1e6, "MB", None, 2),
        Row("headless: processor while they idle", 100 * used_s / idle_s, "% of a core"),
    ]


def main() -> None:
    """Parse the options, measure and print."""
    parser = command.parser("volunteer", MEANING)
    parser.add_argument("--only", choices=ONLY, help="measure one part")
    options = parser.parse_args()
    command.run("volunteer", partial(measure, only=options.only), MEANING, options)


if __name__ == "__main__":
    main()
