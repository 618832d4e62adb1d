"""The whole path as processes: servers, a page, a volunteer's Chromium, a site, clients.

`loopback()` puts them all on this machine; `Star`-shaped laboratories put each in a namespace.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from bench import command
from bench.errors import Unmeasured
from bench.host import ThisMachine
from bench.report import Row, median
from passerelle.serve import BUILT_WIDGET
from tests.lab import Child, Lab, Namespace, Star, Wan, traffic
from tests.lab.browser import LabBrowser
from tests.lab.cast import INVITE, SNAPSHOT, START_S, turn_on
from tests.lab.firefox import LabFirefox
from tests.rig.ports import free_port

LINK_S = 60.0
"""How long a first link may take; on a lossy path it may need several attempts."""
FREE_S = 15.0
"""How long a volunteer may take to notice that a client has left."""
READY_S = 20.0
STEP = re.compile(r"^ {4}(\w+) +(\d+) ms$", re.MULTILINE)
LIFETIME_S = 3600.0
SETTLE_S = 1.0
PING_PORT = 7
PINGS = 9
ENGINES = ("auto", "chrome", "python")
"""The client's WebRTC stacks, as `passerelle client --engine` names them."""

Engine = str | None
"""One of `ENGINES`, or None for the client's own choice."""


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the option `--engine` to a benchmark's command line."""
    parser.add_argument("--engine", choices=ENGINES, help="the client's WebRTC stack")


def main(bench: str, measure: Callable[[bool, Engine], Iterable[Row]], meaning: str) -> NoReturn:
    """Do what `command.main` does; `measure` also takes which engine the clients use."""
    parser = command.parser(bench, meaning)
    add_engine(parser)
    options = parser.parse_args()
    command.run(bench, lambda quick: measure(quick, options.engine), meaning, options)


@dataclass(frozen=True, slots=True)
class Hosts:
    """The host of each part; several may be the same."""

    server: Namespace
    site: Namespace
    volunteer: Namespace
    client: Namespace


class Client:
    """A `passerelle client` that can be started."""

    def __init__(self, host: Namespace, invite: str, port: int, *options: str) -> None:
        self.port = port
        self._host = host
        self._words = (
            *("client", "--invite", invite, "--listen", f"127.0.0.1:{port}"),
            *("-v", "--forget", *options),
        )
        self.child: Child

    def start(self) -> None:
        """Start the process."""
        self.child = self._host.python("-m", "passerelle", *self._words)

    def linked(self, *, timeout_s: float = LINK_S) -> None:
        """Wait for the first link."""
        self.child.wait_for("    welcome", timeout_s=timeout_s)

    def steps(self) -> dict[str, float]:
        """Return the milliseconds of each step of the first link, in order."""
        steps: dict[str, float] = {}
        for name, milliseconds in STEP.findall(self.child.text()):
            if name in steps:
                break
            steps[name] = float(milliseconds)
        return steps


class World:
    """All that clients need, running until its hosts end."""

    def __init__(self, hosts: Hosts, *, firefox: bool = False, engine: Engine = None) -> None:
        """Start all parts, and flip the switch. Raises Unmeasured where the widget is not built.

        With `firefox` the volunteers use Firefox; `engine` is that of all clients.
        """
        self._firefox = firefox
        self._engine_words = () if engine is None else ("--engine", engine)
        if not BUILT_WIDGET.is_dir():
            raise Unmeasured("the widget is not built. Run `make widget`, then try again.")
        self.hosts = hosts
        self.port = free_port()
        """The port of broker and exit."""
        self.server: Child
        """The process of broker and exit."""
        self.site_port = free_port()
        self._site()
        self.invite = self._serve()
        self._page_origin = self._publish()
        self.volunteer = self.volunteer_on(hosts.volunteer)

    def _site(self) -> None:
        site = self.hosts.site
        site.python("-m", "bench.site", site.address, str(self.site_port)).wait_for(
            "ready", timeout_s=START_S
        )

    def _serve(self) -> str:
        host = self.hosts.server
        address = f"{host.address}:{self.port}"
        state = host.directory / "state"
        words = ["serve", "--state", str(state), "--listen", address, "--url", f"http://{address}"]
        words += ["--allow", "127.0.0.0/8", "--allow", "10.0.0.0/8"]
        words += ["--exit-port", str(self.site_port)]
        self.server = host.python("-m", "passerelle", *words)
        said = self.server.wait_for("Tag for", timeout_s=START_S)
        found = INVITE.search(said)
        if found is None:
            raise Unmeasured(f"`passerelle serve` printed no invite: {said[-500:]}")
        return found.group()

    def _publish(self) -> str:
        server = self.hosts.server
        port = free_port()
        page = server.python("-m", "bench.publisher", server.address, str(port), self.invite)
        page.wait_for("Running on", timeout_s=START_S)
        return f"http://{server.address}:{port}"

    def volunteer_on(self, host: Namespace) -> LabBrowser:
        """Return a new Chromium on a host, with its switch on."""
        origins = (self._page_origin, f"http://{self.hosts.server.address}:{self.port}")
        browser = browse(host, *origins, firefox=self._firefox)
        self.open_and_turn_on(browser)
        return browser

    def open_and_turn_on(self, browser: LabBrowser) -> None:
        """Open the page in a volunteer's browser, and turn its switch on."""
        browser.goto(f"{self._page_origin}/", timeout_s=READY_S)
        turn_on(browser)

    def prepare(self, *options: str) -> Client:
        """Return a client that has not been started, with `options` on its command line."""
        words = (*self._engine_words, *options)
        return Client(self.hosts.client, self.invite, free_port(), *words)

    def client(self) -> Client:
        """Return a running client that has its first link."""
        client = self.prepare()
        client.start()
        client.linked()
        return client

    def end(self, client: Client) -> None:
        """End a client, and wait until the volunteer is free again."""
        client.child.stop()
        self.volunteer.wait(f"{SNAPSHOT}.people === 0", timeout_s=FREE_S)

    def app(self, client: Client | None, command: str, **options: float | bool) -> Child:
        """Start an application that uses the site, through the client or without one."""
        site = self.hosts.site.address
        port = 0 if client is None else client.port
        words = ["-m", "bench.app", command, str(port), site, str(self.site_port)]
        for name, value in options.items():
            if value is True:
                words += [f"--{name}"]
            elif value is not False:
                words += [f"--{name}", str(value)]
        return self.hosts.client.python(*words)

    def run(
        self, client: Client, command: str, *, timeout_s: float, **options: float | bool
    ) -> dict[str, Any]:
        """Run an application to its end, and return what it measured."""
        result: dict[str, Any] = self.app(client, command, **options).result(timeout_s=timeout_s)
        return result


