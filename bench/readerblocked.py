"""How soon a story comes where parts of the network are blocked, and what a door carries."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.command import say
from bench.report import Row, at_most
from tests.lab.blocked import CENSORS, censor, doors_network, fetch, read, read_again
from tests.lab.browser import LabBrowser
from tests.lab.reading import ReadingNetwork

WATCHED_S: Final = 60.0
QUICK_WATCHED_S: Final = 20.0
MOST_S: Final[dict[str, tuple[float | None, float | None]]] = {
    "all UDP": (4.0, 4.0),
    "all UDP, and one of two doors": (None, None),
    "UDP but port 53": (4.0, 4.0),
    "all but three names": (5.0, 5.0),
    "the broker": (None, None),
}
"""Seconds that a page and a program may take."""
PHP_MOST_S: Final = 5.0
COST_MOST_KB: Final = 4.0


def measure(quick: bool) -> Iterator[Row]:
    """Yield a row for each censor and kind of reader, then what doors carry beside volunteers."""
    watched_s = QUICK_WATCHED_S if quick else WATCHED_S
    with (
        tempfile.TemporaryDirectory() as folder,
        doors_network(Path(folder), "nginx", "PHP") as network,
    ):
        for what, rules in CENSORS.items():
            page_most, program_most = MOST_S[what]
            with network.reader(LabBrowser) as browser, censor(network, *rules):
                yield _row(f"blocked: {what}: page", read(browser), page_most)
                if ("nginx", "") not in rules:
                    yield _row(f"blocked: {what}: program", fetch(network)[0], program_most)
        yield _row("blocked: the mirror, after a visit: page", read_again(network), None)
        most = at_most(COST_MOST_KB)
        _, later = _cost(network, (), watched_s)
        yield Row("a door's cost", later, "KB/h", most, 1)
        asked, later = _cost(network, CENSORS["the broker"], watched_s)
        yield Row("a request for volunteers through a door", asked, "KB", None, 1)
        # A reader's ticket lasts an hour, and only a request for volunteers brings a new one.
        cost = asked + later
        yield Row("a door's cost, the broker blocked, one volunteer", cost, "KB/h", most, 1)
    with (
        tempfile.TemporaryDirectory() as folder,
        doors_network(Path(folder), "PHP") as network,
        network.reader(LabBrowser) as browser,
        censor(network, *CENSORS["all UDP"]),
    ):
        yield _row("blocked: all UDP, the door is a PHP: page", read(browser), PHP_MOST_S)


def _row(name: str, took_s: float, most_s: float | None) -> Row:
    return Row(name, took_s, "s", None if most_s is None else at_most(most_s), 1)


def _cost(
    network: ReadingNetwork, rules: tuple[tuple[str, str], ...], watched_s: float
) -> tuple[float, float]:
    """Return the kB that a door carried until a page's first story, and those an hour after it.

    Of several doors that were asked until then, the one that carried least counts. What all doors
    carry after it does, while a volunteer carries the page.
    """
    counters = {
        door: [
            network.star.count(a, b, name=f"cost-{len(rules)}-{a}-{b}")
            for a, b in (("reader", door), (door, "reader"))
        ]
        for door in network.doors
    }

    def carried() -> dict[str, int]:
        return {
            door: sum(network.star.counter(name).bytes for name in names)
            for door, names in counters.items()
        }

    with network.reader(LabBrowser) as browser, censor(network, *rules):
        read(browser)
        first = carried()
        time.sleep(watched_s)
        later = sum(carried().values()) - sum(first.values())
    say(f"the doors carried {first} bytes until the story, {later} in {watched_s:.0f} s after it")
    asked = min((each for each in first.values() if each), default=0)
    return asked / 1000, later / 1000 * 3600 / watched_s
