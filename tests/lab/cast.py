"""The programs of a network, each in a namespace of its own, and their publisher's page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from passerelle.core.address.host import join_authority
from tests.lab.browser import LabBrowser
from tests.lab.child import Child
from tests.lab.firefox import LabFirefox
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.star import Star

PAPER_PORT = 8003
START_S = 30.0
"""Time that a program may take to start on a busy machine."""
LINES = 60
INVITE = re.compile(r"http://\S+/#[\w-]{43}")

SWITCH = "role=switch"
AGREE = 'role=button[name="Turn on"]'
REFUSE = 'role=button[name="Not now"]'
ELEMENT = "document.querySelector('passerelle-switch')"
SNAPSHOT = f"{ELEMENT}.snapshot"


class LabNetwork:
    """Hosts around a router, among them `volunteer`, who has a browser, and `paper`, the publisher.

    `paper` serves the widget's files too.
    """

    def __init__(self, lab: Lab, star: Star) -> None:
        self.lab = lab
        self.star = star
        self.hosts: dict[str, Namespace] = star.hosts
        self._children: list[Child] = []
        self._state: Path = lab.directory / "network"
        self.invite = ""

    def address(self, label: str) -> str:
        """Return the IPv4 address of a party."""
        return self.hosts[label].address

    @property
    def known_addresses(self) -> str:
        """The pattern of the addresses in this laboratory, as Chromium's options take it."""
        return f"{self.star.network}.*"

    def authority(self, label: str, port: int) -> str:
        """Return address and port of a party as URLs have them: an IPv6 address in brackets."""
        return join_authority(self.address(label), port)

    @property
    def paper_url(self) -> str:
        """URL of the page with the switch."""
        return f"http://{self.authority('paper', PAPER_PORT)}/"

    @contextmanager
    def browser(
        self, label: str = "volunteer", *, kind: type[LabBrowser] = LabBrowser
    ) -> Iterator[LabBrowser]:
        """Run a volunteer's browser, with the paper's page open and the switch off.

        A failure inside shows what all programs printed.
        """
        secure = (self.paper_url.rstrip("/"), self.invite.partition("/#")[0])
        chromium = (
            f"--unsafely-treat-insecure-origin-as-secure={','.join(secure)}",
            # Chromium asks for updates of its own, and would look up where.
            f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {self.known_addresses}",
        )
        flags = (self.address("paper"), self.address("broker")) if kind is LabFirefox else chromium
        with kind(self.hosts[label], *flags) as browser:
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

    def _publish(self, broker: Child) -> Child:
        """Wait for the broker's invite, and start the publisher's page with it."""
        text = broker.wait_for("</passerelle-switch>", timeout_s=START_S)
        found = INVITE.search(text)
        assert found is not None, text
        self.invite = found.group()
        return self._run(
            "paper",
            "tests.rig.publisher",
            *(self.address("paper"), str(PAPER_PORT), self.invite, "--hosts-widget"),
        )

    def _serve(self, label: str, port: int, *more: str) -> Child:
        authority = self.authority(label, port)
        return self._run(
            label,
            "passerelle",
            *("serve", "--state", str(self._state), "--listen", authority),
            *("--url", f"http://{authority}", *more),
        )

    def _run(self, label: str, module: str, *arguments: str) -> Child:
        child = self.hosts[label].python("-m", module, *arguments)
        self._children.append(child)
        return child


def turn_on(browser: LabBrowser) -> None:
    """Click the switch, agree, and wait until the broker has answered."""
    browser.click(SWITCH, timeout_s=START_S)
    browser.click(AGREE, timeout_s=START_S)
    browser.wait(f"['waiting', 'helping'].includes({SNAPSHOT}.phase)", timeout_s=START_S)