def browse(host: Namespace, *origins: str, firefox: bool = False) -> LabBrowser:
    """Start a browser on a host, to which pages of these `http` origins count as secure."""
    if firefox:
        return LabFirefox(host, *(str(urlsplit(origin).hostname) for origin in origins))
    return LabBrowser(host, f"--unsafely-treat-insecure-origin-as-secure={','.join(origins)}")


@contextmanager
def loopback(engine: Engine = None) -> Iterator[World]:
    """Yield the world on this machine."""
    with ThisMachine() as here:
        yield World(Hosts(server=here, site=here, volunteer=here, client=here), engine=engine)


class Distant:
    """The world in namespaces: the client behind a long line, everything else close together."""

    def __init__(
        self,
        lab: Lab,
        *,
        up: Wan,
        down: Wan,
        near: Wan | None = None,
        firefox: bool = False,
        engine: Engine = None,
    ) -> None:
        """`up` is from the client; with `near`, server and volunteer are behind long lines, too."""
        self.lab = lab
        self.star: Star = lab.star("site")
        hosts = Hosts(
            server=self.star.host("server", up=near),
            site=self.star.hosts["site"],
            volunteer=self.star.host("volunteer", up=near),
            client=self.star.host("client", up=up, down=down),
        )
        self.world = World(hosts, firefox=firefox, engine=engine)

    def bend(self, *, up: Wan, down: Wan) -> None:
        """Change the client's line."""
        self.star.lines["client"].set(there=up, back=down)

    def rtt_ms(self) -> float:
        """Return the measured round trip of small UDP packets between client and volunteer."""
        hosts = self.world.hosts
        echo = traffic.start(hosts.volunteer, "echo", hosts.volunteer.address, PING_PORT)
        try:
            words = (hosts.volunteer.address, PING_PORT, PINGS, 2.0)
            times = traffic.start(hosts.client, "ping", *words).result()["rtt_ms"]
        finally:
            echo.stop()
        if not times:
            raise Unmeasured("no packet came back between client and volunteer")
        return median(times)

    def check(self) -> None:
        """Raise Unmeasured if the laboratory itself failed to carry packets."""
        check_lines(self.star)


def check_lines(star: Star) -> None:
    """Raise Unmeasured if a star's lines failed to carry packets that they should have."""
    for label, line in star.lines.items():
        if overrun := sum(passage.overrun for passage in line.counters()):
            raise Unmeasured(
                f"the laboratory was too slow for {overrun} packets of {label}; "
                "run it again on a quieter machine."
            )


@contextmanager
def laboratory(
    *,
    up: Wan,
    down: Wan,
    near: Wan | None = None,
    firefox: bool = False,
    engine: Engine = None,
) -> Iterator[Distant]:
    """Yield the world in namespaces; its lines last as long as the longest benchmark."""
    with Lab(lifetime_s=LIFETIME_S) as lab:
        yield Distant(lab, up=up, down=down, near=near, firefox=firefox, engine=engine)


def settle(seconds: float = SETTLE_S) -> None:
    """Wait until the programs that were started are idle."""
    time.sleep(seconds)
