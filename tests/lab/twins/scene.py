"""One laboratory in which two browsers call each other, and readers find volunteers.

The reader's end is in the same namespace in both cases, and so is each volunteer's browser; the
reader's side offers. IPv6 is off, because the two would not choose it equally often.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.lab.browser import LabBrowser
from tests.lab.capture import Capture
from tests.lab.cast import AGREE, ELEMENT, SNAPSHOT, START_S, SWITCH
from tests.lab.child import Child
from tests.lab.country import SITE_NAME, SITE_PORT, STUN_PORT, Country
from tests.lab.errors import LabError
from tests.lab.firefox import LabFirefox
from tests.lab.lab import Lab
from tests.lab.twins.dissect import dissect
from tests.lab.twins.features import Features, describe
from tests.lab.twins.groups import CALL, CHANNEL, ENGINES, KINDS, MAKERS, PROFILE, TWINS, Group

VOLUNTEERS: Final = {"Chromium": "volunteer", "Firefox": "volunteer2"}
"""The volunteers' browsers, and the host of each."""
READERS: Final = {CALL: "client", CHANNEL: "client2"}
"""The host of the readers whose links are of each kind."""
PAGE = Path(__file__).with_name("call.js")
HOLD_S = 7.0
"""How long links last once all are open: Chrome checks its path every 2.5 s."""
LINKS_S = 60.0
"""How long all clients of a round may take to find both volunteers, on a busy machine."""
PORT = 1080
PEOPLE = 40
"""How many people each volunteer helps at once."""
LINK_UP = "    welcome"
"""What `passerelle client -v` prints for each link that is open."""


Made = dict[Group, list[Features]]


