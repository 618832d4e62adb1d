"""Who asks, when a proxy of ours stands in between: `X-Forwarded-For`, believed where it may be."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from passerelle.core.address.classes import IPNetwork
from passerelle.core.address.host import IPAddress

_HOPS = 16
"""Addresses looked at, from the nearest on."""


def is_trusted(address: IPAddress, trusted: Sequence[IPNetwork]) -> bool:
    """Whether `address` is one of our proxies'."""
    return any(address in network for network in trusted)


def client_address(
    peer: IPAddress | None, fields: Sequence[str], trusted: Sequence[IPNetwork]
) -> IPAddress | None:
    """Return the address of whoever sent a request that `peer` brought.

    `fields` are the values of all X-Forwarded-For headers, in their order. Each proxy adds, at the
    end, whom it got the request from: so they are believed from the end, as long as the one who
    wrote them is in `trusted`. Anybody may have written what stands before. None when nobody
    trusted says who it was.
    """
    address = peer
    hops = [hop.strip() for field in fields for hop in field.split(",")]
    for hop in reversed(hops[-_HOPS:]):
        if address is None or not is_trusted(address, trusted):
            return address
        address = plain_address(hop)
    if address is not None and is_trusted(address, trusted):
        return None
    return address


def plain_address(text: str) -> IPAddress | None:
    """Return the address in `text`, IPv4 for one in its mapped form; None if it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address
