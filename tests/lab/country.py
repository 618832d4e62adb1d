"""A network with a firewall in it: every party in a namespace of its own.

The reader's side of the router lets packets to the broker and to the volunteer pass and drops
those to the exit and to the blocked site, as a national firewall does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.browser import LabBrowser
from tests.lab.child import Child
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.star import Star

BROKER_PORT, EXIT_PORT, PAPER_PORT, STUN_PORT, SITE_PORT = 8001, 8002, 8003, 3478, 8080
SPARE_PORT = 8004
PROXY_PORT = 1080
SITE_NAME = "blocked-garden.example"
START_S = 30.0
"""How long a program may take to start on a busy machine."""
LINES = 60
INVITE = re.compile(r"http://\S+/#[\w-]{43}")

SWITCH = "role=switch"
AGREE = 'role=button[name="Turn on"]'
REFUSE = 'role=button[name="Not now"]'
SNAPSHOT = "document.querySelector('passerelle-switch').snapshot"


class Country:
    """The parties: `client`, `volunteer`, `broker`, `exit`, `stun`, `site` and `paper`.

    Broker and exit have the same keys; the broker's descriptor names the exit in its namespace.
    `paper` is the publisher, who serves the widget's files too.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.star: Star = lab.star("client", "volunteer", "broker", "exit", "stun", "site", "paper")
        self.hosts: dict[str, Namespace] = self.star.hosts
        for target in ("exit", "site"):
            self.star.block("client", target)
            self.star.block(target, "client")
        self.hosts["exit"].set_hosts({SITE_NAME: self.address("site")})
        self._children: list[Child] = []
        self._state: Path = lab.directory / "network"
        self.invite = ""

    def address(self, label: str) -> str:
        """Return the IPv4 address of a party."""
        return self.hosts[label].address

    @property
    def paper_url(self) -> str:
        """The page with the switch."""
        return f"http://{self.address('paper')}:{PAPER_PORT}/"

    @property
    def site_url(self) -> str:
        """The blocked page, by the site's address."""
        return f"http://{self.address('site')}:{SITE_PORT}/"

    def start(self) -> None:
        """Start everything but the volunteer's browser and the reader's client."""
        exit_ = self.address("exit")
        broker = self._serve(
            "broker",
            BROKER_PORT,
            *("--exit-listen", f"{self.address('broker')}:{SPARE_PORT}"),
            *("--exit-url", f"http://{exit_}:{EXIT_PORT}"),
            *("--stun", f"stun:{self.address('stun')}:{STUN_PORT}"),
        )
        servers = [
            self._serve("exit", EXIT_PORT, "--allow", "10.77.0.0/16"),
            self._run("stun", "tests.rig.stun", self.address("stun"), str(STUN_PORT)),
            self._run("site", "tests.rig.site", self.address("site"), str(SITE_PORT)),
        ]
        text = broker.wait_for("</passerelle-switch>", timeout_s=START_S)
        found = INVITE.search(text)
        assert found is not None, text
        self.invite = found.group()
        servers.append(
            self._run(
                "paper",
                "tests.rig.publisher",
                *(self.address("paper"), str(PAPER_PORT), self.invite, "--hosts-widget"),
            )
        )
        for server, words in zip(
            servers, ["</passerelle-switch>", "ready", "ready", "ready"], strict=True
        ):
            server.wait_for(words, timeout_s=START_S)

    @contextmanager
    def client(self) -> Iterator[Child]:
        """Run the reader's client; it has a link when this gives it."""
        child = self._run(
            "client",
            "passerelle",
            *("client", "-v", "--invite", self.invite, "--listen", f"127.0.0.1:{PROXY_PORT}"),
            "--forget",
        )
        try:
            child.wait_for("Connected through a volunteer", timeout_s=START_S)
            yield child
        finally:
            child.stop()

    @contextmanager
    def browser(self) -> Iterator[LabBrowser]:
        """Run the volunteer's Chromium, with the paper's page open and the switch off.

        A failure inside shows what all programs printed.
        """
        flags = (
            f"--unsafely-treat-insecure-origin-as-secure={self.paper_url.rstrip('/')}",
            # Chromium asks for updates of its own, and would look up where.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 10.77.*",
        )
        with LabBrowser(self.hosts["volunteer"], *flags) as browser:
            try:
                browser.goto(self.paper_url, timeout_s=START_S)
                browser.wait(f"{SNAPSHOT}?.phase === 'off'", timeout_s=START_S)
                yield browser
            except Exception as error:
                error.add_note(self.told())
                raise

    def printed(self) -> list[str]:
        """Return all that each program has printed."""
        return [child.text() for child in self._children]

    def told(self) -> str:
        """Return the last lines that each program printed, for the report of a failure."""
        return "\n".join(
            f"--- {' '.join(child.command)}\n" + "\n".join(child.text().splitlines()[-LINES:])
            for child in self._children
        )

    def _serve(self, label: str, port: int, *more: str) -> Child:
        address = self.address(label)
        return self._run(
            label,
            "passerelle",
            *("serve", "--state", str(self._state), "--listen", f"{address}:{port}"),
            *("--url", f"http://{address}:{port}", *more),
        )

    def _run(self, label: str, module: str, *arguments: str) -> Child:
        child = self.hosts[label].python("-m", module, *arguments)
        self._children.append(child)
        return child


def turn_on(browser: LabBrowser) -> None:
    """Click the switch, agree, and wait until the broker has answered."""
    browser.click(SWITCH, timeout_s=START_S)
    browser.click(AGREE, timeout_s=START_S)
    browser.wait(f"{SNAPSHOT}.phase === 'waiting'", timeout_s=START_S)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """Give a country with its servers running; volunteers and readers come and go."""
    with Lab(directory=tmp_path_factory.mktemp("country")) as lab:
        made = Country(lab)
        made.start()
        yield made
