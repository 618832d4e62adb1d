"""The way from this machine to the Internet, by which a change of its network shows."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

_FAR: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that nobody has (RFC 5737, RFC 3849): only the default route leads there."""
_PORT: Final = 9
_IPV6_NETWORK_BITS: Final = 64
"""Within its network a machine changes its address for privacy (RFC 8981)."""


def own_networks() -> tuple[str, str]:
    """Return where packets to the Internet would come from, sending none: an address, and a /64.

    The first is for IPv4, the second for IPv6; an empty text where there is no such way.
    """
    ipv4, ipv6 = (_source(family, host) for family, host in _FAR)
    if ipv6:
        network = ipaddress.IPv6Network((ipv6.partition("%")[0], _IPV6_NETWORK_BITS), strict=False)
        ipv6 = str(network)
    return ipv4, ipv6


def _source(family: socket.AddressFamily, host: str) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, _PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
