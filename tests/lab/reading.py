"""A blocked newspaper whose readers have nothing but a browser, every party in its own namespace.

The reader's side reaches the mirror of the reading page, the broker and the volunteer. The router
drops what goes to the exit and to the newspaper.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from passerelle.demo.reading import SHOWN, START
from passerelle.keyring import Keyring
from passerelle.wire.doors import door_key
from tests.lab.browser import LabBrowser
from tests.lab.cast import START_S, LabNetwork
from tests.lab.child import Child
from tests.lab.firefox import LabFirefox
from tests.lab.lab import Lab
from tests.rig.certificate import Certificate

BROKER_PORT, EXIT_PORT, STUN_PORT, SPARE_PORT, MIRROR_PORT = 8001, 8002, 3478, 8004, 8005
DOOR_PORT: Final = 8006
METRICS_PORT: Final = 8007
SITE_NAME: Final = "blocked-herald.example"
READ_S: Final = 30.0
"""Longest time until a page of the site is shown."""


class ReadingNetwork(LabNetwork):
    """The parties `reader`, `volunteer`, `broker`, `exit`, `stun`, `site`, `mirror`, `paper`.

    Each door is a party with the name of its kind (`tests.rig.door`).
    """

    def __init__(self, lab: Lab, *doors: str) -> None:
        star = lab.star(
            *("reader", "volunteer", "broker", "exit", "stun", "site", "mirror", "paper"), *doors
        )
        self.doors = doors
        super().__init__(lab, star)
        for target in ("exit", "site"):
            star.block("reader", target)
            star.block(target, "reader")
        self.hosts["exit"].set_hosts({SITE_NAME: self.address("site")})
        self._site: Child
        self._mirror: Child
        self.full_invite = ""
        """The invite with its ways."""

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
        exit_ = self._serve(
            "exit",
            EXIT_PORT,
            *("--site", SITE_NAME, "--config", str(settings), "--allow", "10.77.0.0/16"),
            *(["--direct"] if self.doors else []),
            *("--metrics-listen", f"127.0.0.1:{METRICS_PORT}"),
        )
        exit_.wait_for("starts", timeout_s=START_S)
        doors = self._start_doors()
        broker = self._serve(
            "broker",
            BROKER_PORT,
            *("--exit-listen", self.authority("broker", SPARE_PORT)),
            *("--exit-url", f"http://{self.authority('exit', EXIT_PORT)}"),
            *("--stun", f"stun:{self.authority('stun', STUN_PORT)}"),
            *("--stun", f"stun:{self.authority('stun', STUN_PORT + 1)}"),
            *("--site", SITE_NAME, "--config", str(settings)),
            *(word for url in doors for word in ("--door", url)),
        )
        paper = self._publish(broker)
        found = re.search(rf"{re.escape(self.invite)}\S*", broker.text())
        assert found is not None
        self.full_invite = found.group()
        for url in doors:
            broker.wait_for(f"the door {url} works", timeout_s=START_S)
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
        stun.wait_for("starts", timeout_s=START_S)

    def _start_doors(self) -> list[str]:
        """Start the doors; return their base URLs."""
        urls = []
        for kind in self.doors:
            url = f"http://{self.authority(kind, DOOR_PORT)}/passerelle"
            keys = Keyring.open_or_create(self._state)
            child = self._run(
                kind,
                "tests.rig.door",
                *(kind, self.address(kind), str(DOOR_PORT)),
                f"http://{self.authority('broker', BROKER_PORT)}",
                f"http://{self.authority('exit', EXIT_PORT)}",
                door_key(keys.broker_seal, url),
                str(self.lab.directory / f"door-{kind}"),
            )
            child.wait_for("ready", timeout_s=START_S)
            urls.append(url)
        return urls

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

    def introductions(self) -> float:
        """Return how many requests for a broker the exit's gateway passed on, rounded up to 8."""
        url = f"http://127.0.0.1:{METRICS_PORT}/metrics"
        text = self.hosts["exit"].run("curl", "-s", url).stdout
        found = re.search(r'gateway_answers_total{source="broker"} (\S+)', text)
        assert found is not None, text
        return float(found[1])

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
