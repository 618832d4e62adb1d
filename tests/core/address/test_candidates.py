from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.address.candidates import vet, vet_carried, vet_near
from passerelle.core.address.classes import AddressClass, classify
from passerelle.core.address.host import IPAddress
from passerelle.core.address.prefix import site
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from tests.wire.strategies import DESCRIPTIONS

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "100.64.0.1",
    "169.254.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "2001:db8::1",
]
"""One address in each kind of network that laboratories use."""
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "fd00:ec2::254",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.88.99.1",
    "::",
    "ff02::1",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2001::1",
    "::808:808",
]
"""Addresses at which no peer can be."""


def described(*addresses: str | tuple[str, int]) -> Description:
    """Return a description with these candidates."""
    pairs = [each if isinstance(each, tuple) else (each, 50_000) for each in addresses]
    candidates = tuple(Candidate(CandidateKind.REFLEXIVE, *pair) for pair in pairs)
    return Description("abcd", "p" * 22, bytes(32), Setup.ACTPASS, candidates)


def used(
    *addresses: str | tuple[str, int], private: bool = False, seen: str | None = None
) -> list[tuple[str, int]]:
    """Return the address and port of each candidate that is left after vetting."""
    description = described(*addresses)
    if seen is None:
        vetted = vet(description, private=private)
    else:
        vetted = vet_near(description, site(ip_address(seen)), private=private)
    return [(candidate.ip, candidate.port) for candidate in vetted.candidates]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_for_laboratories(address: str) -> None:
    """Private addresses are left out unless the network is a laboratory."""
    assert used(address) == []
    assert used(address, private=True) == [(address, 50_000)]
    assert used(address, private=True, seen="8.8.8.8") == [(address, 50_000)]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_used(address: str) -> None:
    """Metadata services, multicast and addresses that translate to others are never used."""
    assert used(address) == used(address, private=True) == []


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        (None, ["8.8.8.8", "8.8.8.1", "8.8.9.8", "2a00:1:2:3::4", "2a00:1:2::1", "2a00:1:3::1"]),
        ("8.8.8.8", ["8.8.8.8", "8.8.8.1"]),
        ("8.8.9.9", ["8.8.9.8"]),
        ("9.9.9.9", []),
        ("2a00:1:2:9::1", ["2a00:1:2:3::4", "2a00:1:2::1"]),
    ],
)
def test_public_addresses_are_those_of_the_peer(seen: str | None, kept: list[str]) -> None:
    """Where a broker saw a peer, only public addresses in that /24 or /48 are used."""
    given_ = ["8.8.8.8", "8.8.8.1", "8.8.9.8", "2a00:1:2:3::4", "2a00:1:2::1", "2a00:1:3::1"]
    for private in (False, True):
        assert [ip for ip, _ in used(*given_, seen=seen, private=private)] == kept


@pytest.mark.parametrize("seen", ["127.0.0.1", "10.1.2.3", "::1", "fd00::7"])
def test_a_proxy_of_our_own_vouches_for_nobody(seen: str) -> None:
    """Whoever was not seen could name anybody. Laboratories' addresses stay for laboratories."""
    assert used("8.8.8.8", seen=seen) == []
    assert used("8.8.8.8", "10.1.2.3", seen=seen, private=True) == [("10.1.2.3", 50_000)]


def test_a_person_vouches_for_one_address_of_each_version() -> None:
    """Nobody has seen a reader whose text is carried by hand, and one machine has no more."""
    given_ = described(
        *(("8.8.8.8", 7000), ("9.9.9.9", 7000), ("8.8.8.8", 7001), ("8.8.8.8", 7002)),
        *("2a00:1:2:3::4", "2a00:1:2::1", "10.0.0.1"),
    )
    for private in (False, True):
        vetted = vet_carried(given_, private=private)
        kept = [(each.ip, each.port) for each in vetted.candidates]
        assert kept[:3] == [("8.8.8.8", 7000), ("8.8.8.8", 7001), ("2a00:1:2:3::4", 50_000)]
        assert kept[3:] == [("10.0.0.1", 50_000)] * private


def test_later_words_of_a_peer_bring_no_new_addresses() -> None:
    """Over a link, where no broker vets, a peer may name new ports but no new addresses."""
    given_ = described(("8.8.8.8", 7000), "9.9.9.9", "10.0.0.1")
    for private in (False, True):
        vetted = vet(given_, private=private, known={"8.8.8.8"})
        assert [(each.ip, each.port) for each in vetted.candidates] == [("8.8.8.8", 7000)]
        assert vet(given_, private=private, known=()).candidates == ()
    assert vet(given_, private=False, known={"10.0.0.1"}).candidates == ()


def test_services_of_a_system_are_left_alone() -> None:
    """Low ports are left out: DNS and NTP servers there would answer with more than was sent."""
    ports = [("8.8.8.8", port) for port in (1, 53, 123, 1023)]
    assert used(*ports) == used(*ports, private=True) == []
    assert used(("8.8.8.8", 1024)) == [("8.8.8.8", 1024)]


def test_repeats_and_surplus_ports_are_left_out() -> None:
    """One address gets as many ports as a symmetric NAT shows to two STUN servers."""
    ports = [("8.8.8.8", 5000 + number) for number in range(4)]
    assert used(*ports) == ports[: limits.CANDIDATE_PORTS]
    assert used(ports[0], ports[0], ports[1]) == ports[:2]


def test_more_than_a_description_takes_is_left_out() -> None:
    """Candidates beyond what a description can hold are left out; our own stack may find more."""
    many = [f"8.8.8.{number}" for number in range(1, limits.CANDIDATES + 3)]
    assert len(used(*many)) == limits.CANDIDATES


def test_nothing_else_of_a_description_changes() -> None:
    """Vetting keeps a description's credentials, fingerprint and role."""
    given_ = described("10.0.0.1")
    vetted = vet(given_, private=False)
    assert (vetted.ufrag, vetted.pwd, vetted.fingerprint, vetted.setup) == (
        given_.ufrag,
        given_.pwd,
        given_.fingerprint,
        given_.setup,
    )


@given(DESCRIPTIONS, st.booleans(), st.sampled_from([vet, vet_carried]) | st.ip_addresses())
def test_vetting_only_takes_away(
    description: Description, private: bool, how: Callable[..., Description] | IPAddress
) -> None:
    """Vetting only removes candidates and keeps their order; vetting the result changes nothing."""

    def judged(each: Description) -> Description:
        if callable(how):
            return how(each, private=private)
        return vet_near(each, site(how), private=private)

    vetted = judged(description)
    left = iter(description.candidates)
    assert all(candidate in left for candidate in vetted.candidates)
    assert judged(vetted) == vetted
    if not private:
        kinds = {classify(ip_address(candidate.ip)) for candidate in vetted.candidates}
        assert kinds <= {AddressClass.PUBLIC}
