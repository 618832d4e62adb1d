from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.address.classes import AddressClass, classify
from passerelle.core.address.host import HostError, parse_host
from passerelle.core.address.policy import (
    NEVER_PORTS,
    WEB_PORTS,
    ConnectionPolicy,
    Denial,
    DestinationRefused,
    HostRule,
    PortRule,
    parse_site,
)
from passerelle.errors import Failure

PUBLIC = ip_address("1.1.1.1")


def allowing(*networks: str) -> ConnectionPolicy:
    return ConnectionPolicy(allow=tuple(ip_network(network) for network in networks), ports=None)


@given(st.ip_addresses())
def test_only_public_addresses_by_default(address: IPv4Address | IPv6Address) -> None:
    """Without configuration an address is open exactly if it is public."""
    kind = classify(address)
    assert ConnectionPolicy().decide(address, 443) is (
        None if kind is AddressClass.PUBLIC else kind
    )


@pytest.mark.parametrize(
    ("networks", "address", "denial"),
    [
        (["127.0.0.0/8"], "127.0.0.1", None),
        (["127.0.0.0/8"], "::1", AddressClass.LOOPBACK),
        (["127.0.0.0/8"], "10.0.0.1", AddressClass.PRIVATE),
        (["::1/128", "fd00::/8"], "fd12::1", None),
        # The inner address is open, but the mapped form of it is not.
        (["127.0.0.0/8"], "::ffff:127.0.0.1", AddressClass.MAPPED),
        # The prefix is open, and the address inside it is judged by itself.
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
    """The configuration opens the networks that it names and nothing else."""
    assert allowing(*networks).decide(ip_address(address), 80) is denial


@pytest.mark.parametrize("port", [80, 443, 8080, 8443])
def test_web_ports(port: int) -> None:
    """The web's ports are open by default."""
    assert ConnectionPolicy().decide(PUBLIC, port) is None


def test_other_ports() -> None:
    """Other ports are closed by default, and open if they are configured."""
    assert ConnectionPolicy().decide(PUBLIC, 22) is PortRule.NOT_OPEN
    assert ConnectionPolicy(ports=frozenset({22})).decide(PUBLIC, 22) is None
    assert ConnectionPolicy(ports=frozenset({22})).decide(PUBLIC, 80) is PortRule.NOT_OPEN
    assert ConnectionPolicy(ports=None).decide(PUBLIC, 65535) is None


@pytest.mark.parametrize("port", sorted(NEVER_PORTS))
def test_never_ports(port: int) -> None:
    """No configuration opens the ports of mail, telnet and file sharing."""
    policy = ConnectionPolicy(allow=(ip_network("127.0.0.0/8"),), ports=frozenset(NEVER_PORTS))
    assert policy.decide(ip_address("127.0.0.1"), port) is PortRule.NEVER
    assert ConnectionPolicy(ports=None).decide_port(port) is PortRule.NEVER


def test_allowed_networks_keep_the_ports() -> None:
    """In an opened network, too, only the configured ports are open."""
    policy = ConnectionPolicy(allow=(ip_network("10.0.0.0/8"),))
    assert policy.decide(ip_address("10.0.0.1"), 443) is None
    assert policy.decide(ip_address("10.0.0.1"), 22) is PortRule.NOT_OPEN


def test_refusal_is_uniform_to_the_application() -> None:
    """An application learns the same whatever the reason is; the reason is a metric label only."""
    reasons: list[Denial] = [AddressClass.PRIVATE, PortRule.NEVER, HostRule.OWN]
    refusals = [DestinationRefused(reason) for reason in reasons]
    assert {(refused.failure, str(refused)) for refused in refusals} == {
        (Failure.POLICY, str(refusals[0]))
    }
    assert [refused.denial.value for refused in refusals] == [
        "private",
        "port_never",
        "own",
    ]


def test_labels_are_distinct() -> None:
    """No two reasons share a metric label."""
    labels = [reason.value for reason in (*AddressClass, *PortRule, *HostRule)]
    assert len(labels) == len(set(labels))


def test_mail_is_never_open() -> None:
    """The ports for sending and fetching mail, telnet and Windows file sharing are never open."""
    assert {23, 25, 110, 139, 143, 445, 465, 587, 993, 995} <= NEVER_PORTS
    assert not NEVER_PORTS & WEB_PORTS


def test_own_addresses_are_closed_though_public() -> None:
    """The exit's own public addresses are closed, except in a network that the operator opened."""
    assert ConnectionPolicy().decide(PUBLIC, 443, own=True) is HostRule.OWN
    assert allowing("1.1.1.0/24").decide(PUBLIC, 443, own=True) is None


def test_closed_networks_stay_closed() -> None:
    """A network that the operator closed stays closed, whatever else is opened."""
    policy = ConnectionPolicy(allow=(ip_network("10.0.0.0/8"),), deny=(ip_network("10.1.0.0/16"),))
    assert policy.decide(ip_address("10.0.0.1"), 443) is None
    assert policy.decide(ip_address("10.1.0.1"), 443) is HostRule.CLOSED
    nat64 = ConnectionPolicy(deny=(ip_network("2001:67c:2b0:64::/96"),))
    assert nat64.decide(ip_address("2001:67c:2b0:64::a00:1"), 443) is HostRule.CLOSED


SITES = tuple(parse_site(text) for text in ("News.Example.", "*.news.example", "garden.example"))


@pytest.mark.parametrize(
    ("host", "denial"),
    [
        ("news.example", None),
        ("www.news.example", None),
        ("a.b.news.example", None),
        ("NEWS.example.", None),
        ("garden.example", None),
        ("www.garden.example", HostRule.NOT_LISTED),
        ("badnews.example", HostRule.NOT_LISTED),
        ("news.example.evil.example", HostRule.NOT_LISTED),
        ("example", HostRule.NOT_LISTED),
        ("1.1.1.1", HostRule.NOT_LISTED),
        ("[2606:4700::1]", HostRule.NOT_LISTED),
    ],
)
def test_site_mode(host: str, denial: HostRule | None) -> None:
    """In `site` mode the listed names are open and nothing else, addresses included."""
    assert ConnectionPolicy(sites=SITES).decide_host(parse_host(host)) is denial


def test_listed_names_are_judged_by_address_all_the_same() -> None:
    """A listed name that leads into a private network is refused by its address."""
    policy = ConnectionPolicy(sites=SITES)
    assert policy.decide(ip_address("10.0.0.1"), 443) is AddressClass.PRIVATE


def test_no_sites_serve_nothing() -> None:
    """An empty list of sites opens nothing, unlike `web` mode, which has no list."""
    assert ConnectionPolicy(sites=()).decide_host("news.example") is HostRule.NOT_LISTED


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "*.", "*.org", "1.1.1.1", "*.1.1.1.1", "a.*.example", "::1", "x y.example"),
        *("https://news.example", "news.example:443", "bücher.example", "news.example/"),
    ],
)
def test_what_is_no_site(text: str) -> None:
    """A wildcard must stand for whole labels before a name of at least two labels.

    Whatever is wrong, the sentence is about sites, and not about addresses.
    """
    with pytest.raises(HostError, match=r"a site is a name such as news\.example"):
        parse_site(text)


