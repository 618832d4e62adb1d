"""Measure whether the bandwidths of several volunteers add up for one stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import world
from bench.command import say
from bench.crowd import Crowd, crowd
from bench.report import Row, at_least, median
from bench.world import Client, Engine
from tests.lab import Wan
from tests.lab.cast import ELEMENT

MEANING = """
One TCP download through several volunteers, each a real Chromium in a network namespace of its own.
Mean rate from the application's connect on, slow start included; the links are up before.
"set to": the volunteers' own setting, which counts what is relayed. "ways of": the network between
volunteer and everybody else, both directions, with a queue of 250 KB. A way's rate is that of IP
packets, and a video's packets (IPv6, UDP, RTP, SRTP) and the acknowledgements of the other
direction leave the application about 88 % of it; so share is the bytes that the ways delivered
towards the client, as a part of what they could have. ratio: a slow volunteer beside a fast one ÷
the fast one alone, of neighbouring runs; the least of all pairs is judged, because the slow one
must never harm.
"""
SECONDS = 20.0
QUICK_SECONDS = 8.0
PAIRS = 5
QUICK_PAIRS = 2
SLACK_S = 60.0
LINK_S = 60.0
QUEUE_KB = 250
EQUAL = Wan(rate_mbit=10, queue_kb=QUEUE_KB)
FAST = Wan(rate_mbit=30, queue_kb=QUEUE_KB)
SLOW = Wan(delay_ms=100, rate_mbit=3, queue_kb=QUEUE_KB)


def measure(quick: bool, engine: Engine) -> Iterator[Row]:
    """Yield the sum for equal volunteers, then the effect of a slow one on a fast one."""
    seconds = QUICK_SECONDS if quick else SECONDS
    yield from _set_to(3, 10, seconds, engine)
    yield from _equal([EQUAL] * 3, seconds, engine)
    yield from _unequal(seconds, QUICK_PAIRS if quick else PAIRS, engine)


def _set_to(count: int, mbit: int, seconds: float, engine: Engine) -> Iterator[Row]:
    with crowd([None] * count, engine) as place:
        for relay in place.relays:
            relay.browser.eval(f"{ELEMENT}.setAttribute('mbit', {mbit})")
        rate = _fresh(place, count, seconds)
        place.check()
    yield Row(f"{count} set to {mbit} Mbit/s, down", rate, "Mbit/s", at_least(27))


def _equal(ways: Sequence[Wan], seconds: float, engine: Engine) -> Iterator[Row]:
    with crowd(ways, engine) as place:
        client = place.world.client()
        place.await_helping(len(ways), timeout_s=LINK_S)
        world.settle()
        before = _delivered(place)
        rate = _download(place, client, seconds)
        carried = sum(_delivered(place)) - sum(before)
        place.check()
    possible = sum(way.rate_mbit for way in ways) * 1e6 / 8 * seconds
    name = f"{len(ways)} ways of {ways[0].rate_mbit:g} Mbit/s,"
    yield Row(f"{name} down", rate, "Mbit/s", at_least(27))
    yield Row(f"{name} share", carried / possible, "", digits=2)


def _unequal(seconds: float, pairs: int, engine: Engine) -> Iterator[Row]:
    alone, both = [], []
    with crowd([FAST, SLOW], engine) as place:
        slow = place.relays[1]
        for number in range(pairs):
            slow.switch_off()
            alone.append(_fresh(place, 1, seconds))
            slow.restore()
            both.append(_fresh(place, 2, seconds))
            say(f"pair {number + 1}: alone {alone[-1]:.1f}, both {both[-1]:.1f} Mbit/s")
        place.check()
    ratios = [together / single for single, together in zip(alone, both, strict=True)]
    yield Row("30 Mbit/s alone", median(alone), "Mbit/s")
    yield Row("… and 3 Mbit/s, +200 ms", median(both), "Mbit/s")
    yield Row("ratio, least", min(ratios), "", at_least(0.95), digits=2)
    yield Row("ratio, median", median(ratios), "", digits=2)


def _fresh(place: Crowd, links: int, seconds: float) -> float:
    """Measure with a new client that has links through `links` volunteers."""
    client = place.world.client()
    try:
        place.await_helping(links, timeout_s=LINK_S)
        world.settle()
        return _download(place, client, seconds)
    finally:
        client.child.stop()
        place.await_idle(timeout_s=LINK_S)


def _download(place: Crowd, client: Client, seconds: float) -> float:
    result = place.world.run(client, "down", timeout_s=seconds + SLACK_S, seconds=seconds)
    return float(result["bytes"] * 8 / result["seconds"] / 1e6)


def _delivered(place: Crowd) -> list[int]:
    """Return the bytes that each line has delivered from its volunteer."""
    return [place.star.lines[relay.label].counters()[0].bytes for relay in place.relays]


if __name__ == "__main__":
    world.main("aggregate", measure, MEANING)
