from __future__ import annotations

import logging
from ipaddress import ip_address

import pytest

from passerelle.io.net.locations import NOWHERE, LocationDatabase


@pytest.fixture(scope="module")
def places() -> LocationDatabase:
    return LocationDatabase()


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("8.8.8.8", "US"),
        ("2001:4860:4860::8888", "US"),
        ("5.160.0.1", "IR"),
        ("2a01:4f8::1", "DE"),
    ],
)
def test_countries(places: LocationDatabase, address: str, country: str) -> None:
    """Public addresses of both families have a country and an operator."""
    place = places.look_up(ip_address(address))
    assert place.country == country
    assert place.asn is not None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "100.64.0.1", "203.0.113.1", "fe80::1", "::1", "fd00::1"]
)
def test_special_addresses_are_nowhere(places: LocationDatabase, address: str) -> None:
    """Addresses that are not routed have neither, so no two of them count as in one network."""
    assert places.look_up(ip_address(address)) == NOWHERE


def test_one_operator_has_one_number(places: LocationDatabase) -> None:
    """Two prefixes of one operator have the same number; another operator's has another."""
    one, same, other = (
        places.look_up(ip_address(text)) for text in ("8.8.8.8", "8.8.4.4", "9.9.9.9")
    )
    assert one.asn == same.asn != other.asn


def test_loading_twice_gives_the_same_database(places: LocationDatabase) -> None:
    """`load` is idempotent, and later look-ups load nothing."""
    before = places.look_up(ip_address("8.8.8.8"))
    places.load()
    assert places.look_up(ip_address("8.8.8.8")) == before


def test_addresses_are_not_logged(
    places: LocationDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """A look-up logs nothing, at any level."""
    with caplog.at_level(logging.DEBUG):
        places.look_up(ip_address("8.8.8.8"))
    assert not caplog.records
