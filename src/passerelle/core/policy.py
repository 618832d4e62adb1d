"""Which addresses and ports an exit connects to.

Pure: the decision is about the address that is about to be dialled, after resolution, so a name
whose answer changes between a check and the connection gains nothing. Special networks are denied
unless the operator's configuration names them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final

from passerelle.core.address import AddressClass, IPNetwork, classify, embedded
from passerelle.core.host import IPAddress
from passerelle.errors import Failure, StreamFailed

WEB_PORTS: Final = frozenset({80, 443, 8080, 8443})
UDP_PORTS: Final = frozenset({53, 443})
"""DNS and HTTP/3."""
NEVER_PORTS: Final = frozenset({0, 23, 25, 139, 445, 465, 587})
"""Mail submission, telnet and file sharing: what gets an exit's address on every block list."""


class PortRule(enum.Enum):
    """Why a port is denied. Values are metric labels."""

    NEVER = "port_never"
    """In `NEVER_PORTS`: no configuration opens it."""
    NOT_OPEN = "port_not_open"
    """Not in the configured set."""


Denial = AddressClass | PortRule
"""Why a destination is denied; `.value` is the metric label. Never `AddressClass.PUBLIC`."""


class Refused(StreamFailed):
    """The policy denies the destination; why stays here, as `denial`, for metrics."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(Failure.POLICY)
        self.denial = denial


@dataclass(frozen=True, slots=True)
class Policy:
    """One exit's rules."""

    allow: tuple[IPNetwork, ...] = ()
    """Special networks that are open all the same."""
    ports: frozenset[int] | None = WEB_PORTS
    """Open ports, in every network; None opens all but `NEVER_PORTS`."""
    udp_ports: frozenset[int] | None = UDP_PORTS
    """The same for datagrams; empty: no UDP at all."""

    @property
    def for_datagrams(self) -> Policy:
        """The rules for UDP flows: the same addresses, other ports."""
        return replace(self, ports=self.udp_ports)

    def decide(self, address: IPAddress, port: int) -> Denial | None:
        """Return why a connection to `address` and `port` is denied, or None if it is not."""
        return self.decide_port(port) or self._decide_address(address)

    def decide_port(self, port: int) -> PortRule | None:
        """Return why `port` is denied whatever the address, or None; needs no resolution."""
        if port in NEVER_PORTS:
            return PortRule.NEVER
        if self.ports is not None and port not in self.ports:
            return PortRule.NOT_OPEN
        return None

    def _decide_address(self, address: IPAddress) -> AddressClass | None:
        kind = classify(address)
        if kind is not AddressClass.PUBLIC and not any(address in net for net in self.allow):
            return kind
        # An allowed translation prefix must not become a door to the networks behind it.
        denials = (self._decide_address(inner) for inner in embedded(address))
        return next((denial for denial in denials if denial is not None), None)
