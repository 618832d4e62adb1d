"""Measure how long an application waits for its first byte, with and without a link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench import world
from bench.command import say
from bench.report import Row, Target, at_most, median, percentile
from bench.world import Engine, World, laboratory
from tests.lab import Wan

MEANING = """
From an application's SOCKS connect to the first byte the site sends it. cold: a client that just
started; the application connects in the millisecond in which the client's port opens, so the time
includes fetching the network's descriptor, the rendezvous, the whole link and the request. warm: a
link is there. Applications behave as curl does: they wait for the proxy's answer before they ask
the site; the rows called early ask without waiting. far: 100 ms of round trip between the client
and everything else, in network namespaces; round trips are the time divided by the round trip
measured there, nothing subtracted. Steps are medians of the cold runs, in the client's own words:
descriptor is what is left of a cold run without the other steps and a warm request; link ready is
a cold run without the warm request. Chrome's engine does ICE, DTLS and SCTP in one step, webrtc.
"""
COLD = 10
WARM = 50
QUICK_COLD = 4
QUICK_WARM = 20
ONE_WAY_MS = 50.0
WARM_PAUSE_S = 0.02
TIMEOUT_S = 90.0
STEPS = ("rendezvous", "ice", "dtls", "sctp", "webrtc", "tls", "welcome")


@dataclass(slots=True)
class Times:
    """The times measured in one place, in milliseconds."""

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    early: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)


def measure(quick: bool, engine: Engine) -> Iterator[Row]:
    """Yield the times on this machine, then those over a long line."""
    with world.loopback(engine) as here:
        times = _measure(here, quick, "near")
    yield from _rows("near", times, cold=at_most(300), warm=at_most(20))
    way = Wan(delay_ms=ONE_WAY_MS)
    with laboratory(up=way, down=way, engine=engine) as distant:
        rtt_ms = distant.rtt_ms()
        times = _measure(distant.world, quick, "far")
        distant.check()
    yield Row("far round trip, measured", rtt_ms, "ms")
    yield from _rows("far", times, cold=at_most(1500), warm=at_most(230))
    yield Row("far cold p50", median(times.cold) / rtt_ms, "round trips", at_most(12))
    ready_ms = median(times.cold) - median(times.warm)
    yield Row("far link ready p50", ready_ms / rtt_ms, "round trips", at_most(8))
    yield Row("far warm p50", median(times.warm) / rtt_ms, "round trips", at_most(2))
    yield Row("far warm early p50", median(times.early) / rtt_ms, "round trips")


def _measure(place: World, quick: bool, name: str) -> Times:
    times = Times()
    for number in range(QUICK_COLD if quick else COLD):
        _cold(place, times)
        say(f"{name} cold {number + 1}: {times.cold[-1]:.0f} ms")
    client = place.client()
    world.settle()
    count = QUICK_WARM if quick else WARM
    for early, into in ((False, times.warm), (True, times.early)):
        result = place.run(
            client, "first", timeout_s=TIMEOUT_S, count=count, interval=WARM_PAUSE_S, early=early
        )
        into.extend(result["first_ms"])
    return times


def _cold(place: World, times: Times) -> None:
    """Measure one start without any link, beginning with a free volunteer."""
    client = place.prepare()
    app = place.app(client, "first", wait=True)
    app.wait_for("waiting")
    client.start()
    times.cold.append(app.result(timeout_s=TIMEOUT_S)["first_ms"][0])
    client.linked()
    for step, milliseconds in client.steps().items():
        times.steps.setdefault(step, []).append(milliseconds)
    place.end(client)


def _rows(name: str, times: Times, *, cold: Target, warm: Target) -> Iterator[Row]:
    yield Row(f"{name} cold p50", median(times.cold), "ms", cold)
    yield Row(f"{name} cold p95", percentile(times.cold, 0.95), "ms")
    rest = median(times.cold) - median(times.warm)
    steps = {step: median(times.steps[step]) for step in STEPS if step in times.steps}
    yield Row(f"{name} … of it descriptor", rest - sum(steps.values()), "ms")
    for step, milliseconds in steps.items():
        yield Row(f"{name} … of it {step}", milliseconds, "ms")
    yield Row(f"{name} … of it connect", median(times.warm), "ms")
    yield Row(f"{name} warm p50", median(times.warm), "ms", warm)
    yield Row(f"{name} warm p95", percentile(times.warm, 0.95), "ms")
    yield Row(f"{name} warm early p50", median(times.early), "ms")


if __name__ == "__main__":
    world.main("connect", measure, MEANING)
