"""A network with a firewall in it, with every party in its own namespace.

On the reader's side, the router forwards packets to the broker and the volunteer, and drops those
to the exit and the blocked site, as a national firewall does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.cast import (
    AGREE as AGREE,
)
from tests.lab.cast import (
    PAPER_PORT as PAPER_PORT,
)
from tests.lab.cast import (
    REFUSE as REFUSE,
)
from tests.lab.cast import (
    SNAPSHOT as SNAPSHOT,
)
from tests.lab.cast import (
    START_S as START_S,
)
from tests.lab.cast import (
    SWITCH as SWITCH,
)
from tests.lab.cast import (
    LabNetwork,
)
from tests.lab.cast import (
    turn_on as turn_on,
)
from tests.lab.child import Child
from tests.lab.lab import Lab
from tests.lab.wan import Wan

BROKER_PORT, EXIT_PORT, STUN_PORT, SITE_PORT = 8001, 8002, 3478, 8080
SPARE_PORT = 8004
PROXY_PORT = 1080
SITE_NAME = "blocked-garden.example"


class Country(LabNetwork):
    """The parties `client`, `volunteer`, `broker`, `exit`, `stun`, `site` and `paper`.

    Broker and exit have the same keys, and the broker's descriptor names the exit in its namespace.
    `paper` is the publisher, who serves the widget's files, too.
    """

    def __init__(self, lab: Lab, *, line: Wan | None = None) -> None:
        """With `line` the reader is behind a simulated line."""
        star = lab.star()
        star.host("client", up=line)
        for label in ("volunteer", "broker", "exit", "stun", "site", "paper"):
            star.host(label)
        super().__init__(lab, star)
        for target in ("exit", "site"):
            self.star.block("client", target)
            self.star.block(target, "client")
        self.hosts["exit"].set_hosts({SITE_NAME: self.address("site")})

    @property
    def site_url(self) -> str:
        """The URL of the blocked page, with the site's address."""
        return f"http://{self.authority('site', SITE_PORT)}/"

    def start(self) -> None:
        """Start everything except the volunteer's browser and the reader's client."""
        broker = self._serve(
            "broker",
            BROKER_PORT,
            *("--exit-listen", self.authority("broker", SPARE_PORT)),
            *("--exit-url", f"http://{self.authority('exit', EXIT_PORT)}"),
            *("--stun", f"stun:{self.authority('stun', STUN_PORT)}"),
            *("--stun", f"stun:{self.authority('stun', STUN_PORT + 1)}"),
        )
        servers = [
            self._serve("exit", EXIT_PORT, "--allow", "10.77.0.0/16", "--allow", "fd77::/32"),
            self._run("stun", "passerelle", "stun", "--listen", self.authority("stun", STUN_PORT)),
            self._run("site", "tests.rig.site", self.address("site"), str(SITE_PORT)),
        ]
        servers.append(self._publish(broker))
        for server, words in zip(
            servers, ["</passerelle-switch>", "starts", "ready", "ready"], strict=True
        ):
            server.wait_for(words, timeout_s=START_S)

    @contextmanager
    def client(self, label: str = "client", *options: str) -> Iterator[Child]:
        """Run the reader's client on a host; it is yielded as soon as it has a link."""
        child = self._run(
            label,
            "passerelle",
            *("client", "-v", "--invite", self.invite, "--listen", f"127.0.0.1:{PROXY_PORT}"),
            *("--forget", *options),
        )
        try:
            child.wait_for("Connected through a volunteer", timeout_s=START_S)
            yield child
        finally:
            child.stop()


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """Yield a country whose servers run; tests add volunteers and readers."""
    with Lab(directory=tmp_path_factory.mktemp("country")) as lab:
        made = Country(lab)
        made.start()
        yield made
