from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.address.host import HostError, parse_host
from passerelle.core.tunnel.masque import join_path, split_path

START = "/.well-known/masque/udp/"


@pytest.mark.parametrize(
    ("host", "port", "path"),
    [
        ("192.0.2.6", 443, f"{START}192.0.2.6/443/"),
        ("2001:db8::42", 53, f"{START}2001%3Adb8%3A%3A42/53/"),
        ("a_b-c.example", 65535, f"{START}a_b-c.example/65535/"),
    ],
)
def test_paths_of_the_rfc(host: str, port: int, path: str) -> None:
    """RFC 9298 §2 and §3: the default template, and an IPv6 address in it."""
    assert join_path(host, port) == path
    assert split_path(path) == (host, port)


def test_other_spellings_of_the_same() -> None:
    """Percent-encoding and upper case say the same; the host comes back in its usual form."""
    assert split_path(f"{START}2001%3ADB8%3a%3A42/53/") == ("2001:db8::42", 53)
    assert split_path(f"{START}%65xample.COM/53/") == ("example.com", 53)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        START,
        f"{START}/53/",
        f"{START}a.example/53",
        f"{START}a.example/53/x",
        f"{START}a.example//",
        f"{START}a.example/0/",
        f"{START}a.example/65536/",
        f"{START}a.example/5 3/",
        f"{START}a.example/+53/",
        f"{START}a.example/1:2/",
        f"{START}a%2Fb/53/",
        f"{START}a%zz/53/",
        f"{START}%ff/53/",
        f"{START}127.1/53/",
        f"{START}0x7f.1/53/",
        f"{START}%5B::1%5D/53/",
        f"{START}fe80::1%25eth0/53/",
        f"{START}a.example:1/53/",
        f"/x{START}a.example/53/",
        "/.well-known/masque/ip/a.example/53/",
    ],
)
def test_what_is_no_path(path: str) -> None:
    """Other templates, odd literals, zones, ports that are none."""
    with pytest.raises(HostError):
        split_path(path)


@given(st.text(max_size=60) | st.text(alphabet="/%:[]a1.", max_size=12).map(START.__add__))
def test_any_text_is_a_checked_destination_or_an_error(path: str) -> None:
    """Whatever it says, what comes out is a host that `core.address.host` vouches for."""
    try:
        host, port = split_path(path)
    except HostError:
        return
    assert str(parse_host(host)) == host
    assert 1 <= port <= 65535
    assert split_path(join_path(host, port)) == (host, port)
