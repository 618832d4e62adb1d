"""A blocked newspaper whose readers have nothing but a browser, every party in its own namespace.

The reader's side reaches the mirror of the reading page, the broker and the volunteer. The router
drops what goes to the exit and to the newspaper.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from passerelle.demo.reading import SHOWN, START
from tests.lab.browser import LabBrowser
from tests.lab.cast import START_S, LabNetwork
from tests.lab.child import Child
from tests.lab.firefox import LabFirefox
from tests.lab.lab import Lab
from tests.rig.certificate import Certificate

BROKER_PORT, EXIT_PORT, STUN_PORT, SPARE_PORT, MIRROR_PORT = 8001, 8002, 3478, 8004, 8005
SITE_NAME: Final = "blocked-herald.example"
READ_S: Final = 30.0
"""Longest time until a page of the site is shown."""


class ReadingNetwork(LabNetwork):
    """The parties `reader`, `volunteer`, `broker`, `exit`, `stun`, `site`, `mirror`, `paper`."""

    def __init__(self, lab: Lab) -> None:
        star = lab.star(
            *("reader", "volunteer", "broker", "exit", "stun", "site", "mirror", "paper")
        )
        super().__init__(lab, star)
        for target in ("exit", "site"):
            star.block("reader", target)
            star.block(target, "reader")
        self.hosts["exit"].set_hosts({SITE_NAME: self.address("site")})
        self._site: Child
        self._mirror: Child

    @property
    def mirror_url(self) -> str:
        """Where the reading page is."""
        return f"http://{self.authority('mirror', MIRROR_PORT)}"

    def start(self) -> None:
        """Start everything except the browsers."""
        folder = self.lab.directory
        certificate = Certificate.make(folder, SITE_NAME)
        settings = folder / "exit.toml"
        settings.write_text(f'[gateway]\nroots = "{certificate.pem}"\n')
        self._site = self._run("site", "tests.rig.herald", self.address("site"), str(folder))
        stun = self._run(
            "stun", "passerelle", "stun", "--listen", self.authority("stun", STUN_PORT)
        )
        broker = self._serve(
            "broker",
            BROKER_PORT,
            *("--exit-listen", self.authority("broker", SPARE_PORT)),
            *("--exit-url", f"http://{self.authority('exit', EXIT_PORT)}"),
            *("--stun", f"stun:{self.authority('stun', STUN_PORT)}"),
            *("--stun", f"stun:{self.authority('stun', STUN_PORT + 1)}"),
            *("--site", SITE_NAME, "--config", str(settings)),
        )
        paper = self._publish(broker)
        exit_ = self._serve(
            "exit",
            EXIT_PORT,
            *("--site", SITE_NAME, "--config", str(settings), "--allow", "10.77.0.0/16"),
        )
        page = folder / "page"
        made = self._run(
            "broker",
            "passerelle",
            *("page", "--state", str(self._state), "--out", str(page)),
            *("--url", f"http://{self.authority('broker', BROKER_PORT)}"),
        )
        assert made.wait(timeout_s=START_S) == 0, made.text()
        self._mirror = self._run(
            "mirror", "tests.rig.mirror", self.address("mirror"), str(MIRROR_PORT), str(page)
        )
        for server in (self._site, paper, self._mirror):
            server.wait_for("ready", timeout_s=START_S)
        for server in (stun, exit_):
            server.wait_for("starts", timeout_s=START_S)

    @contextmanager
    def reader(self, kind: type[LabBrowser]) -> Iterator[LabBrowser]:
        """Run a reader's browser at the notice of the reading page."""
        chromium = (
            f"--unsafely-treat-insecure-origin-as-secure={self.mirror_url}",
            f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {self.known_addresses}",
        )
        flags = (self.address("mirror"),) if kind is LabFirefox else chromium
        with kind(self.hosts["reader"], *flags) as browser:
            try:
                browser.goto(self.mirror_url, timeout_s=START_S)
                browser.wait(f"!!{START}", timeout_s=START_S)
                yield browser
            except Exception as error:
                error.add_note(self.told())
                raise

    @property
    def asked_of_site(self) -> list[str]:
        """What the newspaper was asked for: paths, with the part of the file that was wanted."""
        return self._site.out.read_text().splitlines()[1:]

    @property
    def asked_of_mirror(self) -> list[tuple[str, str, str]]:
        """The mirror's log: each request's path, cookies, and the page that it came from."""
        return [tuple(json.loads(line)) for line in self._mirror.out.read_text().splitlines()[1:]]

    @property
    def stopped(self) -> int:
        """Packets between the reader and the exit or the newspaper: all of them were dropped."""
        ways = [
            way for target in ("exit", "site") for way in ((target, "reader"), ("reader", target))
        ]
        return sum(self.star.counter(f"block-{a}-{b}").packets for a, b in ways)


def shows(browser: LabBrowser, words: str) -> None:
    """Wait until the site's page with these words and its pictures are shown."""
    browser.wait(
        f"{SHOWN}?.body?.innerText.includes('{words}')"
        f" && [...{SHOWN}.images].every((image) => image.naturalWidth > 0)",
        timeout_s=READ_S,
    )
