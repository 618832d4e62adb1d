from __future__ import annotations

from ipaddress import ip_address

from passerelle import limits
from passerelle.client.logintries import LoginTries

ANNA = ip_address("192.168.1.7")
OTHER = ip_address("192.168.1.8")


def test_tries_are_bounded_and_come_back() -> None:
    """A network that gave so many wrong logins waits; others do not."""
    tries = LoginTries()
    burst, per_s = limits.LOGIN_TRIES
    for _ in range(burst):
        assert tries.may_try(ANNA, 0)
        tries.failed(ANNA, 0)
    assert not tries.may_try(ANNA, 0)
    assert tries.may_try(OTHER, 0)
    assert not tries.may_try(ANNA, 0.5 / per_s)
    assert tries.may_try(ANNA, 1 / per_s)


def test_addresses_of_one_ipv6_network_share_their_tries() -> None:
    """One machine can take any address of a /64, so they count together."""
    tries = LoginTries()
    for number in range(limits.LOGIN_TRIES[0]):
        tries.failed(ip_address(f"fd00::{number}"), 0)
    assert not tries.may_try(ip_address("fd00::ffff"), 0)
    assert tries.may_try(ip_address("fd00:0:0:1::1"), 0)


def test_the_table_is_bounded() -> None:
    """Beyond so many networks the one counted for longest is forgotten."""
    tries = LoginTries()
    for number in range(limits.LOGIN_NETWORKS + 1):
        address = ip_address(int(ip_address("10.0.0.0")) + number)
        for _ in range(limits.LOGIN_TRIES[0]):
            tries.failed(address, 0)
    assert tries.may_try(ip_address("10.0.0.0"), 0)
    assert not tries.may_try(ip_address("10.0.0.1"), 0)
    assert len(tries._tries) == limits.LOGIN_NETWORKS
