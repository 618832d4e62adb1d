from ipaddress import ip_address, ip_network

import pytest

from passerelle.core.address.prefix import crowd, origin, site
from passerelle.core.origin import UNKNOWN, is_crowd


def test_an_origin_is_a_24_or_a_56_and_a_site_a_24_or_a_48() -> None:
    four, six = ip_address("93.184.216.34"), ip_address("2a00:1450:4001:81ff::5")
    assert origin(four) == b"4" + bytes((93, 184, 216))
    assert site(four) == bytes((93, 184, 216))
    assert origin(six) == b"6" + bytes.fromhex("2a001450400181")
    assert site(six) == bytes.fromhex("2a0014504001")


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.1.2.3", "100.64.0.1", "203.0.113.9", "::1", "fd00::1", "fe80::1"]
)
def test_addresses_that_are_not_public_say_nothing(text: str) -> None:
    assert origin(ip_address(text)) == UNKNOWN
    assert site(ip_address(text)) is None


def test_no_address_no_prefix() -> None:
    assert origin(None) == UNKNOWN
    assert site(None) is None


def test_those_who_come_through_a_cache_are_one_crowd_for_each_network() -> None:
    one, other = ip_network("66.249.64.0/19"), ip_network("66.249.64.0/20")
    assert is_crowd(crowd(one))
    assert len({crowd(one), crowd(other), UNKNOWN}) == 3
