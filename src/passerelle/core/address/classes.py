"""What kind of network an IP address belongs to.

The tables follow the IANA special-purpose registries (RFC 6890 and its updates) and the multicast
ranges (RFC 5771, RFC 4291 §2.7). They are written out here because `ipaddress.is_global` changed
its answers between patch releases of Python, and knows neither metadata services nor embedded IPv4
addresses.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from passerelle.core.address.host import IPAddress

IPNetwork = IPv4Network | IPv6Network


class AddressClass(enum.Enum):
    """The kind of an address. Values are metric labels."""

    PUBLIC = "public"
    METADATA = "metadata"
    """A cloud's metadata service, which gives a machine its secrets; some have public addresses."""
    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared"
    """Shared by a carrier's customers behind its NAT (RFC 6598)."""
    LINK_LOCAL = "link_local"
    UNIQUE_LOCAL = "unique_local"
    SITE_LOCAL = "site_local"
    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    DOCUMENTATION = "documentation"
    BENCHMARKING = "benchmarking"
    DISCARD = "discard"
    PROTOCOL = "protocol"
    """IETF protocol assignments (RFC 6890 §2.2.2 and §2.2.3)."""
    MAPPED = "mapped"
    COMPATIBLE = "compatible"
    TRANSLATED = "translated"
    """NAT64 and stateless translation (RFC 6052, RFC 8215, RFC 7915)."""
    SIX_TO_FOUR = "six_to_four"
    TEREDO = "teredo"
    RESERVED = "reserved"


# The first row that matches wins, so exceptions stand before the ranges that contain them.
_IPV4_ROWS: tuple[tuple[AddressClass, tuple[str, ...]], ...] = (
    # The first is for AWS, GCP, Azure and most others. Then come AWS's resolver, ECS, Alibaba,
    # Oracle, and Azure's WireServer, whose address looks public.
    (
        AddressClass.METADATA,
        (
            "169.254.169.254/32",
            "169.254.169.253/32",
            "169.254.170.2/32",
            "169.254.170.23/32",
            "169.254.42.42/32",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "168.63.129.16/32",
        ),
    ),
    (AddressClass.UNSPECIFIED, ("0.0.0.0/8",)),
    (AddressClass.LOOPBACK, ("127.0.0.0/8",)),
    (AddressClass.PRIVATE, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    (AddressClass.SHARED, ("100.64.0.0/10",)),
    (AddressClass.LINK_LOCAL, ("169.254.0.0/16",)),
    (AddressClass.PROTOCOL, ("192.0.0.0/24",)),
    (AddressClass.DOCUMENTATION, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")),
    (AddressClass.SIX_TO_FOUR, ("192.88.99.0/24",)),
    (AddressClass.BENCHMARKING, ("198.18.0.0/15",)),
    (AddressClass.MULTICAST, ("224.0.0.0/4",)),
    (AddressClass.BROADCAST, ("255.255.255.255/32",)),
    (AddressClass.RESERVED, ("240.0.0.0/4",)),
)
_IPV6_ROWS: tuple[tuple[AddressClass, tuple[str, ...]], ...] = (
    # AWS's metadata and resolver, GCP, Scaleway.
    (
        AddressClass.METADATA,
        (
            "fd00:ec2::254/128",
            "fd00:ec2::253/128",
            "fd00:ec2::23/128",
            "fd20:ce::254/128",
            "fd00:42::42/128",
        ),
    ),
    (AddressClass.UNSPECIFIED, ("::/128",)),
    (AddressClass.LOOPBACK, ("::1/128",)),
    (AddressClass.MAPPED, ("::ffff:0:0/96",)),
    (AddressClass.COMPATIBLE, ("::/96",)),
    (AddressClass.TRANSLATED, ("::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")),
    (AddressClass.DISCARD, ("100::/64", "100:0:0:1::/64")),
    (AddressClass.TEREDO, ("2001::/32",)),
    (AddressClass.BENCHMARKING, ("2001:2::/48",)),
    (AddressClass.PROTOCOL, ("2001::/23",)),
    (AddressClass.DOCUMENTATION, ("2001:db8::/32", "3fff::/20")),
    (AddressClass.SIX_TO_FOUR, ("2002::/16",)),
    (AddressClass.UNIQUE_LOCAL, ("fc00::/7",)),
    (AddressClass.LINK_LOCAL, ("fe80::/10",)),
    (AddressClass.SITE_LOCAL, ("fec0::/10",)),
    (AddressClass.MULTICAST, ("ff00::/8",)),
    # All outside 2000::/3, the only range that is assigned for global unicast (RFC 4291 §2.4).
    (AddressClass.RESERVED, ("::/3", "4000::/2", "8000::/1")),
)
_IPV4 = [(kind, [IPv4Network(text) for text in texts]) for kind, texts in _IPV4_ROWS]
_IPV6 = [(kind, [IPv6Network(text) for text in texts]) for kind, texts in _IPV6_ROWS]


def classify(address: IPAddress) -> AddressClass:
    """Return the kind of network that `address` belongs to. An IPv6 zone id is ignored."""
    if isinstance(address, IPv4Address):
        rows = ((kind, any(address in net for net in nets)) for kind, nets in _IPV4)
    else:
        rows = ((kind, any(address in net for net in nets)) for kind, nets in _IPV6)
    return next((kind for kind, matches in rows if matches), AddressClass.PUBLIC)


def embedded(address: IPAddress) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that a network may deliver packets for `address` to.

    Translated addresses are read in the /96 form of RFC 6052 §2.2, whose last 32 bits are the IPv4
    address.
    """
    kind = classify(address)
    number = int(address)
    last = number & 0xFFFF_FFFF
    if kind in (AddressClass.MAPPED, AddressClass.COMPATIBLE, AddressClass.TRANSLATED):
        yield IPv4Address(last)
    elif kind is AddressClass.SIX_TO_FOUR and isinstance(address, IPv6Address):
        yield IPv4Address(number >> 80 & 0xFFFF_FFFF)  # RFC 3056 §2
    elif kind is AddressClass.TEREDO:
        yield IPv4Address(number >> 64 & 0xFFFF_FFFF)  # RFC 4380 §4: server, then inverted client
        yield IPv4Address(last ^ 0xFFFF_FFFF)
