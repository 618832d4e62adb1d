from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.address import AddressClass, classify
from passerelle.core.policy import NEVER_PORTS, Policy, PortRule, Refused
from passerelle.errors import Failure

PUBLIC = ip_address("1.1.1.1")


def allowing(*networks: str) -> Policy:
    return Policy(allow=tuple(ip_network(network) for network in networks), ports=None)


@given(st.ip_addresses())
def test_only_public_addresses_by_default(address: IPv4Address | IPv6Address) -> None:
    """Without configuration an address is open exactly if it is public."""
    kind = classify(address)
    assert Policy().decide(address, 443) is (None if kind is AddressClass.PUBLIC else kind)


@pytest.mark.parametrize(
    ("networks", "address", "denial"),
    [
        (["127.0.0.0/8"], "127.0.0.1", None),
        (["127.0.0.0/8"], "::1", AddressClass.LOOPBACK),
        (["127.0.0.0/8"], "10.0.0.1", AddressClass.PRIVATE),
        (["::1/128", "fd00::/8"], "fd12::1", None),
        # The inner address is open, the mapped form is not.
        (["127.0.0.0/8"], "::ffff:127.0.0.1", AddressClass.MAPPED),
        # The prefix is open, what lies behind it is judged.
        (["64:ff9b::/96"], "64:ff9b::8.8.8.8", None),
        (["64:ff9b::/96"], "64:ff9b::127.0.0.1", AddressClass.LOOPBACK),
        (["64:ff9b::/96"], "64:ff9b::169.254.169.254", AddressClass.METADATA),
        (["64:ff9b::/96", "10.0.0.0/8"], "64:ff9b::10.0.0.1", None),
        (["2002::/16"], "2002:c0a8:101::1", AddressClass.PRIVATE),
        (["2001::/32"], "2001:0:a00:1::f7f7:f7f7", AddressClass.PRIVATE),
        (["2001::/32"], "2001:0:808:808::f5ff:fffe", AddressClass.PRIVATE),
        (["2001::/32"], "2001:0:808:808::f7f7:f7f7", None),
    ],
)
def test_allowed_networks(networks: list[str], address: str, denial: AddressClass | None) -> None:
    """The configuration opens what it names and nothing else."""
    assert allowing(*networks).decide(ip_address(address), 80) is denial


@pytest.mark.parametrize("port", [80, 443, 8080, 8443])
def test_web_ports(port: int) -> None:
    """The web's ports are open by default."""
    assert Policy().decide(PUBLIC, port) is None


def test_other_ports() -> None:
    """Other ports are closed by default, and open if configured."""
    assert Policy().decide(PUBLIC, 22) is PortRule.NOT_OPEN
    assert Policy(ports=frozenset({22})).decide(PUBLIC, 22) is None
    assert Policy(ports=frozenset({22})).decide(PUBLIC, 80) is PortRule.NOT_OPEN
    assert Policy(ports=None).decide(PUBLIC, 65535) is None


@pytest.mark.parametrize("port", sorted(NEVER_PORTS))
def test_never_ports(port: int) -> None:
    """No configuration opens mail, telnet and file sharing."""
    policy = Policy(allow=(ip_network("127.0.0.0/8"),), ports=frozenset(NEVER_PORTS))
    assert policy.decide(ip_address("127.0.0.1"), port) is PortRule.NEVER
    assert Policy(ports=None).decide_port(port) is PortRule.NEVER


def test_allowed_networks_keep_the_ports() -> None:
    """An opened network is open on the configured ports."""
    policy = Policy(allow=(ip_network("10.0.0.0/8"),))
    assert policy.decide(ip_address("10.0.0.1"), 443) is None
    assert policy.decide(ip_address("10.0.0.1"), 22) is PortRule.NOT_OPEN


def test_refusal_is_uniform_to_the_application() -> None:
    """Whatever the reason, the application learns the same; the reason is a metric label."""
    refusals = [Refused(AddressClass.PRIVATE), Refused(PortRule.NEVER)]
    assert {(refused.failure, str(refused)) for refused in refusals} == {
        (Failure.POLICY, str(refusals[0]))
    }
    assert [refused.denial.value for refused in refusals] == ["private", "port_never"]


def test_labels_are_distinct() -> None:
    """No two reasons share a metric label."""
    labels = [reason.value for reason in (*AddressClass, *PortRule)]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize(
    ("policy", "port", "denial"),
    [
        (Policy(), 53, None),
        (Policy(), 443, None),
        (Policy(), 80, PortRule.NOT_OPEN),
        (Policy(), 123, PortRule.NOT_OPEN),
        (Policy(udp_ports=frozenset({4433})), 4433, None),
        (Policy(udp_ports=frozenset({4433})), 443, PortRule.NOT_OPEN),
        (Policy(udp_ports=frozenset()), 53, PortRule.NOT_OPEN),
        (Policy(udp_ports=None), 123, None),
        (Policy(udp_ports=None), 25, PortRule.NEVER),
    ],
)
def test_datagrams_have_ports_of_their_own(
    policy: Policy, port: int, denial: PortRule | None
) -> None:
    """DNS and HTTP/3 by default; what is open for TCP says nothing about UDP."""
    assert policy.for_datagrams.decide_port(port) is denial


@given(st.ip_addresses())
def test_datagrams_go_to_the_same_addresses(address: IPv4Address | IPv6Address) -> None:
    """One rule for both."""
    policy = allowing("127.0.0.0/8", "fd00::/8")
    assert policy.for_datagrams.decide(address, 53) is policy.decide(address, 53)
