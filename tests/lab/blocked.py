"""What is blocked between a reader and a network with doors, and how long a story takes then.

Each censor is rules on the router; the doors are a real nginx and a real PHP. `bench.readerblocked`
measures with it, `test_blocked.py` tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from passerelle.demo.reading import START
from tests.lab.browser import LabBrowser
from tests.lab.cast import START_S, turn_on
from tests.lab.lab import Lab
from tests.lab.reading import SITE_NAME, ReadingNetwork, shows

PROXY: Final = "127.0.0.1:1080"
_UDP: Final = tuple((to, "meta l4proto udp") for to in ("volunteer", "stun"))
CENSORS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "all UDP": _UDP,
    "all UDP, and one of two doors": (*_UDP, ("nginx", "")),
    "UDP but port 53": tuple((to, "udp dport != 53") for to in ("volunteer", "stun")),
    "all but three names": tuple((to, "") for to in ("broker", "volunteer", "stun", "PHP")),
    "the broker": (("broker", ""),),
}
"""What is dropped between the reader and whom."""
HOUR_S: Final = 60.0
"""In which a page with `HASTE` waits as often as in an hour."""
HASTE: Final = """() => {
  const timer = window.setTimeout.bind(window);
  window.setTimeout = (work, ms = 0, ...more) => timer(work, ms > 60_000 ? ms / 60 : ms, ...more);
}"""
"""Has a page wait a second for each minute, where it waits for more than a minute."""


@contextmanager
def doors_network(folder: Path, *doors: str) -> Iterator[ReadingNetwork]:
    """Yield a network with these kinds of doors and a volunteer whose switch is on."""
    with Lab(directory=folder) as lab:
        made = ReadingNetwork(lab, *doors)
        made.start()
        with made.browser() as volunteer:
            turn_on(volunteer)
            yield made


@contextmanager
def censor(network: ReadingNetwork, *rules: tuple[str, str]) -> Iterator[None]:
    """Drop what matches, both ways."""
    star = network.star
    names = []
    for number, (to, match) in enumerate(rules):
        for way, (a, b) in enumerate((("reader", to), (to, "reader"))):
            back = match.replace("dport", "sport") if way else match
            name = f"censor-{time.monotonic_ns()}-{number}-{way}"
            names.append(star.block(a, b, match=back, name=name))
    try:
        yield
    finally:
        for name in names:
            star.lift(name)


class Carried:
    """The bytes that doors carry for the reader from now on, headers of IP included."""

    def __init__(self, network: ReadingNetwork) -> None:
        self._star = network.star
        mark = time.monotonic_ns()
        self._counters = {
            door: [
                self._star.count(a, b, name=f"carried-{mark}-{a}-{b}")
                for a, b in (("reader", door), (door, "reader"))
            ]
            for door in network.doors
        }

    def by_door(self) -> dict[str, int]:
        """Return the bytes of each door until now."""
        return {
            door: sum(self._star.counter(name).bytes for name in names)
            for door, names in self._counters.items()
        }

    def all(self) -> int:
        """Return the bytes of all doors until now."""
        return sum(self.by_door().values())


def read(browser: LabBrowser) -> float:
    """Press the notice's button; return the seconds until a story is there."""
    began_s = time.monotonic()
    browser.eval(f"{START}.click()")
    shows(browser, "A late harvest")
    return time.monotonic() - began_s


def fetch(network: ReadingNetwork, then: Callable[[], None] = lambda: None) -> tuple[float, str]:
    """Start a program; return the seconds from its port to a story, and what it printed.

    `then` is called before it ends. Raises AssertionError when no story comes.
    """
    reader = network.hosts["reader"]
    child = reader.python(
        *("-m", "passerelle", "client", "-v", "--invite", network.full_invite),
        *("--listen", PROXY, "--forget"),
    )
    try:
        child.wait_for("Proxy open", timeout_s=START_S)
        began_s = time.monotonic()
        url = f"https://{SITE_NAME}/"
        got = reader.run("curl", "-sk", "--max-time", "40", "--proxy", f"http://{PROXY}", url)
        took_s = time.monotonic() - began_s
        assert "A late harvest" in got.stdout, child.text()
        then()
        return took_s, child.text()
    finally:
        child.stop()


def read_again(network: ReadingNetwork) -> float:
    """Visit the page, block its mirror, and return the seconds until the page shows a story."""
    with network.reader(LabBrowser) as browser:
        read(browser)
        with censor(network, ("mirror", "")):
            began_s = time.monotonic()
            browser.goto(network.mirror_url, timeout_s=START_S)
            shows(browser, "A late harvest")
            return time.monotonic() - began_s
