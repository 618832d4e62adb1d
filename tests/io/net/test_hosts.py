from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from passerelle.io.net.hosts import LOOPBACK, HostsFile

FILE = """
# 10.0.0.9 commented
10.0.0.1  One.example two.example. # three.example
fe80::1%eth0 one.example
10.0.0.1 one.example
not-an-address four.example
10.0.0.4
"""


def hosts_file(folder: Path, text: str | bytes) -> HostsFile:
    path = folder / "hosts"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return HostsFile(path)


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("one.example", ["fe80::1", "10.0.0.1"]),
        ("two.example", ["10.0.0.1"]),
        ("three.example", []),
        ("four.example", []),
        ("commented", []),
        ("", []),
    ],
)
def test_names_of_the_file(tmp_path: Path, name: str, addresses: list[str]) -> None:
    """Names count in any case, once for each address, IPv6 first; odd lines are passed over."""
    found = hosts_file(tmp_path, FILE).addresses(name)
    assert list(found) == [ip_address(each) for each in addresses]


@pytest.mark.parametrize("name", ["localhost", "news.localhost"])
def test_localhost_is_loopback_without_a_file(tmp_path: Path, name: str) -> None:
    """IPv6 comes first, as with a system's resolver."""
    assert HostsFile(tmp_path / "none").addresses(name) == LOOPBACK


def test_the_file_says_what_localhost_is(tmp_path: Path) -> None:
    hosts = hosts_file(tmp_path, "10.0.0.1 localhost")
    assert hosts.addresses("localhost") == (ip_address("10.0.0.1"),)
    assert not hosts.addresses("notlocalhost")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A file that is replaced, taken away and put back counts from then on."""
    hosts = hosts_file(tmp_path, "10.0.0.1 a.example")
    assert hosts.addresses("a.example")
    hosts_file(tmp_path, "10.0.0.1 b.example c.example")
    assert hosts.addresses("c.example")
    assert not hosts.addresses("a.example")
    (tmp_path / "hosts").unlink()
    assert not hosts.addresses("c.example")
    hosts_file(tmp_path, b"\xff\n10.0.0.2 c.example")
    assert hosts.addresses("c.example") == (ip_address("10.0.0.2"),)
