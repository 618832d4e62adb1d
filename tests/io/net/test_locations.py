from __future__ import annotations

import logging
import lzma
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from passerelle.errors import ConfigError
from passerelle.io.net.locations import BUILT_IN, NOWHERE, Location, LocationDatabase

OLDEST_BUILT_S = 1_780_000_000
"""The program's own database is not older than this, May 2026."""


def database(path: Path, networks: dict[str, Any], *, ip_version: Literal[4, 6] = 6) -> Path:
    """Write a database of records by network."""
    writer = MMDBWriter(ip_version, ipv4_compatible=ip_version == 6, database_type="Test")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


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
    """Public addresses of both families have a country; the program's own data has no networks."""
    assert places.look_up(ip_address(address)) == Location(country, None)


def test_the_edition_is_told(places: LocationDatabase) -> None:
    """The name and the age of what is loaded are known, and loading twice gives the same."""
    (edition,) = places.load()
    assert edition.name == BUILT_IN.name
    assert OLDEST_BUILT_S < edition.built_s < time.time()
    assert places.load() == [edition]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "100.64.0.1", "203.0.113.1", "fe80::1", "::1", "fd00::1"]
)
def test_special_addresses_are_nowhere(places: LocationDatabase, address: str) -> None:
    """Addresses that are not routed have neither, so no two of them count as in one network."""
    assert places.look_up(ip_address(address)) == NOWHERE


def test_an_operators_files_come_first(tmp_path: Path) -> None:
    """Countries and networks are read as the usual publishers write them."""
    countries = database(
        tmp_path / "countries.mmdb", {"8.8.8.0/24": {"country": {"iso_code": "ch"}}}
    )
    networks = database(
        tmp_path / "networks.mmdb",
        {
            "8.8.0.0/16": {"autonomous_system_number": 15169},
            "9.9.9.0/24": {"asn": "AS19281"},
            "1.1.1.0/24": {"autonomous_system_organization": "Somebody"},
            "1.0.0.0/24": {"autonomous_system_organization": "Somebody", "country_code": "?"},
        },
        ip_version=4,
    )
    places = LocationDatabase([countries, networks])
    assert [each.name for each in places.load()] == [countries.name, networks.name, BUILT_IN.name]
    assert places.look_up(ip_address("8.8.8.8")) == Location("CH", 15169)
    assert places.look_up(ip_address("8.8.4.4")) == Location("US", 15169)
    assert places.look_up(ip_address("9.9.9.9")).asn == 19281
    one, two = (places.look_up(ip_address(text)) for text in ("1.1.1.1", "1.0.0.1"))
    assert one.asn == two.asn is not None
    assert places.look_up(ip_address("2a01:4f8::1")) == Location("DE", None)


@pytest.mark.parametrize(
    "record", [{"country_code": 7}, {"country": "DE"}, {"asn": ""}, {"asn": []}, []]
)
def test_odd_records_are_nothing(tmp_path: Path, record: object) -> None:
    """A record with something else in it than a country and a network is passed over."""
    odd = database(tmp_path / "odd.mmdb", {"8.8.8.0/24": record})
    assert LocationDatabase([odd]).look_up(ip_address("8.8.8.8")) == Location("US", None)


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    """A file that is missing, cut short or something else is named at the start."""
    whole = lzma.decompress(BUILT_IN.read_bytes())
    for content in (b"", b"nonsense", whole[:100_000], whole[-100_000:]):
        (tmp_path / "places.mmdb").write_bytes(content)
        with pytest.raises(ConfigError, match=r"places.mmdb is no whole database"):
            LocationDatabase([tmp_path / "places.mmdb"]).load()
    (tmp_path / "places.mmdb.xz").write_bytes(BUILT_IN.read_bytes()[:1000])
    with pytest.raises(ConfigError, match=r"places.mmdb.xz is no whole database"):
        LocationDatabase([tmp_path / "places.mmdb.xz"]).load()
    with pytest.raises(ConfigError, match=r"none.mmdb cannot be read: No such file"):
        LocationDatabase([tmp_path / "none.mmdb"]).load()


def test_addresses_are_not_logged(
    places: LocationDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """A look-up logs nothing, at any level."""
    with caplog.at_level(logging.DEBUG):
        places.look_up(ip_address("8.8.8.8"))
    assert not caplog.records


def test_damage_elsewhere_in_a_database_costs_only_that_answer(tmp_path: Path) -> None:
    """The start looks at one address; a peer at another one must not end its own request."""
    networks = {
        "9.9.9.0/24": {"country": {"iso_code": "US"}},
        "8.8.8.0/24": {"country": {"iso_code": "LASTCODE"}},
    }
    path = database(tmp_path / "places.mmdb", networks)
    text = b"\x48LASTCODE"  # a string of eight characters
    whole = path.read_bytes()
    assert whole.count(text) == 1
    path.write_bytes(whole.replace(text, b"\xfe" + text[1:]))  # of a type that there is not
    places = LocationDatabase([path])
    assert places.look_up(ip_address("9.9.9.9")).country == "US"
    places.look_up(ip_address("8.8.8.8"))
