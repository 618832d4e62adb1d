from ipaddress import ip_address

import pytest

from passerelle.core.address.prefix import holder, site


def test_a_holder_has_a_24_or_a_56_and_a_site_a_24_or_a_48() -> None:
    four, six = ip_address("93.184.216.34"), ip_address("2a00:1450:4001:81ff::5")
    assert holder(four) == site(four) == bytes((93, 184, 216))
    assert holder(six) == bytes.fromhex("2a001450400181")
    assert site(six) == bytes.fromhex("2a0014504001")


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.1.2.3", "100.64.0.1", "203.0.113.9", "::1", "fd00::1", "fe80::1"]
)
def test_addresses_that_are_not_public_say_nothing(text: str) -> None:
    assert holder(ip_address(text)) is None
    assert site(ip_address(text)) is None


def test_no_address_no_prefix() -> None:
    assert holder(None) is None
    assert site(None) is None
