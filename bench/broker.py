"""One broker's process: the cost of idle volunteers, its matches a second, and a restart."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.command import main, say
from bench.errors import Unmeasured
from bench.machine import cpu_s, rss_bytes
from bench.report import Row, at_least, at_most
from passerelle import limits

MEANING = """
The broker is alone in its process; volunteers (sockets that answer every offer at once) and readers
are in another one. Matches a second per core are divided by the processor time that the broker's
process used, so that the other process does not count; times are those of a whole request, on this
machine with both busy: sealed request in, offer out, answer back, sealed reply, one offer each. The
requests are sealed before and every reply is opened after. Idle volunteers get a WebSocket ping
every 45 s, and that is all they cost. Storm: all are sent away for a restart and come back at the
same moment, whatever time they were told.
"""

IDLE, QUICK_IDLE = 15_000, 2_000
STORM, QUICK_STORM = 10_000, 1_000
MATCHES, QUICK_MATCHES = 6_000, 1_000
BATCH = 500
CONCURRENT = 32
OFFERS = 3
IDLE_S, QUICK_IDLE_S = 45.0, 5.0
START_S = 30.0


class BrokerLoad:
    """The process with the volunteers and readers, `bench.brokerload`."""

    def __init__(self, port: int) -> None:
        self._process = _start("bench.brokerload", str(port))

    def do(self, *words: object) -> dict[str, Any]:
        """Send a command to the process, and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise Unmeasured("the process with volunteers and readers ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        _end(self._process, signal.SIGKILL)


def measure(quick: bool) -> Iterator[Row]:
    """Yield the rows of all three parts."""
    _allow_files()
    count = QUICK_IDLE if quick else IDLE
    with broker(0) as (process, port):
        load = BrokerLoad(port)
        try:
            yield from idle(process, load, count, QUICK_IDLE_S if quick else IDLE_S)
            yield from matches(process, load, QUICK_MATCHES if quick else MATCHES)
        finally:
            load.close()
    yield from storm(QUICK_STORM if quick else STORM)


def idle(
    process: subprocess.Popen[str], load: BrokerLoad, count: int, seconds: float
) -> Iterator[Row]:
    """Yield what volunteers who wait cost."""
    load.do("matches", 50, 4, 1)  # what is loaded at the first use is no volunteer's
    before = rss_bytes(process.pid)
    say(f"{count:,} volunteers connect")
    came = load.do("connect", count, BATCH)
    if came.get("welcomed") != count:
        raise Unmeasured(f"of {count} volunteers not all were welcomed: {came}")
    yield Row("idle volunteers", count, "", digits=0)
    each = (rss_bytes(process.pid) - before) / count / limits.KIB
    yield Row("memory of each", each, "KiB", at_most(20))
    used = cpu_s(process.pid)
    time.sleep(seconds)
    used = cpu_s(process.pid) - used
    yield Row("processor time while idle", 100 * used / seconds, "% of a core", at_most(3))


def matches(process: subprocess.Popen[str], load: BrokerLoad, count: int) -> Iterator[Row]:
    """Yield how many readers' requests are answered a second, and at what cost."""
    load.do("matches", 200, CONCURRENT, 1)
    for offers in (1, OFFERS):
        say(f"{count} requests of {offers} offers")
        used = cpu_s(process.pid)
        found = load.do("matches", count, CONCURRENT, offers)
        used = cpu_s(process.pid) - used
        if found["answered"] < 0.99 * count * offers:
            raise Unmeasured(f"{found['answered']} of {count * offers} offers were answered")
        per_core = found["answered"] / used
        if offers == 1:
            yield Row("matches per core", per_core, "1/s", at_least(1000), digits=0)
            yield Row("matches, with readers on the same machine", count / found["seconds"], "1/s")
            yield Row("a match, p50", found["p50_ms"], "ms")
            yield Row("a match, p99", found["p99_ms"], "ms", at_most(150))
        else:
            yield Row(f"matches per core, {offers} a request", per_core, "1/s", digits=0)


def storm(count: int) -> Iterator[Row]:
    """Yield how long it takes when all volunteers are sent away and come back at once."""
    with broker(0) as (process, port):
        load = BrokerLoad(port)
        try:
            say(f"{count:,} volunteers, then a restart")
            load.do("connect", count, BATCH)
            process.send_signal(signal.SIGTERM)
            left = load.do("dismiss")
            process.wait(START_S)
            told = left.get("bye with a time", 0)
            yield Row("told when to come back", 100 * told / count, "%", at_least(100))
            yield Row("longest such time", left["longest_retry_s"], "s")
            with broker(port):
                back = load.do("connect", count, count)
                refused = count - back.get("welcomed", 0)
                yield Row("storm: refused", refused, "", at_most(0), digits=0)
                yield Row("storm: until all are back", back["seconds"], "s")
        finally:
            load.close()


@contextmanager
def broker(port: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a broker; give its process and port."""
    process = _start("bench.brokerhost", str(port))
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise Unmeasured("the broker did not start")
        yield process, int(line)
    finally:
        _end(process, signal.SIGTERM)


def _start(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(START_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _allow_files() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main("broker", measure, MEANING)
