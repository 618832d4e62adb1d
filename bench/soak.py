"""Hold a client under a mild load for half an hour, and measure whether it grows."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

from bench import command, steady, world
from bench.command import say
from bench.errors import Unmeasured
from bench.machine import family, family_cpu_s, family_pss_bytes, renderers, rss_bytes
from bench.report import Row, at_most
from bench.world import Client, Engine, World, loopback

MEANING = """
One client with one volunteer, a real Chromium on the same machine, downloads at 8 Mbit/s and
uploads at 2 Mbit/s; each minute's bytes are checked at their ends. After each minute the memory,
the open files and the threads of the client with its engine's process are counted, the links that
it has made so far, and the memory of the exit and of the volunteer's pages. Growth is the slope of
the straight line through all minutes after the fifth, in an hour: until then buffers and allocators
find their size.
"""
MINUTES, QUICK_MINUTES = 30, 3
WARM_MINUTES, QUICK_WARM_MINUTES = 5, 0
DOWN_BYTES_S, UP_BYTES_S = 1_000_000, 250_000
MINUTE_S = 60
LATE_S = 240.0
"""How much later than its minute a transfer may end, on a machine that does other things."""
LINK_UP = "    welcome"
"""What `passerelle client -v` prints for each link that is open."""
GROWTH_MOST_MB = 6.0
"""The most that may be growth and not noise: what a link holds, 10 MiB, would be lost in hours."""


@dataclass(frozen=True, slots=True)
class Count:
    """What is in use after a minute."""

    client_mb: float
    exit_mb: float
    pages_mb: float
    files: int
    threads: int
    links: int
    """How many it has made since it began."""
    cpu_pct: float
    """Of one core, over the minute."""


def measure(minutes: int | None, engine: Engine, quick: bool) -> Iterator[Row]:
    """Yield what the client uses at the beginning and the end, and what grows."""
    minutes = minutes or (QUICK_MINUTES if quick else MINUTES)
    with loopback(engine) as place:
        client = place.client()
        counts = []
        for minute in range(1, minutes + 1):
            counts.append(_minute(place, client))
            say(f"minute {minute}: {counts[-1]}")
    steadied = counts[QUICK_WARM_MINUTES if quick else WARM_MINUTES :]
    if len(steadied) < 2:
        raise Unmeasured("a line needs two minutes more than those that are not counted")
    for name, unit, at in (
        ("client", "MB", 0),
        ("exit", "MB", 1),
        ("pages", "MB", 2),
        ("client's files", "", 3),
        ("client's threads", "", 4),
        ("client's links", "", 5),
        ("client's processor", "% of a core", 6),
    ):
        values = [float(astuple(count)[at]) for count in steadied]
        slope = statistics.linear_regression(range(len(values)), values).slope
        bound = at_most(GROWTH_MOST_MB) if name == "client" else None
        yield Row(f"{name}, first", values[0], unit)
        yield Row(f"{name}, last", values[-1], unit)
        yield Row(f"{name}, growth", slope * 60, f"{unit} an hour", bound)


def _minute(place: World, client: Client) -> Count:
    """Transfer for a minute both ways, check it, and count."""
    before_s, start_s = family_cpu_s(client.child.pid), time.monotonic()
    moves = {
        size: place.app(client, name, bytes=size, rate=rate)
        for name, rate in (("pull", DOWN_BYTES_S), ("push", UP_BYTES_S))
        for size in (rate * MINUTE_S,)
    }
    for size, move in moves.items():
        told = move.result(timeout_s=MINUTE_S + LATE_S)
        if told["sha256"] != steady.digest(size):
            raise Unmeasured(f"{told['bytes']} of {size} bytes came, or others than were sent")
    pid = client.child.pid
    cpu_pct = (family_cpu_s(pid) - before_s) / (time.monotonic() - start_s) * 100
    return Count(
        client_mb=family_pss_bytes(pid) / 1e6,
        exit_mb=rss_bytes(place.server.pid) / 1e6,
        pages_mb=sum(map(rss_bytes, renderers(place.volunteer.pid))) / 1e6,
        files=_entries(pid, "fd"),
        threads=_entries(pid, "task"),
        links=client.child.text().count(LINK_UP),
        cpu_pct=cpu_pct,
    )


def _entries(pid: int, folder: str) -> int:
    """Count what a process and its descendants have of one kind (proc(5))."""
    count = 0
    for each in family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            count += len(list(Path(f"/proc/{each}/{folder}").iterdir()))
    return count


def main() -> None:
    """Parse the options and measure."""
    parser = command.parser("soak", MEANING)
    world.add_engine(parser)
    parser.add_argument("--minutes", type=int, help="how long the load lasts")
    options = parser.parse_args()
    command.run("soak", partial(measure, options.minutes, options.engine), MEANING, options)


if __name__ == "__main__":
    main()
