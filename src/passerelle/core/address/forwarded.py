"""Find the client's address behind the operator's own proxies, from `X-Forwarded-For`."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from passerelle.core.address.classes import IPNetwork
from passerelle.core.address.host import IPAddress

_HOPS = 16
"""The number of addresses read, from the nearest on."""


def is_trusted(address: IPAddress, trusted: Sequence[IPNetwork]) -> bool:
    """Whether `address` is that of a trusted proxy."""
    return any(address in network for network in trusted)


def client_address(
    peer: IPAddress | None, fields: Sequence[str], trusted: Sequence[IPNetwork]
) -> IPAddress | None:
    """Return the address of the client that sent a request, or None if no trusted proxy names it.

    `peer` is the other end of the connection that brought the request: the client itself, unless it
    is in `trusted`. `fields` are the values of all X-Forwarded-For headers, in their order. Each
    proxy appends the address that it got the request from. So the list is read from its end, and an
    entry is believed only if a machine in `trusted` wrote it: anybody may have written the entries
    before.
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
    """Return the address in `text`, or None if it holds none.

    An IPv4-mapped IPv6 address is returned as IPv4.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address
