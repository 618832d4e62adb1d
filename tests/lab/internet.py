"""A small Internet with public addresses: peers behind NATs, servers, strangers.

The addresses are 102.224.n.2. They are in no table of special networks, so candidates are vetted as
on the real Internet, and they are assigned to nobody, so a broker takes no two of them for
neighbours. `reader` and `volunteer` each live behind their own gateway (`gate-reader`,
`gate-helper`) at 192.168.n.2. What a gateway does to UDP can be changed at any time.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.lab.cast import START_S, LabNetwork
from tests.lab.child import Child
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.star import HOST_DEVICE, configure

NETWORK: Final = "102.224"
SERVER_PORT, STUN_PORT, PROXY_PORT = 8001, 3478, 1080
INSIDE: Final = "inside"


class Nat(enum.Enum):
    """The ways in which a gateway treats UDP (RFC 4787)."""

    OPEN = "open"
    """One mapping, to which everybody may send: a full cone."""
    RESTRICTED = "restricted"
    """One mapping; an address that was sent to may answer from any port."""
    PORT_RESTRICTED = "port_restricted"
    """One mapping; only an endpoint that was sent to may answer."""
    SYMMETRIC = "symmetric"
    """A different mapping for each destination."""
    BLOCKED = "blocked"
    """No UDP at all."""


class Internet(LabNetwork):
    """Hosts `server` (broker and exit), `stun` (two addresses), `paper`, `victim`, `stranger`."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(
            lab,
            lab.star(
                *("server", "stun", "paper", "victim", "stranger", "gate-reader", "gate-helper"),
                network=NETWORK,
            ),
        )
        self.gates = {
            label: self._house(lab, number, label, gate)
            for number, (label, gate) in enumerate(
                {"reader": "gate-reader", "volunteer": "gate-helper"}.items(), 1
            )
        }
        self.hosts = {**self.star.hosts, **lab.namespaces}
        self.second_stun = f"{self.address('stun').rpartition('.')[0]}.3"
        self.hosts["stun"].ip("address", "add", f"{self.second_stun}/24", "dev", HOST_DEVICE)

    def _house(self, lab: Lab, number: int, label: str, gate: str) -> Namespace:
        """Put a host behind a gateway; return the gateway."""
        outside, host = self.star.hosts[gate], lab.namespace(label)
        lab.wire(outside, INSIDE, host, HOST_DEVICE)
        for namespace, device, end in ((outside, INSIDE, 1), (host, HOST_DEVICE, 2)):
            configure(namespace, device, ipaddress.ip_interface(f"192.168.{number}.{end}/24"))
        host.ip("route", "add", "default", "via", f"192.168.{number}.1")
        outside.set_kernel("net.ipv4.ip_forward", "1")
        return outside

    def start(self) -> None:
        """Start the servers and the publisher's page."""
        server, first = self.address("server"), self.address("stun")
        other = STUN_PORT + 1
        stun = self._run(
            "stun",
            "passerelle",
            *("stun", "--listen", f"{first}:{STUN_PORT}", "--other", f"{self.second_stun}:{other}"),
        )
        broker = self._serve(
            "server",
            SERVER_PORT,
            *("--stun", f"stun:{first}:{STUN_PORT}"),
            *("--stun", f"stun:{self.second_stun}:{other}"),
            *("--allow", f"{server}/32"),
        )
        self._publish(broker).wait_for("ready", timeout_s=START_S)
        stun.wait_for("starts", timeout_s=START_S)

    def set_nat(self, label: str, nat: Nat) -> None:
        """Make the gateway of `reader` or `volunteer` treat new flows as `nat` says."""
        gate, host = self.gates[label], self.address(label)
        gate.run("nft", "-f", "-", text=rules(nat, outer=gate.address, inner=host))

    @contextmanager
    def client(self) -> Iterator[Child]:
        """Run the reader's client; it may not have a link yet."""
        child = self._run(
            "reader",
            "passerelle",
            *("client", "-v", "--invite", self.invite, "--listen", f"127.0.0.1:{PROXY_PORT}"),
        )
        try:
            yield child
        except Exception as error:
            error.add_note(self.told())
            raise
        finally:
            child.stop()

    def play(self, label: str, *words: str) -> Child:
        """Start a program of `tests.lab.hostile`."""
        return self._run(label, "tests.lab.hostile", *words)


def rules(nat: Nat, *, outer: str, inner: str) -> str:
    """Return a gateway's rules. There is one host inside, so each port can keep its number."""
    ours = 'iifname "net0" meta l4proto udp udp dport 1024-65535'
    forward = {
        Nat.OPEN: f"{ours} dnat to {inner}",
        Nat.RESTRICTED: f"{ours} udp dport . ip saddr @sent dnat to {inner}",
    }
    hide = "masquerade fully-random" if nat is Nat.SYMMETRIC else f"snat to {outer}"
    stop = "meta l4proto udp drop" if nat is Nat.BLOCKED else ""
    return f"""
flush ruleset
table ip nat {{
  set sent {{ type inet_service . ipv4_addr; flags dynamic, timeout; timeout 1m; }}
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    {forward.get(nat, "")}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "net0" ip protocol tcp masquerade
    oifname "net0" {hide}
  }}
  chain forward {{
    type filter hook forward priority filter;
    {stop}
    iifname "{INSIDE}" meta l4proto udp add @sent {{ udp sport . ip daddr }}
    iifname "net0" ct state new ct status & dnat != dnat drop
  }}
  chain input {{
    # Unasked packets leave no trace, and get no answer: their ports stay free for mappings.
    type filter hook input priority filter;
    iifname "net0" meta l4proto udp drop
  }}
}}
"""


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    """Yield an Internet whose servers run; each gateway is an ordinary NAT at first."""
    with Lab(directory=tmp_path_factory.mktemp("internet")) as lab:
        made = Internet(lab)
        for label in made.gates:
            made.set_nat(label, Nat.RESTRICTED)
        made.start()
        yield made
