from ipaddress import ip_address, ip_network

import pytest

from passerelle.core.address.forwarded import client_address, is_trusted, plain_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXY, CLIENT = ip_address("10.0.0.1"), ip_address("93.184.216.34")


def seen(peer: str | None, *fields: str) -> str | None:
    address = client_address(ip_address(peer) if peer else None, fields, PROXIES)
    return None if address is None else str(address)


def test_whoever_connects_directly_is_who_it_is_whatever_it_writes() -> None:
    assert seen("93.184.216.34") == "93.184.216.34"
    assert seen("93.184.216.34", "8.8.8.8") == "93.184.216.34"
    assert seen("93.184.216.34", "10.0.0.2") == "93.184.216.34"


def test_a_proxy_of_ours_is_believed() -> None:
    assert seen("10.0.0.1", "93.184.216.34") == "93.184.216.34"
    assert seen("fd00::1", "2a00:1450::1") == "2a00:1450::1"


def test_only_what_trusted_ones_wrote_is_believed() -> None:
    """Only entries that a trusted proxy wrote are believed; the client may write others."""
    assert seen("10.0.0.1", "8.8.8.8, 1.1.1.1, 93.184.216.34") == "93.184.216.34"
    assert seen("10.0.0.1", "8.8.8.8, 93.184.216.34, 10.9.9.9") == "93.184.216.34"
    assert seen("10.0.0.1", "8.8.8.8", "93.184.216.34") == "93.184.216.34"


@pytest.mark.parametrize(
    "fields",
    [(), ("",), ("unknown",), ("93.184.216.34:80",), ("10.0.0.2",), ("8.8.8.8, x, 10.0.0.3",)],
)
def test_a_proxy_that_does_not_say_who_it_was(fields: tuple[str, ...]) -> None:
    assert seen("10.0.0.1", *fields) is None


def test_a_connection_without_an_address_says_nothing() -> None:
    assert seen(None, "93.184.216.34") is None


def test_an_endless_list_is_read_from_its_end() -> None:
    assert seen("10.0.0.1", ", ".join(["8.8.8.8"] * 5000 + ["93.184.216.34"])) == "93.184.216.34"
    assert seen("10.0.0.1", ", ".join(["10.0.0.1"] * 5000)) is None


def test_trust_is_by_network_and_family() -> None:
    assert is_trusted(PROXY, PROXIES)
    assert not is_trusted(CLIENT, PROXIES)
    assert not is_trusted(PROXY, ())


def test_a_mapped_address_is_an_ipv4_address() -> None:
    assert plain_address("::ffff:93.184.216.34") == CLIENT
    assert plain_address("::1") == ip_address("::1")
    assert plain_address("127.1") is None
