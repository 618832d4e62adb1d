"""Measure whether a page stays quick during a download."""

from __future__ import annotations

from collections.abc import Iterator

from bench import world
from bench.command import say
from bench.errors import Unmeasured
from bench.report import Row, at_most, percentile
from bench.world import Client, Engine, World, laboratory
from tests.lab import Wan

MEANING = """
Small messages to an echo, one every 50 ms on one connection through the tunnel: while nothing else
happens (idle), and during an endless download through the same link (busy). The way between client
and volunteer, in network namespaces, carries 10 Mbit/s each way, has 20 ms of round trip, and a
queue of 256 KiB, which is 210 ms when it is full: added is how much of such a queue a page feels,
the difference of the two 95th percentiles.
"""
WAY = Wan(delay_ms=10, rate_mbit=10, queue_kb=256)
INTERVAL_S = 0.05
PINGS = 400
QUICK_PINGS = 120
RAMP_S = 3.0
LONGEST_S = 600.0
TIMEOUT_S = 120.0


def measure(quick: bool, engine: Engine) -> Iterator[Row]:
    """Yield the echo's round trips, without and with a download."""
    pings = QUICK_PINGS if quick else PINGS
    with laboratory(up=WAY, down=WAY, engine=engine) as distant:
        place = distant.world
        client = place.client()
        world.settle()
        idle = _echo(place, client, pings)
        download = place.app(client, "down", seconds=LONGEST_S)
        world.settle(RAMP_S)
        busy = _echo(place, client, pings)
        if not download.alive:
            raise Unmeasured(f"the download ended before the echo: {download.text()[-500:]}")
        download.process.terminate()
        result = download.result(timeout_s=TIMEOUT_S)
        distant.check()
    rate = result["bytes"] * 8 / result["seconds"] / 1e6
    say(f"download beside the echo: {rate:.1f} Mbit/s")
    idle_ms, busy_ms = percentile(idle, 0.95), percentile(busy, 0.95)
    yield Row("idle p50", percentile(idle, 0.5), "ms")
    yield Row("idle p95", idle_ms, "ms")
    yield Row("busy p50", percentile(busy, 0.5), "ms")
    yield Row("busy p95", busy_ms, "ms")
    yield Row("added p95", busy_ms - idle_ms, "ms", at_most(50))
    yield Row("download", rate, "Mbit/s")


def _echo(place: World, client: Client, pings: int) -> list[float]:
    result = place.run(client, "echo", timeout_s=TIMEOUT_S, count=pings, interval=INTERVAL_S)
    times: list[float] = result["rtt_ms"]
    return times


if __name__ == "__main__":
    world.main("latency", measure, MEANING)