@pytest.mark.parametrize(
    ("host", "denial"),
    [
        ("localhost", HostRule.LOCAL_NAME),
        ("www.localhost", HostRule.LOCAL_NAME),
        ("printer.local", HostRule.LOCAL_NAME),
        ("metadata.google.internal", HostRule.LOCAL_NAME),
        ("router.home.arpa", HostRule.LOCAL_NAME),
        ("intranet", HostRule.LOCAL_NAME),
        ("locals.example", None),
        ("1.1.1.1", None),
        ("::1", None),
    ],
)
def test_names_of_local_networks(host: str, denial: HostRule | None) -> None:
    """Local names are refused before any look-up, so nobody can learn whether they exist."""
    assert ConnectionPolicy().decide_host(parse_host(host)) is denial


def test_who_opens_a_network_opens_its_names() -> None:
    """An operator who opens a private network can use its names."""
    assert allowing("10.0.0.0/8").decide_host("intranet") is None


@pytest.mark.parametrize(
    ("policy", "port", "denial"),
    [
        (ConnectionPolicy(), 53, None),
        (ConnectionPolicy(), 443, None),
        (ConnectionPolicy(), 80, PortRule.NOT_OPEN),
        (ConnectionPolicy(), 123, PortRule.NOT_OPEN),
        (ConnectionPolicy(udp_ports=frozenset({4433})), 4433, None),
        (ConnectionPolicy(udp_ports=frozenset({4433})), 443, PortRule.NOT_OPEN),
        (ConnectionPolicy(udp_ports=frozenset()), 53, PortRule.NOT_OPEN),
        (ConnectionPolicy(udp_ports=None), 123, None),
        (ConnectionPolicy(udp_ports=None), 25, PortRule.NEVER),
    ],
)
def test_datagrams_have_ports_of_their_own(
    policy: ConnectionPolicy, port: int, denial: PortRule | None
) -> None:
    """For UDP the ports of DNS and HTTP/3 are open by default, whatever is open for TCP."""
    assert policy.for_datagrams.decide_port(port) is denial


@given(st.ip_addresses())
def test_datagrams_go_to_the_same_addresses(address: IPv4Address | IPv6Address) -> None:
    """UDP follows the same rules for addresses as TCP."""
    policy = allowing("127.0.0.0/8", "fd00::/8")
    assert policy.for_datagrams.decide(address, 53) is policy.decide(address, 53)
