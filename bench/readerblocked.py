"""How soon a story comes where parts of the network are blocked, and what a door carries."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.command import say
from bench.report import Row, at_most
from tests.lab.blocked import (
    CENSORS,
    HASTE,
    HOUR_S,
    Carried,
    censor,
    doors_network,
    fetch,
    read,
    read_again,
)
from tests.lab.browser import LabBrowser
from tests.lab.reading import ReadingNetwork

PROGRAM_WATCHED_S: Final = 60.0
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


def measure(_quick: bool) -> Iterator[Row]:
    """Yield a row for each censor and kind of reader."""
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
    with (
        tempfile.TemporaryDirectory() as folder,
        doors_network(Path(folder), "PHP") as network,
        network.reader(LabBrowser) as browser,
        censor(network, *CENSORS["all UDP"]),
    ):
        yield _row("blocked: all UDP, the door is a PHP: page", read(browser), PHP_MOST_S)


def costs(quick: bool) -> Iterator[Row]:
    """Yield what doors carry for a reader before, and in an hour while, volunteers carry the rest.

    A page's long pauses are shortened so that it waits as often in a minute as in an hour.
    """
    hours = 1 if quick else 2
    with (
        tempfile.TemporaryDirectory() as folder,
        doors_network(Path(folder), "nginx", "PHP") as network,
    ):
        for reached, rules in (("reached", ()), ("blocked", CENSORS["the broker"])):
            first, later = _page_cost(network, rules, hours)
            yield Row(f"doors, broker {reached}: page until its story", first / 1000, "KB", None, 1)
            yield _cost_row(f"doors, broker {reached}: page, by volunteers", later / hours)
        yield _cost_row("doors, broker blocked: program, by volunteers", _program_cost(network))


def _row(name: str, took_s: float, most_s: float | None) -> Row:
    return Row(name, took_s, "s", None if most_s is None else at_most(most_s), 1)


def _cost_row(name: str, hour_bytes: float) -> Row:
    return Row(name, hour_bytes / 1000, "KB/h", at_most(COST_MOST_KB), 1)


def _page_cost(
    network: ReadingNetwork, rules: tuple[tuple[str, str], ...], hours: int
) -> tuple[int, int]:
    """Return the bytes that all doors carried for a page until its story, and those after it."""
    doors = Carried(network)
    with network.reader(LabBrowser) as browser, censor(network, *rules):
        browser.eval(HASTE)
        read(browser)
        first = doors.by_door()
        time.sleep(hours * HOUR_S)
        later = doors.all() - sum(first.values())
    say(f"the doors carried {first} bytes until the story, {later} in {hours} h after it")
    return sum(first.values()), later


def _program_cost(network: ReadingNetwork) -> float:
    """Return the bytes an hour of all doors for a program, at the rate of its first minute."""
    doors = Carried(network)
    carried: list[int] = []

    def watch() -> None:
        carried.append(doors.all())
        time.sleep(PROGRAM_WATCHED_S)
        carried.append(doors.all())

    with censor(network, *CENSORS["the broker"]):
        fetch(network, watch)
    first, last = carried
    say(f"the doors carried {first} bytes until a program's story, {last - first} after it")
    return (last - first) * 3600 / PROGRAM_WATCHED_S
