"""The prefix of an address that one party holds, as bytes that serve as a key in tables.

Only public addresses have one. Any other address belongs to the operator's own network, to a proxy
or to a laboratory, and says nothing about who uses it.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from passerelle.core.address.classes import AddressClass, classify
from passerelle.core.address.host import IPAddress

_IPV4_BITS = 24
_HOLDER_IPV6_BITS = 56
"""The prefix length that a provider gives to one household (RIPE-690 §4.2)."""
_SITE_IPV6_BITS = 48
"""The prefix length that one site gets (RFC 6177)."""


def holder(address: IPAddress | None) -> bytes | None:
    """Return the /24 or /56 that limits count as one party; None if `address` is not public."""
    return _prefix(address, _HOLDER_IPV6_BITS)


def site(address: IPAddress | None) -> bytes | None:
    """Return the /24 or /48 within which peers are neighbours; None if `address` is not public."""
    return _prefix(address, _SITE_IPV6_BITS)


def _prefix(address: IPAddress | None, ipv6_bits: int) -> bytes | None:
    if address is None or classify(address) is not AddressClass.PUBLIC:
        return None
    bits = _IPV4_BITS if isinstance(address, IPv4Address) else ipv6_bits
    return address.packed[: bits // 8]
