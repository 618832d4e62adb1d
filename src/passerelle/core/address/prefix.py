"""The party that an address belongs to, as bytes that serve as a key in tables.

Only public addresses have one. Any other address belongs to the operator's own network, to a proxy
or to a laboratory, and says nothing about who uses it.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from passerelle.core.address.classes import AddressClass, IPNetwork, classify
from passerelle.core.address.host import IPAddress
from passerelle.core.origin import CROWD, IPV4, IPV6, UNKNOWN

_IPV4_BITS = 24
_HOLDER_IPV6_BITS = 56
"""The prefix length that a provider gives to one household (RIPE-690 §4.2)."""
_SITE_IPV6_BITS = 48
"""The prefix length that one site gets (RFC 6177)."""


def origin(address: IPAddress | None) -> bytes:
    """Return whom `address` counts for (`core.origin`): its /24 or /56, or UNKNOWN."""
    prefix = _prefix(address, _HOLDER_IPV6_BITS)
    if prefix is None:
        return UNKNOWN
    return (IPV4 if isinstance(address, IPv4Address) else IPV6) + prefix


def crowd(network: IPNetwork) -> bytes:
    """Return the origin of all who come through `network`, a cache's or a front's."""
    return CROWD + bytes([network.prefixlen]) + network.network_address.packed


def site(address: IPAddress | None) -> bytes | None:
    """Return the /24 or /48 within which peers are neighbours; None if `address` is not public."""
    return _prefix(address, _SITE_IPV6_BITS)


def _prefix(address: IPAddress | None, ipv6_bits: int) -> bytes | None:
    if address is None or classify(address) is not AddressClass.PUBLIC:
        return None
    bits = _IPV4_BITS if isinstance(address, IPv4Address) else ipv6_bits
    return address.packed[: bits // 8]
