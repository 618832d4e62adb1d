"""A star: hosts on subnets of their own, around a router that forwards, counts and drops."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.errors import LabError
from tests.lab.namespace import Namespace
from tests.lab.tools import call
from tests.lab.wan import Line, Wan

TABLE = "inet lab"
HOST_DEVICE = "net0"
LINK_LOCAL = int(ipaddress.IPv6Address("fe80::"))
LABEL_LENGTH_LIMIT = 12
"""The longest label: the router's device is called `to-LABEL`, and Linux allows 15 bytes."""


@dataclass(frozen=True, slots=True)
class Count:
    """The value of a counter."""

    packets: int
    """The number of packets; a segment that the kernel had not split yet counts as one."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the router's forwarding chain."""

    name: str
    match: str
    """An nftables expression."""
    drops: bool

    def line(self) -> str:
        """Return the rule in nftables' language."""
        return f"{self.match} counter name {self.name}{' drop' if self.drops else ''}"


class Star:
    """Hosts around a router.

    Host number n (from 1) has 10.77.n.2/24 (or the same in another network) and fd77:0:0:n::2/64;
    the router's addresses there end in `.1` and `::1`. Rules act on forwarded packets of IPv4 and
    IPv6 alike, and dropped packets get no answer. Counting rules see a packet before any rule drops
    it; of the dropping rules the oldest acts first.
    """

    def __init__(
        self,
        router: Namespace,
        host: Callable[[str], Namespace],
        wire: Callable[[Namespace, str, Namespace, str], None],
        line: Callable[[Namespace, str, Namespace, str, Wan, Wan], Line],
        network: str,
    ) -> None:
        self.network = network
        self.router = router
        self.hosts: dict[str, Namespace] = {}
        self.lines: dict[str, Line] = {}
        """The simulated line of each host that has one; `there` is from the host to the router."""
        self._new_host = host
        self._new_wire = wire
        self._new_line = line
        self._rules: dict[str, Rule] = {}
        router.set_kernel("net.ipv4.ip_forward", "1")
        router.set_kernel("net.ipv6.conf.all.forwarding", "1")
        self._nft(
            f"add table {TABLE}\n"
            f"add chain {TABLE} forward {{ type filter hook forward priority filter; }}"
        )

    def host(self, label: str, *, up: Wan | None = None, down: Wan | None = None) -> Namespace:
        """Add a host, on a plain wire or, if `up` or `down` is given, on a simulated line.

        `up` is from the host to the router. If only one is given, it holds for both directions.
        """
        if label in self.hosts or not 0 < len(label) <= LABEL_LENGTH_LIMIT:
            raise ValueError(f"not a new label of at most {LABEL_LENGTH_LIMIT} letters: {label!r}")
        number = len(self.hosts) + 1
        host = self._new_host(label)
        device = f"to-{label}"
        wan = up or down
        if wan is None:
            self._new_wire(host, HOST_DEVICE, self.router, device)
        else:
            self.lines[label] = self._new_line(
                host, HOST_DEVICE, self.router, device, up or wan, down or wan
            )
        for namespace, end, name in ((host, 2, HOST_DEVICE), (self.router, 1, device)):
            configure(
                namespace,
                name,
                ipaddress.ip_interface(f"{self.network}.{number}.{end}/24"),
                ipaddress.ip_interface(f"fd77:0:0:{number}::{end}/64"),
            )
        # A TUN device needs no gateway and a wire does; one route with a gateway suits both.
        host.ip("route", "add", "default", "via", f"{self.network}.{number}.1")
        host.ip("-6", "route", "add", "default", "via", f"fd77:0:0:{number}::1")
        self.hosts[label] = host
        return host

    def count(self, source: str, target: str, *, match: str = "", name: str = "") -> str:
        """Count packets from one host to another; return the counter's name.

        `match` restricts it by an nftables expression such as `udp dport 3478`.
        """
        return self._add(name or f"count-{source}-{target}", source, target, match, drops=False)

    def block(self, source: str, target: str, *, match: str = "", name: str = "") -> str:
        """Drop and count packets from one host to another; return the name of counter and rule."""
        return self._add(name or f"block-{source}-{target}", source, target, match, drops=True)

    def lose(self, source: str, target: str, *, loss_pct: float, name: str = "") -> str:
        """Drop and count a random share of the packets between two hosts. There is no seed."""
        chance = f"numgen random mod 100000 < {round(loss_pct * 1000)}"
        return self._add(name or f"lose-{source}-{target}", source, target, chance, drops=True)

    def silence(self, label: str) -> str:
        """Drop all packets from and to a host, until `lift`; return the rule's name."""
        name, device = f"silence-{label}", self.device(label)
        # Two rules share one counter, because nftables has no expression for "either interface".
        for way in ("iifname", "oifname"):
            self._rules[f"{name} {way}"] = Rule(name, f'{way} "{device}"', drops=True)
        self._apply()
        return name

    def lift(self, name: str) -> None:
        """Remove a rule; its counter stays readable. Raises `LabError` if there is no such rule."""
        keys = [key for key, rule in self._rules.items() if rule.name == name]
        if not keys:
            raise LabError(f"The router has no rule {name!r}; it has {sorted(self._rules)}")
        for key in keys:
            del self._rules[key]
        self._apply()

    def counter(self, name: str) -> Count:
        """Return the value of a counter."""
        printed = self.router.run("nft", "-j", "list", "counters", "table", *TABLE.split()).stdout
        for item in json.loads(printed)["nftables"]:
            if item.get("counter", {}).get("name") == name:
                return Count(item["counter"]["packets"], item["counter"]["bytes"])
        raise LabError(f"The router has no counter {name!r}")

    def _add(self, name: str, source: str, target: str, match: str, *, drops: bool) -> str:
        if name in self._rules:
            raise ValueError(f"there is already a rule {name!r}")
        ways = f'iifname "{self.device(source)}" oifname "{self.device(target)}" {match}'
        self._rules[name] = Rule(name, ways, drops)
        self._apply()
        return name

    def device(self, label: str) -> str:
        """Return the router's device towards a host. Raises `LabError` if there is no such host."""
        if label not in self.hosts:
            raise LabError(f"The star has no host {label!r}; it has {sorted(self.hosts)}")
        return f"to-{label}"

    def _apply(self) -> None:
        """Replace the whole chain at once; counters are separate and keep their values."""
        rules = sorted(self._rules.values(), key=lambda rule: rule.drops)
        lines = [f"add counter {TABLE} {name}" for name in {rule.name: None for rule in rules}]
        lines.append(f"flush chain {TABLE} forward")
        lines += [f"add rule {TABLE} forward {rule.line()}" for rule in rules]
        self._nft("\n".join(lines))

    def _nft(self, script: str) -> None:
        call(*self.router.words("nft", "-f", "-"), text=script + "\n")


def configure(
    namespace: Namespace,
    device: str,
    *addresses: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
) -> None:
    """Give a device its addresses and bring it up.

    The first IPv4 and IPv6 address that a namespace gets become its `address` and `address6`.
    """
    # Keep the kernel from choosing an address, as its announcements would show in captures.
    namespace.ip("link", "set", "dev", device, "addrgenmode", "none")
    # Bring it up before it has addresses, or IPv6 neighbours get no answer for a second.
    namespace.ip("link", "set", "dev", device, "up")
    for address in addresses:
        if address.version == 4:
            namespace.ip("address", "add", str(address), "dev", device)
            namespace.address = namespace.address or str(address.ip)
        else:
            # Neighbours are asked for from a link-local address (RFC 4861 §4.3). Without "nodad" an
            # address cannot be used in its first second.
            local = ipaddress.IPv6Address(LINK_LOCAL | int(address.ip) & 0xFFFF)
            for each in (f"{local}/64", str(address)):
                namespace.ip("address", "add", each, "dev", device, "nodad")
            namespace.address6 = namespace.address6 or str(address.ip)
