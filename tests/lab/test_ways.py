"""With the broker blocked the client finds another way, and begins with that way next time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import Lab
from tests.lab.cast import INVITE, LINES, START_S
from tests.lab.child import Child
from tests.lab.country import BROKER_PORT
from tests.lab.namespace import ETC
from tests.rig.certificate import Certificate

pytestmark = pytest.mark.timeout(180)

FRONT, CDN = "popular.example", "d123.cdn.example"
FRONT_PORT = 8443
REACHED = "No volunteer is available right now"
"""What the client says once a broker has answered; there is no volunteer here."""


class Blocked:
    """A reader, a broker that the firewall blocks, and a front that the firewall does not know."""

    def __init__(self, lab: Lab) -> None:
        self.star = lab.star("client", "broker", "cdn")
        self.hosts = self.star.hosts
        self.dropped = self.star.block("client", "broker")
        self.fronted = self.star.count("client", "cdn", match="tcp flags & (syn|ack) == syn")
        self.folder = lab.directory / "front"
        self.folder.mkdir()
        self.certificate = Certificate.make(self.folder, FRONT)
        self.state = lab.directory / "state" / "client.json"
        address = self.hosts["broker"].address
        url = f"http://{address}:{BROKER_PORT}"
        broker = self.hosts["broker"].python(
            *("-m", "passerelle", "serve", "--state", str(lab.directory / "network")),
            *("--listen", f"{address}:{BROKER_PORT}", "--url", url),
            *("--fronted", f"{FRONT}:{FRONT_PORT},https://{CDN}"),
        )
        text = broker.wait_for("</passerelle-switch>", timeout_s=START_S)
        found = INVITE.search(text)
        assert found is not None, text
        self.plain_invite = found.group()
        self.invite = next(word for word in text.split() if word.startswith(self.plain_invite))
        front = self.hosts["cdn"].python(
            *("-m", "tests.rig.middleman", "front", self.hosts["cdn"].address, str(FRONT_PORT)),
            *(str(self.folder), f"{CDN}={url}"),
        )
        front.wait_for("ready", timeout_s=START_S)
        client = self.hosts["client"]
        client.set_hosts({FRONT: self.hosts["cdn"].address})
        # All other names must fail at once: the machine's name servers cannot be reached from here.
        (ETC / client.name / "resolv.conf").write_text("nameserver 127.0.0.1\n")

    def wait_for_connections(self, count: int) -> None:
        """Wait until the client has made `count` connections to the front in all."""
        deadline_s = time.monotonic() + START_S
        while self.star.counter(self.fronted).packets < count:
            assert time.monotonic() < deadline_s, "no connection to the front"
            time.sleep(0.05)

    @contextmanager
    def client(self, invite: str) -> Iterator[Child]:
        child = self.hosts["client"].python(
            *("-m", "passerelle", "client", "--invite", invite, "--listen", "127.0.0.1:1080"),
            *("--state", str(self.state)),
            env={"SSL_CERT_FILE": str(self.certificate.pem)},
        )
        try:
            yield child
        except Exception as error:
            error.add_note("\n".join(child.text().splitlines()[-LINES:]))
            raise
        finally:
            child.stop()


def test_another_way_is_found_and_remembered(lab: Lab) -> None:
    """The direct way is silent, so another is found; the front's log has no description."""
    here = Blocked(lab)
    with here.client(here.invite) as child:
        child.wait_for(REACHED, timeout_s=START_S)
    tried = here.star.counter(here.dropped).packets
    assert tried > 0, "the direct way was tried first"
    assert here.star.counter(here.fronted).packets == 1, "one connection for all requests"
    with here.client(here.invite) as child:
        here.wait_for_connections(2)
        # Look at once: on a busy machine the client may try further ways later.
        assert here.star.counter(here.dropped).packets == tried, "the front comes first now"
        child.wait_for(REACHED, timeout_s=START_S)
    seen = (here.folder / "front.log").read_bytes()
    assert b"POST /v1/rendezvous" in seen
    client = here.hosts["client"]
    for address in (client.address, client.address6, "ufrag", "sha-256"):
        assert address.encode() not in seen


def test_without_another_way_the_person_is_told(lab: Lab) -> None:
    """With a plain invite nothing works, and the client says what it tried and goes on trying."""
    here = Blocked(lab)
    with here.client(here.plain_invite) as child:
        child.wait_for("The network's broker cannot be reached", timeout_s=START_S)
    assert here.star.counter(here.fronted).packets == 0
