"""Measure what one volunteer carries over long, lossy and narrow paths."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path as File
from typing import Any

from bench import bare, command, world
from bench.bare import Bare
from bench.command import say
from bench.drawing import Curve, draw_rates
from bench.machine import family_cpu_s
from bench.report import Row, Target, at_least, at_most, median, percentile
from bench.world import Client, Distant, laboratory
from tests.lab import LabError, Wan
from tests.lab.browser import LabBrowser
from tests.rig.ports import free_port

MEANING = """
One TCP stream through one volunteer, in network namespaces: a path of the given round trip and loss
(each way) between client and volunteer, everything else close to the volunteer. Median of the mean
rates from the application's connect on, slow start included; for uploads, what had reached the
site. bare is one DataChannel between a page and aiortc with nothing of ours, on the same path right
after: what a naive relay's channel would carry. A rate of 0 is a connection that did not come up.
Queue and loss of the bottlenecks are those of the path's narrow end, both ways. Jitter is drawn for
each packet and keeps the order; rows "/ TCP" compare with a CUBIC stream on the same path. sent /
payload is what the volunteer sent to the client ÷ what the application got: headers take 7 %, TLS
and HTTP/2 1 %, and the rest are repeats and the padding by which a browser tries out a rate.
"""
RUNS, SECONDS = 3, 20.0
QUICK_RUNS, QUICK_SECONDS = 1, 8.0
BARE_SECONDS = 8.0
SLACK_S = 90.0
SETTLE_S = 3.0
ECHOES, ECHO_APART_S = 60, 0.1
RIVAL_S = 30.0
STEADY_RATE = 6_250_000
"""The rate for measuring processor time, in bytes a second: 50 Mbit/s."""
STEADY_S = 8.0
START_SHARE = 0.9
START_BIN_S = 0.5
STEP_S = 0.1
CLEAN = Wan()
SENT = at_most(1.2)
"""Target for what a volunteer sends ÷ payload: a tenth may be padding and repeats."""


@dataclass
class Stage:
    """The laboratory, and how long to measure."""

    distant: Distant
    page: LabBrowser
    url: str
    runs: int
    seconds: float
    sent: str
    """The router's counter of packets from the volunteer to the client."""
    curves: list[Curve] = field(default_factory=list)

    def client(self, wan: Wan, *options: str) -> Client:
        """Return a client with its first link, on this path. Raises LabError."""
        self.distant.bend(up=wan, down=wan)
        client = self.distant.world.prepare(*options)
        client.start()
        try:
            client.linked()
        except LabError:
            self.end(client)
            raise
        return client

    def end(self, client: Client) -> None:
        """End a client; the volunteer must learn of it even over a path that loses packets."""
        self.distant.bend(up=CLEAN, down=CLEAN)
        self.distant.world.end(client)

    def run(self, client: Client, words: str, **options: float) -> dict[str, Any]:
        """Run an application to its end."""
        seconds = options.get("seconds", self.seconds)
        return self.distant.world.run(client, words, timeout_s=seconds + SLACK_S, **options)

    def rates(self, wan: Wan, direction: str, *options: str) -> list[dict[str, Any]]:
        """Move bytes one way, each time with a new client; return what each run measured."""
        found = []
        for _ in range(self.runs):
            try:
                client = self.client(wan, *options)
            except LabError as error:
                say(f"no link: {error}")
                found.append({"bytes": 0, "seconds": self.seconds, "steps": []})
                continue
            before = self.distant.star.counter(self.sent).bytes
            found.append(self.run(client, direction, seconds=self.seconds))
            found[-1]["sent"] = self.distant.star.counter(self.sent).bytes - before
            self.end(client)
            say(f"  {_mbit(found[-1]):.1f} Mbit/s {direction}")
        return found

    def bare(self, wan: Wan, direction: str) -> float:
        """Return the rate of a bare channel on this path."""
        self.distant.bend(up=wan, down=wan)
        try:
            channel = Bare(self.distant.world.hosts.client, self.page, self.url)
            try:
                return channel.mbit_s(direction, seconds=min(self.seconds, BARE_SECONDS))
            finally:
                channel.close()
        except LabError as error:
            say(f"the bare channel failed: {error}")
            return 0.0
        finally:
            self.distant.bend(up=CLEAN, down=CLEAN)


def _mbit(result: dict[str, Any]) -> float:
    return float(result["bytes"] * 8 / result["seconds"] / 1e6)