class Scene:
    """The network and the browsers, from `with` to its end."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._country = Country(lab)
        self._stack = ExitStack()
        self._volunteers: dict[str, LabBrowser] = {}
        for label in ("volunteer2", "client2"):
            self._country.star.host(label)
        for label in (*VOLUNTEERS.values(), *READERS.values()):
            self._country.hosts[label].set_kernel("net.ipv6.conf.all.disable_ipv6", "1")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._country.start()
            for name, label in VOLUNTEERS.items():
                kind = LabFirefox if name == "Firefox" else LabBrowser
                self._volunteers[name] = stack.enter_context(
                    self._country.browser(label, kind=kind)
                )
                _prepare(self._volunteers[name])
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def measure(self, rounds: int, links: int) -> list[Made]:
        """Make `rounds` of `links` links of each group, and return the features of each round.

        Call it once. A client sometimes makes a link more. Raises LabError.
        """
        made: list[Made] = [{} for _ in range(rounds)]
        with self._country.browser(READERS[CALL]) as caller:
            _prepare(caller)
            for each in made:
                for kind in KINDS:
                    each.update(self._twins(caller, kind, links))
        for browser in self._volunteers.values():
            browser.eval(f"() => {ELEMENT}.setAttribute('people', '{PEOPLE}')")
            browser.click(AGREE, timeout_s=START_S)
            browser.wait(f"['waiting', 'helping'].includes({SNAPSHOT}.phase)", timeout_s=START_S)
        for each in made:
            for maker in (PROFILE, *ENGINES):
                each.update(self._readers(maker, links))
        return made

    # --- two browsers ---------------------------------------------------------------------------

    def _twins(self, caller: LabBrowser, kind: str, links: int) -> Made:
        stun = f"stun:{self._country.authority('stun', STUN_PORT)}"
        with self._captured(READERS[CALL]) as captures:
            for name, volunteer in self._volunteers.items():
                for number in range(links):
                    words = (f"{name}{number}", stun, kind == CALL)
                    offer = _call(caller, "offer", *words)
                    answer = _call(volunteer, "answer", *words, offer)
                    _call(caller, "accept", words[0], answer)
            caller.wait("twins.states().every((state) => state === 'open')", timeout_s=LINKS_S)
            time.sleep(HOLD_S)
            for browser in (caller, *self._volunteers.values()):
                _call(browser, "end")
        return self._described(TWINS, kind, captures[0], READERS[CALL])

    # --- readers --------------------------------------------------------------------------------

    def _readers(self, maker: str, links: int) -> Made:
        """Run clients whose links are calls on one host, and others on the other."""
        readers = {kind: READERS[kind] for name, kind in MAKERS if name == maker}
        # Each end of a call draws and encodes a picture. Two cores do so for one client at a time.
        at_once = 1 if maker == PROFILE else links
        with self._captured(*readers.values()) as captures:
            for first in range(0, links, at_once):
                numbers = range(first, min(first + at_once, links))
                self._hold_links(readers, maker, [PORT + number for number in numbers])
        found: Made = {}
        for (kind, label), capture in zip(readers.items(), captures, strict=True):
            found |= self._described(maker, kind, capture, label)
        return found

    def _hold_links(self, readers: dict[str, str], maker: str, ports: Sequence[int]) -> None:
        """Run a client at each port of each reader's host, until all have links and a page."""
        with ExitStack() as stack:
            clients = [
                (label, port, self._client(label, port, maker, kind))
                for port in ports
                for kind, label in readers.items()
            ]
            for _, _, client in clients:
                stack.callback(client.stop)
            _wait_for_links([client for _, _, client in clients], len(VOLUNTEERS))
            for label, port, _ in clients:
                self._read(label, port)
            time.sleep(HOLD_S)
            for _, _, client in clients:
                # All end at once; one after the other they would take half a minute.
                client.process.terminate()

    def _client(self, label: str, port: int, maker: str, kind: str) -> Child:
        words = ("client", "-v", "--invite", self._country.invite, "--forget", "--engine")
        media = "--media" if kind == CALL else "--no-media"
        return self._country.hosts[label].python(
            "-m", "passerelle", *words, *maker.split(), media, "--listen", f"127.0.0.1:{port}"
        )

    def _read(self, label: str, port: int) -> None:
        """Fetch a page, as a reader does."""
        proxy = ("-x", f"socks5h://127.0.0.1:{port}")
        words = ("curl", "-q", "-sS", "--noproxy", "", "-m", "30", "-o", "/dev/null", *proxy)
        self._country.hosts[label].run(*words, f"http://{SITE_NAME}:{SITE_PORT}/", timeout_s=60)

    # --- captures -------------------------------------------------------------------------------

    @contextmanager
    def _captured(self, *labels: str) -> Iterator[list[Capture]]:
        router = self._country.star.router
        with ExitStack() as stack:
            yield [
                stack.enter_context(self._lab.capture(router, f"to-{label}", "udp"))
                for label in labels
            ]

    def _described(self, maker: str, kind: str, capture: Capture, reader: str) -> Made:
        """Return the features of the links in a capture, and remove it."""
        hosts = {self._country.address(label): name for name, label in VOLUNTEERS.items()}
        read = dissect(capture.path, self._country.address(reader), hosts)
        capture.path.unlink()
        return {
            Group(maker, kind, name): [describe(link) for link in read[address]]
            for address, name in hosts.items()
        }


def _prepare(browser: LabBrowser) -> None:
    """Bring the functions of the reference's calls into the page.

    The click opens the switch's text and starts nothing; sound needs a visitor who has clicked.
    """
    browser.click(SWITCH, timeout_s=START_S)
    browser.eval(f"() => {{ {PAGE.read_text(encoding='utf-8')} }}", timeout_s=START_S)


def _call(browser: LabBrowser, function: str, *arguments: object) -> object:
    words = ", ".join(map(json.dumps, arguments))
    return browser.eval(f"() => twins.{function}({words})", timeout_s=START_S)


def _wait_for_links(clients: Sequence[Child], count: int) -> None:
    """Wait until each client has `count` links. Raises LabError."""
    deadline_s = time.monotonic() + LINKS_S
    while not all(client.text().count(LINK_UP) >= count for client in clients):
        if time.monotonic() > deadline_s:
            said = min((client.text() for client in clients), key=lambda text: text.count(LINK_UP))
            raise LabError(f"a client has not found {count} volunteers; it said: {said[-2000:]}")
        time.sleep(0.05)
