"""What one link carries over long, lossy and narrow paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench import bare, world
from bench.bare import Bare
from bench.command import main, say
from bench.report import Row, Target, at_least
from bench.world import Distant, laboratory
from tests.lab import LabError, Wan
from tests.lab.browser import LabBrowser
from tests.rig.ports import free_port

MEANING = """
One TCP stream through one volunteer's link, in network namespaces: a path of the given round trip
and loss (each way) between client and volunteer, everything else close to the volunteer. Mean rate
from the application's connect on, slow start included; for uploads, what had reached the site.
bare is one DataChannel between a page and aiortc with nothing of ours, on the same path right
after: what a naive relay's channel would carry. A rate of 0 is a connection that did not come up.
"""
SECONDS = 20.0
QUICK_SECONDS = 8.0
SLACK_S = 90.0
DIRECTIONS = ("down", "up")


@dataclass(frozen=True, slots=True)
class Path:
    """One path, the same both ways."""

    name: str
    wan: Wan
    down: Target | None = None


def _path(rtt_ms: float, loss_pct: float, down: Target | None = None) -> Path:
    return Path(f"{rtt_ms:g} ms {loss_pct:g} %", Wan(rtt_ms / 2, loss_pct), down)


PATHS = (
    _path(0, 0),
    _path(0, 1),
    _path(0, 5),
    _path(100, 0, at_least(45)),
    _path(100, 1),
    _path(100, 5),
    _path(300, 0),
    _path(300, 1),
    _path(300, 5),
    Path("100 ms 20 Mbit/s", Wan(50, rate_mbit=20, queue_kb=250)),
)
CLEAN = Wan()


def measure(quick: bool) -> Iterator[Row]:
    """Give the rates of tunnel and bare channel on every path, each direction."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with laboratory(up=CLEAN, down=CLEAN) as distant:
        hosts = distant.world.hosts
        url = bare.server(hosts.server, free_port())
        page = world.browse(hosts.volunteer, url.rstrip("/"))
        for path in PATHS:
            distant.bend(up=path.wan, down=path.wan)
            ours = _tunnel(distant, path.wan, seconds)
            naive = _bare(distant, page, url, seconds)
            for direction, rate, bare_rate in zip(DIRECTIONS, ours, naive, strict=True):
                target = path.down if direction == "down" else None
                say(f"{path.name} {direction}: {rate:.1f}, bare {bare_rate:.1f}")
                yield Row(f"{path.name} {direction}", rate, "Mbit/s", target)
                yield Row(f"{path.name} {direction} bare", bare_rate, "Mbit/s")
            distant.bend(up=CLEAN, down=CLEAN)
        distant.check()


def _tunnel(distant: Distant, wan: Wan, seconds: float) -> list[float]:
    place = distant.world
    client = place.prepare()
    client.start()
    rates = []
    try:
        client.linked()
        for direction in DIRECTIONS:
            result = place.run(client, direction, timeout_s=seconds + SLACK_S, seconds=seconds)
            rates.append(result["bytes"] * 8 / result["seconds"] / 1e6)
    except LabError as error:
        say(f"the tunnel failed: {error}")
    # The volunteer must learn that the client left, whatever the path loses.
    distant.bend(up=CLEAN, down=CLEAN)
    place.end(client)
    distant.bend(up=wan, down=wan)
    return [*rates, 0.0, 0.0][: len(DIRECTIONS)]


def _bare(distant: Distant, page: LabBrowser, url: str, seconds: float) -> list[float]:
    rates = []
    try:
        for direction in DIRECTIONS:
            # A channel of its own for each: what one direction leaves behind hinders the other.
            channel = Bare(distant.world.hosts.client, page, url)
            try:
                rates.append(channel.mbit_s(direction, seconds=seconds))
            finally:
                channel.close()
    except LabError as error:
        say(f"the bare channel failed: {error}")
    return [*rates, 0.0, 0.0][: len(DIRECTIONS)]


if __name__ == "__main__":
    main("network", measure, MEANING)