def _start_s(steps: Sequence[int]) -> float:
    """Return when the rate first reached `START_SHARE` of its value in the second half."""
    width = round(START_BIN_S / STEP_S)
    bins = [sum(steps[at : at + width]) for at in range(0, len(steps) - width, width)]
    final = median(bins[len(bins) // 2 :] or [0])
    reached = (at for at, value in enumerate(bins) if value >= START_SHARE * final)
    return (next(reached, len(bins)) + 1) * START_BIN_S


Scene = Callable[[str, Stage], Iterator[Row]]


def _down(
    wan: Wan, target: Target | None, name: str, stage: Stage, *, sent: Target | None = None
) -> Iterator[Row]:
    """Yield the rate, and with a target for what is `sent` that, too."""
    results = stage.rates(wan, "down")
    stage.curves.append(Curve(name, results[0].get("steps", []), STEP_S))
    yield Row(f"{name} down", median([_mbit(each) for each in results]), "Mbit/s", target)
    if sent is not None:
        shares = [each.get("sent", 0) / max(1, each["bytes"]) for each in results]
        yield Row(f"{name} down, sent / payload", median(shares), "", sent, 2)
    yield Row(f"{name} down, bare", stage.bare(wan, "down"), "Mbit/s")


def _one_host(name: str, stage: Stage) -> Iterator[Row]:
    rows = list(_down(CLEAN, at_least(120), name, stage, sent=SENT))
    yield from rows
    plain = median([_mbit(each) for each in stage.rates(CLEAN, "down", "--no-media")])
    yield Row(f"{name} down, data channel", plain, "Mbit/s")
    yield Row(f"{name} down, video / data channel", rows[0].value / plain, "", at_least(1), 2)


def _with_start(wan: Wan, target: Target, name: str, stage: Stage) -> Iterator[Row]:
    yield from _down(wan, target, name, stage, sent=SENT)
    start_s = _start_s(stage.curves[-1].steps)
    yield Row(f"{name} start", start_s, "s to 90 %", at_most(3))


def _up(wan: Wan, target: Target, name: str, stage: Stage) -> Iterator[Row]:
    rate = median([_mbit(each) for each in stage.rates(wan, "up")])
    yield Row(name, rate, "Mbit/s", target)
    yield Row(f"{name}, bare", stage.bare(wan, "up"), "Mbit/s")


def _echo_ms(stage: Stage, client: Client) -> float:
    result = stage.run(client, "echo", count=ECHOES, interval=ECHO_APART_S)
    return percentile(result["rtt_ms"], 0.95)


def _narrow(
    wan: Wan,
    down: Target,
    name: str,
    stage: Stage,
    *,
    above_idle: Target | None = None,
    at_all: Target | None = None,
) -> Iterator[Row]:
    """Yield the rate, and how long a click takes meanwhile."""
    yield from _down(wan, down, name, stage)
    client = stage.client(wan)
    idle_ms = _echo_ms(stage, client)
    seconds = SETTLE_S + ECHOES * ECHO_APART_S
    load = stage.distant.world.app(client, "down", seconds=2 * seconds)
    time.sleep(SETTLE_S)
    loaded_ms = _echo_ms(stage, client)
    load.result(timeout_s=2 * seconds + SLACK_S)
    stage.end(client)
    yield Row(f"{name} echo p95, idle", idle_ms, "ms", digits=0)
    yield Row(f"{name} echo p95, busy", loaded_ms, "ms", at_all, 0)
    yield Row(f"{name} echo p95, more than idle", loaded_ms - idle_ms, "ms", above_idle, 0)


def _beside_tcp(wan: Wan, name: str, stage: Stage) -> Iterator[Row]:
    """Yield our share beside a CUBIC download that the same host begins later."""
    client = stage.client(wan)
    seconds = min(RIVAL_S, 2 * stage.seconds)
    ours = stage.distant.world.app(client, "down", seconds=seconds + 2 * SETTLE_S)
    time.sleep(SETTLE_S)
    theirs = stage.distant.world.app(None, "down", seconds=seconds)
    rival = theirs.result(timeout_s=seconds + SLACK_S)["steps"]
    own = ours.result(timeout_s=SLACK_S)["steps"]
    stage.end(client)
    # Leave out the first seconds, in which the competing download finds its rate.
    from_step, settled = round(2 * SETTLE_S / STEP_S), round(SETTLE_S / STEP_S)
    taken = [sum(own[from_step : len(rival) + settled]), sum(rival[settled:])]
    share = 100 * taken[0] / max(1, sum(taken))
    stage.curves.append(Curve(name, own, STEP_S, [0] * settled + rival))
    total = sum(taken) * 8 / max(1, len(rival) - settled) / STEP_S / 1e6
    yield Row(f"{name}, our share, at least", share, "%", at_least(25), 0)
    yield Row(f"{name}, our share, at most", share, "%", at_most(60), 0)
    yield Row(f"{name}, both together", total, "Mbit/s")


def _against_tcp(wan: Wan, least: float, name: str, stage: Stage) -> Iterator[Row]:
    """Yield our rate each way, and as a share of what a CUBIC stream carries right after it."""
    for direction in ("down", "up"):
        ours = median([_mbit(each) for each in stage.rates(wan, direction)])
        stage.distant.bend(up=wan, down=wan)
        rival = stage.distant.world.app(None, direction, seconds=stage.seconds)
        tcp = _mbit(rival.result(timeout_s=stage.seconds + SLACK_S))
        stage.distant.bend(up=CLEAN, down=CLEAN)
        yield Row(f"{name} {direction}", ours, "Mbit/s")
        yield Row(f"{name} {direction}, TCP", tcp, "Mbit/s")
        yield Row(f"{name} {direction} / TCP", ours / max(tcp, 0.01), "", at_least(least), 2)


def _cpu(name: str, stage: Stage) -> Iterator[Row]:
    """Yield the processor time of client and browser at 50 Mbit/s."""
    browsers = []
    for options, label in (((), "video"), (("--no-media",), "data channel")):
        client = stage.client(CLEAN, *options)
        pids = (client.child.pid, stage.distant.world.volunteer.pid)
        before = [family_cpu_s(pid) for pid in pids]
        start_s = time.monotonic()
        size = int(STEADY_RATE * STEADY_S)
        stage.run(client, "pull", rate=STEADY_RATE, bytes=size)
        taken_s = time.monotonic() - start_s
        own, browser = (
            100 * (family_cpu_s(pid) - used_s) / taken_s
            for pid, used_s in zip(pids, before, strict=True)
        )
        stage.end(client)
        browsers.append(browser)
        target = at_most(15) if not options else None
        yield Row(f"{name}, client, {label}", own, "% of a core", target, 0)
        yield Row(f"{name}, all of the browser, {label}", browser, "% of a core", digits=0)
    more = browsers[0] - browsers[1]
    yield Row(f"{name}, browser, video more than data channel", more, "% of a core", at_most(15), 0)


def _way(rtt_ms: float, loss_pct: float) -> Wan:
    return Wan(rtt_ms / 2, loss_pct)


def _jittery(delay_ms: float, jitter_ms: float) -> Wan:
    return Wan(delay_ms, jitter_ms=jitter_ms, rate_mbit=30)


BOTTLENECK = Wan(50, 0.5, rate_mbit=20, queue_kb=250)
SHARED = Wan(50, rate_mbit=20, queue_kb=250)
SLOW = Wan(50, rate_mbit=1, queue_kb=32)

SCENES: dict[str, Scene] = {
    "one host": _one_host,
    "100 ms 0 %": partial(_with_start, _way(100, 0), at_least(110)),
    "100 ms 1 %": partial(_down, _way(100, 1), at_least(100), sent=SENT),
    "100 ms 5 %": partial(_down, _way(100, 5), at_least(70)),
    "300 ms 1 %": partial(_down, _way(300, 1), at_least(50)),
    "300 ms 10 %": partial(_down, _way(300, 10), at_least(15)),
    "20 Mbit/s": partial(_narrow, BOTTLENECK, at_least(17), above_idle=at_most(80)),
    "20 Mbit/s beside TCP": partial(_beside_tcp, SHARED),
    "1 Mbit/s": partial(_narrow, SLOW, at_least(0.8), at_all=at_most(600)),
    "upload 100 ms 0 %": partial(_up, _way(100, 0), at_least(60)),
    "upload 100 ms 1 %": partial(_up, _way(100, 1), at_least(45)),
    "upload 100 ms 5 %": partial(_up, _way(100, 5), at_least(25)),
    "jitter 20 + 0-60 ms": partial(_against_tcp, _jittery(20, 60), 0.7),
    "jitter 10 + 0-100 ms": partial(_against_tcp, _jittery(10, 100), 0.7),
    "reordered, duplicated": partial(
        _against_tcp, Wan(10, rate_mbit=30, reorder_pct=5, duplicate_pct=2), 0.9
    ),
    "50 Mbit/s": _cpu,
}


def measure(options: argparse.Namespace, quick: bool) -> Iterator[Row]:
    """Yield the rows of all scenes asked for, and draw their curves."""
    runs, seconds = (QUICK_RUNS, QUICK_SECONDS) if quick else (RUNS, SECONDS)
    with laboratory(
        up=CLEAN, down=CLEAN, firefox=options.firefox, engine=options.engine
    ) as distant:
        hosts = distant.world.hosts
        url = bare.server(hosts.server, free_port())
        page = world.browse(hosts.volunteer, url.rstrip("/"), firefox=options.firefox)
        sent = distant.star.count("volunteer", "client", match="meta l4proto udp")
        stage = Stage(distant, page, url, runs, seconds, sent)
        for name in options.only or SCENES:
            for row in SCENES[name](name, stage):
                say(f"{row.name}: {row.rounded} {row.unit}")
                yield row
        distant.check()
    if options.plot is not None:
        options.plot.write_text(draw_rates(stage.curves), encoding="utf-8")
        say(f"wrote {options.plot}")


def main() -> None:
    """Parse the options and measure."""
    parser = command.parser("network", MEANING)
    only = "measure only this (may be given more than once)"
    parser.add_argument("--only", action="append", choices=SCENES, metavar="NAME", help=only)
    parser.add_argument("--firefox", action="store_true", help="with Firefox as the volunteer")
    world.add_engine(parser)
    parser.add_argument("--plot", type=File, metavar="FILE.svg", help="draw the rates over time")
    options = parser.parse_args()
    command.run("network", partial(measure, options), MEANING, options)


if __name__ == "__main__":
    main()
