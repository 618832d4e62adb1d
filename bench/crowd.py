"""Several volunteers, each a Chromium in its own namespace, which leave and come back."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bench.world import LIFETIME_S, READY_S, Engine, Hosts, World, check_lines
from tests.lab import Lab, LabError, Namespace, Star, Wan
from tests.lab.browser import LabBrowser
from tests.lab.cast import SNAPSHOT, SWITCH

POLL_S = 0.1


class Ending(enum.Enum):
    """How a volunteer leaves."""

    CLOSED = "closed"
    """The tab is closed."""
    VANISHED = "vanished"
    """All packets from and to its host are lost."""
    SWITCHED_OFF = "switched off"


class Relay:
    """One volunteer."""

    def __init__(self, world: World, star: Star, host: Namespace, browser: LabBrowser) -> None:
        self.host = host
        self.browser = browser
        self._world = world
        self._star = star
        self._silence: str | None = None

    @property
    def label(self) -> str:
        """The name of its host."""
        return self.host.label

    def people(self) -> int:
        """Return how many clients it relays for."""
        return int(self.browser.eval(f"{SNAPSHOT}.people"))

    def bytes(self) -> int:
        """Return how many bytes it has relayed since its page was opened, as of the last second."""
        return int(self.browser.eval(f"{SNAPSHOT}.totals.bytes"))

    def end(self, how: Ending) -> None:
        """Leave in the given way."""
        match how:
            case Ending.CLOSED:
                self.browser.shut()
            case Ending.VANISHED:
                self._silence = self._star.silence(self.label)
            case Ending.SWITCHED_OFF:
                self.browser.click(SWITCH)

    def switch_off(self) -> None:
        """Go in good order, and wait for it."""
        self.browser.click(SWITCH)
        self.browser.wait(f"{SNAPSHOT}.phase === 'off'", timeout_s=READY_S)

    def restore(self) -> None:
        """Come back, as a new volunteer on a new page."""
        self.browser.shut()
        if self._silence is not None:
            self._star.lift(self._silence)
            self._silence = None
        self._world.open_and_turn_on(self.browser)


class Crowd:
    """The world in namespaces, with several volunteers."""

    def __init__(self, lab: Lab, ways: Sequence[Wan | None], engine: Engine = None) -> None:
        """Give each volunteer a line, the same in both directions; None is a plain wire.

        `engine` is that of all clients.
        """
        self.star: Star = lab.star("server", "site", "client")
        hosts = [self.star.host(f"relay{number}", up=way) for number, way in enumerate(ways)]
        self.world = World(
            Hosts(
                server=self.star.hosts["server"],
                site=self.star.hosts["site"],
                volunteer=hosts[0],
                client=self.star.hosts["client"],
            ),
            engine=engine,
        )
        with ThreadPoolExecutor() as pool:
            browsers = [
                self.world.volunteer,
                *pool.map(self.world.volunteer_on, hosts[1:]),
            ]
        self.relays = [
            Relay(self.world, self.star, host, browser)
            for host, browser in zip(hosts, browsers, strict=True)
        ]

    def helping(self) -> list[Relay]:
        """Return the volunteers that relay for some client."""
        return [relay for relay in self.relays if relay.people()]

    def await_helping(self, count: int, *, timeout_s: float) -> list[Relay]:
        """Wait until `count` volunteers relay for some client, and return them."""
        deadline_s = time.monotonic() + timeout_s
        while len(helping := self.helping()) < count:
            if time.monotonic() > deadline_s:
                raise LabError(
                    f"after {timeout_s:.0f} s {len(helping)} volunteers helped instead of {count}"
                )
            time.sleep(POLL_S)
        return helping

    def await_idle(self, *, timeout_s: float) -> None:
        """Wait until no volunteer relays for any client."""
        deadline_s = time.monotonic() + timeout_s
        while helping := self.helping():
            if time.monotonic() > deadline_s:
                raise LabError(f"{len(helping)} volunteers still help after {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def check(self) -> None:
        """Raise Unmeasured if the laboratory itself failed to carry packets."""
        check_lines(self.star)


@contextmanager
def crowd(ways: Sequence[Wan | None], engine: Engine = None) -> Iterator[Crowd]:
    """Yield the world with these volunteers."""
    with Lab(lifetime_s=LIFETIME_S) as lab:
        yield Crowd(lab, ways, engine)
