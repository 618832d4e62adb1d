"""The rules for the addresses and ports that an exit connects to.

The rules judge the address that is about to be dialled, after resolution, so a name whose DNS
answer changes between the check and the connection gains nothing. Networks that are not public are
denied unless the operator's configuration names them. In `site` mode another rule comes first: only
names that the operator listed are looked up at all.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final

from passerelle.core.address.classes import AddressClass, IPNetwork, classify, embedded
from passerelle.core.address.host import HostError, IPAddress, parse_host
from passerelle.errors import Failure, StreamFailed

WEB_PORTS: Final = frozenset({80, 443, 8080, 8443})
UDP_PORTS: Final = frozenset({53, 443})
"""Ports for datagrams: DNS and HTTP/3."""
NEVER_PORTS: Final = frozenset({0, 23, 25, 110, 135, 137, 138, 139, 143, 445, 465, 587, 993, 995})
"""Ports of mail, telnet and file sharing, which get an exit's address onto every block list."""
LOCAL_NAMES: Final = frozenset({"localhost", "local", "internal", "lan", "home.arpa"})
"""Suffixes of names whose meaning differs from network to network (RFC 6761, RFC 6762, RFC 8375,
and those that routers and clouds use)."""


class PortRule(enum.Enum):
    """Why a port is denied. Values are metric labels."""

    NEVER = "port_never"
    """The port is in `NEVER_PORTS`, which no configuration opens."""
    NOT_OPEN = "port_not_open"
    """The port is not in the configured set."""


class HostRule(enum.Enum):
    """Why a host is denied whatever kind of address it has. Values are metric labels."""

    NOT_LISTED = "not_listed"
    """The host is none of the names that the operator listed for `site` mode."""
    LOCAL_NAME = "local_name"
    """The name can mean something only inside the exit's own network."""
    OWN = "own"
    """The address is one of the exit's own."""
    CLOSED = "closed"
    """The address is in a network that the operator closed."""


Denial = AddressClass | PortRule | HostRule
"""The reason for denying a destination; `.value` is its metric label.

An AddressClass stands for a network that is not open; it is never `AddressClass.PUBLIC`.
"""


class DestinationRefused(StreamFailed):
    """The policy denies the destination. `denial` is the reason, for metrics at the exit only."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(Failure.POLICY)
        self.denial = denial


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """One exit's rules."""

    allow: tuple[IPNetwork, ...] = ()
    """Networks that are open although they are not public, with the exit's own addresses in
    them."""
    ports: frozenset[int] | None = WEB_PORTS
    """Open TCP ports, in every network; None opens all but `NEVER_PORTS`."""
    udp_ports: frozenset[int] | None = UDP_PORTS
    """Open UDP ports, in every network; None opens all but `NEVER_PORTS`, an empty set none."""
    sites: tuple[str, ...] | None = None
    """The only names that are served (`site` mode), as `parse_site` returns them. None serves
    any name (`web` mode)."""
    deny: tuple[IPNetwork, ...] = ()
    """Networks that are closed, whatever the other fields say: the operator's own, or a
    network-specific NAT64 prefix (RFC 6052 §3.3), which no table can list."""

    @property
    def for_datagrams(self) -> ConnectionPolicy:
        """The rules for UDP flows: the same addresses, but `udp_ports` as the open ports."""
        return replace(self, ports=self.udp_ports)

    def decide(self, address: IPAddress, port: int, *, own: bool = False) -> Denial | None:
        """Return why a connection to `address` and `port` is denied, or None if it is allowed.

        `own` says that `address` is one of this machine's.
        """
        return self.decide_port(port) or self._decide_address(address, own=own)

    def decide_port(self, port: int) -> PortRule | None:
        """Return why `port` is denied at every address, or None. It needs no name resolution."""
        if port in NEVER_PORTS:
            return PortRule.NEVER
        if self.ports is not None and port not in self.ports:
            return PortRule.NOT_OPEN
        return None

    def decide_host(self, host: IPAddress | str) -> HostRule | None:
        """Return why a host is denied before it is resolved, or None."""
        if self.sites is not None:
            listed = any(_matches(site, str(host)) for site in self.sites)
            return None if listed else HostRule.NOT_LISTED
        # An operator who opens a private network wants its names to work, too.
        if isinstance(host, str) and not self.allow and _is_local(host):
            return HostRule.LOCAL_NAME
        return None

    def _decide_address(
        self, address: IPAddress, *, own: bool = False
    ) -> AddressClass | HostRule | None:
        if any(address in net for net in self.deny):
            return HostRule.CLOSED
        kind = classify(address)
        if not any(address in net for net in self.allow):
            if kind is not AddressClass.PUBLIC:
                return kind
            if own:
                return HostRule.OWN
        # An address in an allowed translation prefix leads to the IPv4 address inside it, so that
        # one must be allowed as well.
        denials = (self._decide_address(inner) for inner in embedded(address))
        return next((denial for denial in denials if denial is not None), None)


def parse_site(text: str) -> str:
    """Return an entry of `ConnectionPolicy.sites`: a name, or `*.` and a name for all names below.

    As in certificates, `*.example.org` does not match `example.org` itself. Raises HostError for
    anything else, addresses included.
    """
    wildcard = text.startswith("*.")
    try:
        host: IPAddress | str | None = parse_host(text.removeprefix("*."))
    except HostError:
        host = None
    if not isinstance(host, str) or (wildcard and "." not in host):
        raise HostError("a site is a name such as news.example or *.news.example")
    return f"*.{host}" if wildcard else host


def _matches(site: str, name: str) -> bool:
    return name.endswith(site[1:]) if site.startswith("*.") else name == site


def _is_local(name: str) -> bool:
    return "." not in name or any(
        name == suffix or name.endswith(f".{suffix}") for suffix in LOCAL_NAMES
    )
