"""How fast the reading page brings a large file, in network namespaces: by video, and without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.command import say
from bench.readerfar import WAIT_S, FarReader
from bench.report import Row, at_least, at_most, median
from bench.world import LIFETIME_S, settle
from tests.lab import Lab, Wan

SECONDS: Final = 10.0
"""How long a file is fetched. A rate is that of the time after the first second."""
QUICK_SECONDS: Final = 6.0
LINKS_S: Final = 6.0
"""Time for the page's links: those with video come after the first page."""
CLICKS: Final = 5
NO_VIDEO: Final = "delete RTCRtpTransceiver.prototype.setCodecPreferences"
"""Makes the page take this browser for one that cannot carry data in a video."""
SHOWN: Final = "document.querySelector('iframe[name=site]')?.contentDocument?.querySelector('h2')"
FETCH: Final = """(async () => {
  const site = document.querySelector('iframe[name=site]').contentWindow;
  const over = globalThis.over = new site.AbortController();
  const bulk = globalThis.bulk = { bytes: 0, begun_ms: 0 };
  const response = await site.fetch('/endless', { signal: over.signal });
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bulk.begun_ms ||= performance.now();
    bulk.bytes += value.length;
  }
})().catch(() => {})"""
BYTES: Final = "[bulk.bytes, performance.now()]"
CLICK: Final = """(async () => {
  const site = document.querySelector('iframe[name=site]').contentWindow;
  const begun = performance.now();
  await (await site.fetch('/story/harvest', { cache: 'no-store' })).text();
  return performance.now() - begun;
})()"""


@dataclass(frozen=True, slots=True)
class Path:
    """A reader's line, and what is asked of it."""

    name: str
    way: Wan
    least_mbit: float
    most_sent: float | None = 1.15
    """Bytes on the wire for each one delivered, at most."""
    clicks: bool = False
    """Whether a story is asked for meanwhile."""


PATHS: Final = (
    Path("100 ms", Wan(delay_ms=50), 60),
    Path("100 ms, 1 %", Wan(delay_ms=50, loss_pct=1), 30),
    Path("100 ms, 5 %", Wan(delay_ms=50, loss_pct=5), 15),
    Path("300 ms, 1 %", Wan(delay_ms=150, loss_pct=1), 15, None),
    Path(
        "100 ms, 20 Mbit/s",
        Wan(delay_ms=50, loss_pct=0.5, rate_mbit=20, queue_kb=250),
        16,
        None,
        clicks=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One download."""

    mbit: float
    sent: float
    """Bytes on the wire for each one delivered."""
    idle_ms: float
    busy_ms: float
    """How long a story takes, alone and beside the download; 0 where that was not measured."""


def fetch(path: Path, seconds: float, *, video: bool = True, firefox: bool = False) -> Found:
    """Fetch for `seconds` over `path`."""
    with Lab(lifetime_s=LIFETIME_S) as lab, ExitStack() as stack:
        far = FarReader(lab, stack, firefox=firefox, way=path.way, volunteers=("volunteer",))
        reader = far.reader
        reader.goto(far.places["mirror"], timeout_s=WAIT_S)
        reader.wait("!!document.querySelector('button.start')", timeout_s=WAIT_S)
        if not video:
            reader.eval(NO_VIDEO)
        reader.eval("document.querySelector('button.start').click()")
        reader.wait(f"!!{SHOWN}", timeout_s=WAIT_S)
        settle(LINKS_S)
        idle = [reader.eval(CLICK, timeout_s=WAIT_S) for _ in range(CLICKS) if path.clicks]
        reader.eval(f"void {FETCH}")
        reader.wait("globalThis.bulk?.begun_ms > 0", timeout_s=WAIT_S)
        settle(1.0)
        sent, (bytes_before, before_ms) = far.carried(), reader.eval(BYTES)
        busy = []
        for _ in range(CLICKS if path.clicks else 0):
            busy.append(reader.eval(CLICK, timeout_s=WAIT_S))
            settle(seconds / (2 * CLICKS))
        samples = []
        for _ in range(int(seconds)):
            settle(1.0)
            samples.append(reader.eval(BYTES))
        bytes_after, after_ms = samples[-1]
        sent = far.carried() - sent
        say(
            f"{path.name}: {[round(each[0] / 1e6, 1) for each in samples]} MB, clicks {idle} {busy}"
        )
        got = max(1, bytes_after - bytes_before)
        return Found(
            8e-3 * got / (after_ms - before_ms),
            sent / got,
            median(idle) if idle else 0.0,
            median(busy) if busy else 0.0,
        )


def measure(quick: bool, *, firefox: bool = False) -> Iterator[Row]:
    """Yield the rows of all paths."""
    seconds = QUICK_SECONDS if quick else SECONDS
    for path in PATHS:
        yield from rows(path, seconds, firefox=firefox)


def rows(path: Path, seconds: float, *, firefox: bool = False) -> Iterator[Row]:
    """Yield the rows of one path."""
    name = f"{path.name}, Firefox" if firefox else path.name
    found = fetch(path, seconds, firefox=firefox)
    yield Row(f"large file, {name}", found.mbit, "Mbit/s", at_least(path.least_mbit))
    limit = None if path.most_sent is None else at_most(path.most_sent)
    yield Row("… bytes on the wire for each delivered", found.sent, "", limit, 2)
    if path.clicks:
        more_ms = found.busy_ms - found.idle_ms
        yield Row("… a story meanwhile, more than idle", more_ms, "ms", at_most(100), 0)
    plain = fetch(path, seconds, video=False, firefox=firefox)
    yield Row("… over a DataChannel", plain.mbit, "Mbit/s")


if __name__ == "__main__":
    chosen = [path for path in PATHS if path.name in sys.argv[1:]]
    for each in chosen or PATHS:
        say(
            str(
                fetch(
                    each,
                    QUICK_SECONDS,
                    video="plain" not in sys.argv,
                    firefox="firefox" in sys.argv,
                )
            )
        )
