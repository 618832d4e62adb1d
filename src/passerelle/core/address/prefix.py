"""The part of an address that says whose network it is, as bytes that serve as a key.

Only public addresses have one: behind any other is a network of ours, a proxy or a laboratory, and
it says nothing about who is there.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from passerelle.core.address.classes import AddressClass, classify
from passerelle.core.address.host import IPAddress

_IPV4_BITS = 24
_HOLDER_IPV6_BITS = 56
"""What a provider gives to one household (RIPE-690 §4.2)."""
_SITE_IPV6_BITS = 48
"""What is given to one site (RFC 6177)."""


def holder(address: IPAddress | None) -> bytes | None:
    """Return the /24 or /56 that is held by one party as far as limits are concerned."""
    return _prefix(address, _HOLDER_IPV6_BITS)


def site(address: IPAddress | None) -> bytes | None:
    """Return the /24 or /48 within which two peers count as neighbours."""
    return _prefix(address, _SITE_IPV6_BITS)


def _prefix(address: IPAddress | None, ipv6_bits: int) -> bytes | None:
    if address is None or classify(address) is not AddressClass.PUBLIC:
        return None
    bits = _IPV4_BITS if isinstance(address, IPv4Address) else ipv6_bits
    return address.packed[: bits // 8]
