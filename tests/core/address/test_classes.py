from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.address.classes import AddressClass, classify, embedded

CLASSES: dict[AddressClass, tuple[str, ...]] = {
    AddressClass.PUBLIC: (
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.31.196.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::1",
        "2001:200::1",
        "2606:4700::1111",
        "3ffe:ffff::1",
    ),
    AddressClass.METADATA: (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:42::42",
    ),
    AddressClass.UNSPECIFIED: ("0.0.0.0", "0.255.255.255", "::"),
    AddressClass.LOOPBACK: ("127.0.0.1", "127.255.255.255", "::1"),
    AddressClass.PRIVATE: (
        "10.0.0.0",
        "10.255.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.168.0.1",
    ),
    AddressClass.SHARED: ("100.64.0.0", "100.127.255.255"),
    AddressClass.LINK_LOCAL: (
        "169.254.0.1",
        "169.254.255.255",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
    ),
    AddressClass.UNIQUE_LOCAL: ("fc00::1", "fdff::1"),
    AddressClass.SITE_LOCAL: ("fec0::1",),
    AddressClass.MULTICAST: ("224.0.0.1", "239.255.255.255", "233.252.0.1", "ff02::1"),
    AddressClass.BROADCAST: ("255.255.255.255",),
    AddressClass.DOCUMENTATION: (
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.255",
        "2001:db8::1",
        "3fff:fff::1",
    ),
    AddressClass.BENCHMARKING: ("198.18.0.1", "198.19.255.255", "2001:2::1"),
    AddressClass.DISCARD: ("100::1", "100:0:0:1::1"),
    AddressClass.PROTOCOL: ("192.0.0.1", "192.0.0.171", "2001:1::1", "2001:20::1", "2001:1ff::1"),
    AddressClass.MAPPED: ("::ffff:8.8.8.8", "::ffff:127.0.0.1"),
    AddressClass.COMPATIBLE: ("::2", "::127.0.0.1"),
    AddressClass.TRANSLATED: (
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "64:ff9b:1:ffff::1",
        "::ffff:0:808:808",
    ),
    AddressClass.SIX_TO_FOUR: ("2002:7f00:1::1", "192.88.99.1"),
    AddressClass.TEREDO: ("2001::1", "2001:0:ffff::1"),
    AddressClass.RESERVED: (
        "240.0.0.1",
        "255.255.255.254",
        "4000::1",
        "5f00::1",
        "8000::1",
        "64:ff9a::1",
        "64:ff9b:2::1",
        "1fff::1",
        "fe00::1",
    ),
}


@pytest.mark.parametrize(
    ("text", "kind"), [(text, kind) for kind, texts in CLASSES.items() for text in texts]
)
def test_class(text: str, kind: AddressClass) -> None:
    """Every range of the IANA registries has its class, up to its edges."""
    assert classify(ip_address(text)) is kind


def test_every_class_has_an_example() -> None:
    """The table of examples above has every class."""
    assert set(CLASSES) == set(AddressClass)


@given(st.ip_addresses())
def test_public_is_global_to_python_too(address: IPv4Address | IPv6Address) -> None:
    """Every address that the table calls public is global in the standard library's table, too."""
    assert classify(address) is not AddressClass.PUBLIC or address.is_global


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("::ffff:10.1.2.3", ["10.1.2.3"]),
        ("::10.1.2.3", ["10.1.2.3"]),
        ("64:ff9b::10.1.2.3", ["10.1.2.3"]),
        ("64:ff9b:1::10.1.2.3", ["10.1.2.3"]),
        ("2002:0a01:0203::1", ["10.1.2.3"]),
        ("2001:0:0808:0808::f5fe:fdfc", ["8.8.8.8", "10.1.2.3"]),
        ("2606:4700::1111", []),
        ("192.88.99.1", []),
        ("::1", []),
    ],
)
def test_embedded(text: str, inner: list[str]) -> None:
    """The IPv4 addresses inside IPv6 transition addresses are found."""
    assert [str(address) for address in embedded(ip_address(text))] == inner
