"""An exit sends no SYN to a denied address, although every denied class has a listener.

The exit's namespace is joined to another that has an address of each class and listens on all of
them; the exit's own loopback has a listener, too. nftables counts SYNs where the exit sends them.
The exit's resolver asks a DNS server of this test.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import pytest

from passerelle.errors import Failure
from tests.lab import Lab
from tests.lab.child import Child
from tests.lab.namespace import ETC, Namespace
from tests.lab.test_datagram_policy import DENIED, PUBLIC, UNHEARD

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

PORT = 80
SERVER = "9.9.9.9"
OWN = ("8.8.8.8", "2a00:1450:4002::1")
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1")
ODD = (
    *("0x7f.1", "2130706433", "0177.0.0.1", "127.1", "0", "0x7f000001", "1.1", "127.0.0.1.."),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]"),
    *("[fe80::1%25lo]", "[::1%lo]", "localhost", "localhost.", "a.localhost", "metadata.internal"),
)
"""Hosts that some resolver takes for an address of its own machine or network."""
RULES = """
table inet canary {
    counter denied {}
    counter open {}
    chain output {
        type filter hook output priority 0;
        tcp flags & (syn | ack) == syn ip daddr 8.8.4.4 counter name open accept
        tcp flags & (syn | ack) == syn ip6 daddr 2a00:1450:4001::1 counter name open accept
        tcp flags & (syn | ack) == syn counter name denied
    }
}
"""


@dataclass
class Scene:
    """An exit, and the listeners that it must not reach."""

    exit: Namespace
    far_listener: Child
    own_listener: Child

    def ask(self, hosts: tuple[str, ...], *, allow: tuple[str, ...] = ()) -> dict[str, str]:
        """Have the exit connect to each host; return how each attempt ended."""
        order = {"hosts": hosts, "port": PORT, "allow": allow}
        words = (sys.executable, "-m", "tests.lab.tcp_probe")
        found: dict[str, str] = json.loads(
            self.exit.run(*words, text=json.dumps(order), timeout_s=60).stdout
        )
        return found

    def syns(self) -> dict[str, int]:
        """Return how many SYNs the exit has sent, to open and to denied addresses."""
        printed = self.exit.run("nft", "-j", "list", "counters", "table", "inet", "canary").stdout
        items = [item["counter"] for item in json.loads(printed)["nftables"] if "counter" in item]
        return {item["name"]: item["packets"] for item in items}

    def heard(self) -> dict[str, int]:
        """Return how many connections each address has got."""
        far, own = (json.loads(each.ask("?")) for each in (self.far_listener, self.own_listener))
        return {**far, **own}


def names() -> dict[str, str]:
    """Return a zone with each denied address alone, beside a public one, and after a public one."""
    every = (*DENIED, *LOOPBACK, *OWN)
    zone = {f"n{number}.example": address for number, address in enumerate(every)}
    for number, address in enumerate(every):
        public = PUBLIC[1] if ":" in address else PUBLIC[0]
        zone[f"both{number}.example"] = f"{public},{address}"
        zone[f"turn{number}.example"] = f"{public};{address}"
    return zone


@pytest.fixture
def scene(lab: Lab) -> Scene:
    exit_, far = lab.namespace("exit"), lab.namespace("far")
    lab.veth(exit_, far)
    for family, address in (("-4", far.address), ("-6", far.address6)):
        exit_.ip(family, "route", "add", "default", "via", address)
    for address in (*PUBLIC, *DENIED, SERVER):
        add(far, address)
    for address in OWN:
        add(exit_, address)
    directory = ETC / exit_.name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "resolv.conf").write_text(f"nameserver {SERVER}\n")
    exit_.set_hosts({})
    exit_.run("nft", "-f", "-", text=RULES)
    zone = [f"{name}={answers}" for name, answers in names().items()]
    far.python("-m", "tests.rig.dns", SERVER, *zone).wait_for("ready")
    listeners = []
    for host in (far, exit_):
        child = host.python("-m", "tests.lab.listener", str(PORT), dialogue=True)
        assert child.hear() == "ready"
        listeners.append(child)
    return Scene(exit_, *listeners)


def add(host: Namespace, address: str) -> None:
    wide, more = ("128", ["nodad"]) if ":" in address else ("32", [])
    host.ip("addr", "add", f"{address}/{wide}", "dev", "lo", *more)


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def test_denied_addresses_get_no_syn(scene: Scene) -> None:
    """Denied hosts get no SYN: literals, odd literals, names and the exit's own addresses."""
    denied = tuple(map(literal, (*DENIED, *LOOPBACK, *OWN, *UNHEARD)))
    named = tuple(name for name in names() if name.startswith("n"))
    ended = scene.ask((*map(literal, PUBLIC), *denied, *ODD, *named))
    assert scene.syns() == {"denied": 0, "open": len(PUBLIC)}
    assert scene.heard() == dict.fromkeys(PUBLIC, 1)
    assert {ended[literal(address)] for address in PUBLIC} == {"open"}
    assert {ended[host] for host in (*denied, *named)} == {Failure.POLICY.value}
    assert "open" not in {ended[host] for host in ODD}


def test_a_public_answer_opens_no_door(scene: Scene) -> None:
    """If a name has a public and a denied address, at once or in turn, only the public is used."""
    both = tuple(name for name in names() if name.startswith("both"))
    turns = tuple(name for name in names() if name.startswith("turn"))
    first = scene.ask((*both, *turns))
    assert set(first.values()) == {"open"}
    assert scene.syns() == {"denied": 0, "open": len(both) + len(turns)}
    again = scene.ask(turns)
    assert set(again.values()) == {Failure.POLICY.value}
    assert scene.syns() == {"denied": 0, "open": len(both) + len(turns)}
    assert set(scene.heard()) == set(PUBLIC)


def test_every_listener_can_be_reached(scene: Scene) -> None:
    """Without the policy every listener gets a connection, so the silence above is the policy's."""
    every = (*DENIED, *LOOPBACK, *OWN)
    ended = scene.ask(tuple(map(literal, every)), allow=("0.0.0.0/0", "::/0"))
    assert set(ended.values()) == {"open"}
    assert scene.heard() == dict.fromkeys(every, 1)
    assert scene.syns()["denied"] == len(every)
