"""What one exit worker on one core carries."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.command import main, say
from bench.errors import Unmeasured
from bench.exitload import LINK_S, LoadedExit, answers, exit_load, tell
from bench.machine import cpu_s, rss_bytes
from bench.report import Row, at_least, at_most
from tests.lab import Child

MEANING = """
One `passerelle exit` worker, pinned to the first core; site and load are other processes: real
clients' sessions (TLS, session, HTTP/2) whose links are WebSockets on loopback, without a browser.
stream payload: what applications received in 8 s, all streams of 8 sessions with three links each.
On a machine with two cores load and site share the other one and are the bottleneck; so "per core"
says what the worker would carry with a core of its own: payload divided by the processor time that
it used. idle: 2,000 sessions with three links each; the worker's memory by session. streams: so
many open at once in 25 sessions, then opened and broken off again as fast as it goes.
"""
SECONDS = 8.0
QUICK_SECONDS = 3.0
LOADS = 2
SESSIONS = 4
"""Sessions of each process that makes load."""
LINKS = 3
IDLE_LOADS = 4
IDLE_SESSIONS = 500
QUICK_IDLE_SESSIONS = 100
HOLD_SESSIONS = 25
HOLD_STREAMS = 200
CHURN_AT_ONCE = 4
GB = 1e9
KB = 1000


def measure(quick: bool) -> Iterator[Row]:
    """Yield rate, processor time, memory and numbers of streams."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with exit_load() as here:
        yield from _throughput(here, seconds)
    with exit_load() as here:
        yield from _streams(here, seconds)
    with exit_load() as here:
        yield from _idle(here, QUICK_IDLE_SESSIONS if quick else IDLE_SESSIONS)


def _linked(here: LoadedExit, processes: int, sessions: int) -> list[Child]:
    loads = [here.load(sessions, LINKS) for _ in range(processes)]
    for load in loads:
        if load.hear(timeout_s=LINK_S) != "linked":
            raise Unmeasured("the load could not be linked")
    return loads


def _throughput(here: LoadedExit, seconds: float) -> Iterator[Row]:
    loads = _linked(here, LOADS, SESSIONS)
    order = " ".join(["1"] * SESSIONS)
    tell(loads, f"download {seconds / 4} {order}")
    answers(loads, timeout_s=seconds + LINK_S)
    before_s, start_s = cpu_s(here.exit.pid), time.monotonic()
    tell(loads, f"download {seconds} {order}")
    size = sum(answers(loads, timeout_s=seconds + LINK_S))
    took_s = time.monotonic() - start_s
    used_s = cpu_s(here.exit.pid) - before_s
    say(f"{size / GB:.2f} GB in {took_s:.1f} s, {used_s:.1f} s of processor time")
    yield Row("stream payload", size * 8 / took_s / 1e6, "Mbit/s")
    yield Row("stream payload per core", size * 8 / used_s / 1e6, "Mbit/s", at_least(800))
    yield Row("processor time", used_s / (size / GB), "s/GB", digits=2)
    yield Row("processor use", 100 * used_s / took_s, "%")


def _streams(here: LoadedExit, seconds: float) -> Iterator[Row]:
    loads = _linked(here, 1, HOLD_SESSIONS)
    tell(loads, f"churn {seconds / 4} {CHURN_AT_ONCE}")
    answers(loads, timeout_s=seconds + LINK_S)
    before_s, start_s = cpu_s(here.exit.pid), time.monotonic()
    tell(loads, f"churn {seconds} {CHURN_AT_ONCE}")
    (count,) = answers(loads, timeout_s=seconds + LINK_S)
    took_s, used_s = time.monotonic() - start_s, cpu_s(here.exit.pid) - before_s
    yield Row("new streams", count / took_s, "1/s")
    yield Row("new streams per core", count / used_s, "1/s", at_least(2000))
    tell(loads, f"hold {HOLD_STREAMS}")
    (opened,) = answers(loads, timeout_s=LINK_S)
    yield Row("streams open at once", opened, "", at_least(5000))


def _idle(here: LoadedExit, sessions: int) -> Iterator[Row]:
    loads = _linked(here, 1, 8)
    before = rss_bytes(here.exit.pid)
    count = IDLE_LOADS * sessions
    loads += _linked(here, IDLE_LOADS, sessions)
    used = rss_bytes(here.exit.pid) - before
    say(f"{count} idle sessions: {used / 1e6:.0f} MB")
    yield Row(f"{count} idle sessions × {LINKS} links", used / count / KB, "KB each", at_most(100))


if __name__ == "__main__":
    main("exit", measure, MEANING)
