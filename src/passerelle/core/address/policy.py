"""Which addresses and ports an exit connects to.

Pure: the decision is about the address that is about to be dialled, after resolution, so a name
whose answer changes between a check and the connection gains nothing. Special networks are denied
unless the operator's configuration names them. In `site` mode a second rule comes first: only names
that the operator listed are looked up at all.
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
"""DNS and HTTP/3."""
NEVER_PORTS: Final = frozenset({0, 23, 25, 110, 135, 137, 138, 139, 143, 445, 465, 587, 993, 995})
"""Mail, telnet and file sharing: what gets an exit's address on every block list."""
LOCAL_NAMES: Final = frozenset({"localhost", "local", "internal", "lan", "home.arpa"})
"""Suffixes of names that mean something else, or something at all, only inside some network (RFC
6761, RFC 6762, RFC 8375, and what routers and clouds use)."""


class PortRule(enum.Enum):
    """Why a port is denied. Values are metric labels."""

    NEVER = "port_never"
    """In `NEVER_PORTS`: no configuration opens it."""
    NOT_OPEN = "port_not_open"
    """Not in the configured set."""


class HostRule(enum.Enum):
    """Why a host is denied whatever kind of address it has. Values are metric labels."""

    NOT_LISTED = "not_listed"
    """In `site` mode, none of the operator's names."""
    LOCAL_NAME = "local_name"
    """A name of the operator's own network, if it exists at all."""
    OWN = "own"
    """An address of the exit itself."""
    CLOSED = "closed"
    """In a network that the operator closed."""


Denial = AddressClass | PortRule | HostRule
"""Why a destination is denied; `.value` is the metric label. Never `AddressClass.PUBLIC`."""


class DestinationRefused(StreamFailed):
    """The policy denies the destination; why stays here, as `denial`, for metrics."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(Failure.POLICY)
        self.denial = denial


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """One exit's rules."""

    allow: tuple[IPNetwork, ...] = ()
    """Special networks that are open all the same, the exit's own addresses in them included."""
    ports: frozenset[int] | None = WEB_PORTS
    """Open ports, in every network; None opens all but `NEVER_PORTS`."""
    udp_ports: frozenset[int] | None = UDP_PORTS
    """The same for datagrams; empty: no UDP at all."""
    sites: tuple[str, ...] | None = None
    """`site` mode: the only names that are served, as `parse_site` returns them. None is `web`
    mode: any name."""
    deny: tuple[IPNetwork, ...] = ()
    """Networks that are closed whatever else holds: the operator's own, or a network-specific
    NAT64 prefix (RFC 6052 §3.3), which nobody can tell from the outside."""

    @property
    def for_datagrams(self) -> ConnectionPolicy:
        """The rules for UDP flows: the same addresses, other ports."""
        return replace(self, ports=self.udp_ports)

    def decide(self, address: IPAddress, port: int, *, own: bool = False) -> Denial | None:
        """Return why a connection to `address` and `port` is denied, or None if it is not.

        `own`: the exit itself answers at `address`.
        """
        return self.decide_port(port) or self._decide_address(address, own=own)

    def decide_port(self, port: int) -> PortRule | None:
        """Return why `port` is denied whatever the address, or None; needs no resolution."""
        if port in NEVER_PORTS:
            return PortRule.NEVER
        if self.ports is not None and port not in self.ports:
            return PortRule.NOT_OPEN
        return None

    def decide_host(self, host: IPAddress | str) -> HostRule | None:
        """Return why a host is denied before anything is known of its addresses, or None."""
        if self.sites is not None:
            listed = any(_matches(site, str(host)) for site in self.sites)
            return None if listed else HostRule.NOT_LISTED
        # Whoever opens a private network wants its names too.
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
        # An allowed translation prefix must not become a door to the networks behind it.
        denials = (self._decide_address(inner) for inner in embedded(address))
        return next((denial for denial in denials if denial is not None), None)


def parse_site(text: str) -> str:
    """Return an entry of `ConnectionPolicy.sites`: a name, or `*.` and a name for all below it.

    `*.example.org` does not hold `example.org` itself, as in certificates. Raises HostError for
    anything else, addresses included.
    """
    wildcard = text.startswith("*.")
    host = parse_host(text.removeprefix("*."))
    if not isinstance(host, str) or (wildcard and "." not in host):
        raise HostError("a site is a name such as news.example or *.news.example")
    return f"*.{host}" if wildcard else host


def _matches(site: str, name: str) -> bool:
    return name.endswith(site[1:]) if site.startswith("*.") else name == site


def _is_local(name: str) -> bool:
    return "." not in name or any(
        name == suffix or name.endswith(f".{suffix}") for suffix in LOCAL_NAMES
    )
