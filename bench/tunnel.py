"""Measure how much of a bare relay's speed is left when all of our code is in use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench import bare, world
from bench.bare import Bare
from bench.command import say
from bench.machine import cpu_s, family_cpu_s
from bench.report import Row, at_least, median
from bench.world import Client, Engine, World
from tests.rig.ports import free_port

MEANING = """
raw: a minimal page copies 16 KiB messages between a bare DataChannel (aiortc, uvloop) and a
WebSocket (aiohttp, uvloop), without any protocol of ours. tunnel: an application's download or
upload through the proxy: application, client, a real Chromium with the widget, servers and site,
each a process of its own. Both run on this machine, by turns, over connections that are open
already; rates are medians. ratio is the median of tunnel ÷ raw of neighbouring runs: 1 would mean
that TLS, session, HTTP/2 and proxy cost nothing. client CPU is what the client used per MiB, with
the process of Chrome's engine where it has one, and in the bare case aiortc alone; it depends less
on what else the machine does.
"""
RUNS = 7
BYTES = 32 << 20
QUICK_RUNS = 5
QUICK_BYTES = 8 << 20
TIMEOUT_S = 90.0
MIB = 1 << 20
RATIO = at_least(0.9)
DIRECTIONS = ("down", "up")


@dataclass(frozen=True, slots=True)
class Transfer:
    """The figures of one transfer."""

    mbit_s: float
    cpu_s: float
    """The processor time that the client's process used for it."""


def measure(quick: bool, engine: Engine) -> Iterator[Row]:
    """Yield the rates and their ratio, for each direction."""
    runs, size = (QUICK_RUNS, QUICK_BYTES) if quick else (RUNS, BYTES)
    with world.loopback(engine) as here:
        host = here.hosts.client
        origin = bare.server(host, free_port())
        raw = Bare(host, world.browse(host, origin.rstrip("/")), f"{origin}?relay")
        client = here.client()
        pairs: dict[str, list[tuple[Transfer, Transfer]]] = {name: [] for name in DIRECTIONS}
        # The first pair of each direction only warms everything up.
        for number in range(runs + 1):
            for direction in DIRECTIONS:
                pair = _raw(raw, direction, size), _tunnel(here, client, direction, size)
                if number:
                    pairs[direction].append(pair)
                    rates = f"raw {pair[0].mbit_s:.0f}, tunnel {pair[1].mbit_s:.0f}"
                    say(f"{direction} {number}/{runs}: {rates} Mbit/s")
    for direction in DIRECTIONS:
        yield from _rows(direction, pairs[direction], size / MIB)


def _rows(direction: str, pairs: list[tuple[Transfer, Transfer]], mib: float) -> Iterator[Row]:
    ratio = median([ours.mbit_s / bare_.mbit_s for bare_, ours in pairs])
    for name, transfers in zip(("raw", "tunnel"), zip(*pairs, strict=True), strict=True):
        yield Row(
            f"{direction} {name}_mbit_s", median([each.mbit_s for each in transfers]), "Mbit/s"
        )
    yield Row(f"{direction} ratio", ratio, "", RATIO, digits=2)
    for name, transfers in zip(("raw", "tunnel"), zip(*pairs, strict=True), strict=True):
        cpu_ms = 1e3 * median([each.cpu_s for each in transfers]) / mib
        yield Row(f"{direction} {name} client CPU", cpu_ms, "ms/MiB")


def _raw(raw: Bare, direction: str, size: int) -> Transfer:
    before_s = cpu_s(raw.pid)
    rate = raw.mbit_s(direction, size=size)
    return Transfer(rate, cpu_s(raw.pid) - before_s)


def _tunnel(here: World, client: Client, direction: str, size: int) -> Transfer:
    before_s = family_cpu_s(client.child.pid)
    result = here.run(client, direction, timeout_s=TIMEOUT_S, bytes=size)
    rate = result["bytes"] * 8 / result["seconds"] / 1e6
    return Transfer(rate, family_cpu_s(client.child.pid) - before_s)


if __name__ == "__main__":
    world.main("tunnel", measure, MEANING)
