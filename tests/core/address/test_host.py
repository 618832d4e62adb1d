from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.address.host import HostError, join_authority, parse_host, split_authority


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("4.example", "4.example"),
        ("1.2.3.4", IPv4Address("1.2.3.4")),
        ("127.0.0.1.", IPv4Address("127.0.0.1")),
        ("2001:db8::1", IPv6Address("2001:db8::1")),
        ("[2001:DB8::1]", IPv6Address("2001:db8::1")),
        ("::ffff:127.0.0.1", IPv6Address("::ffff:127.0.0.1")),
    ],
)
def test_host(text: str, host: object) -> None:
    """IP literals in their usual form become addresses, and names are normalised."""
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "example..com",
        ".example.com",
        "example.com..",
        "-example.com",
        "a" * 64 + ".com",
        "a." * 127 + "com",
        "exa mple.com",
        "example.com\0",
        "bücher.example",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0x",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.1",
        "256.1.1.1",
        "example.0x1",
        "[127.0.0.1]",
        "[::1",
        "::1]",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "1:2",
        "user@example.com",
        "example.com/",
    ],
)
def test_not_a_host(text: str) -> None:
    """A text that two programs could take for different hosts is refused and not quoted."""
    with pytest.raises(HostError) as caught:
        parse_host(text)
    assert not text.strip("0.") or text not in str(caught.value)


@given(st.text() | st.text(alphabet="0123456789abcdefx.:[]%-", max_size=20))
def test_any_text_is_a_host_or_refused(text: str) -> None:
    """Any text gives an address, a name or a `HostError`; parsing the result changes nothing."""
    try:
        host = parse_host(text)
    except HostError:
        return
    assert parse_host(str(host)) == host


@given(st.text(alphabet="0123456789abcdefx.", min_size=1, max_size=16))
def test_name_is_never_an_address_to_the_system(text: str) -> None:
    """A text accepted as a name is no number to inet_aton, the most lenient parser of addresses."""
    try:
        host = parse_host(text)
    except HostError:
        return
    if isinstance(host, str):
        with pytest.raises(OSError, match="illegal IP"):
            socket.inet_aton(host)


@pytest.mark.parametrize(
    ("authority", "default", "expected"),
    [
        ("example.com:443", None, ("example.com", 443)),
        ("example.com", 80, ("example.com", 80)),
        ("example.com:", 80, ("example.com", 80)),
        ("[::1]:8080", None, ("::1", 8080)),
        ("[::1]", 80, ("::1", 80)),
        ("1.2.3.4:65535", None, ("1.2.3.4", 65535)),
    ],
)
def test_split_authority(authority: str, default: int | None, expected: tuple[str, int]) -> None:
    """An authority is split into its host and its port, or the default port."""
    assert split_authority(authority, default) == expected


@pytest.mark.parametrize(
    "authority",
    [
        "",
        ":80",
        "a",
        "a:",
        "a:0",
        "a:65536",
        "a:+80",
        "a:８０",
        "a:80:80",
        "::1:80",
        "u@a:80",
        "[::1]80",
    ],
)
def test_not_an_authority(authority: str) -> None:
    """A missing or malformed port, a user name, and IPv6 without brackets are refused."""
    with pytest.raises(HostError):
        split_authority(authority)


@pytest.mark.parametrize("host", ["example.com", "1.2.3.4", "2001:db8::1"])
def test_join_authority(host: str) -> None:
    """Splitting a joined authority gives the same host and port."""
    assert split_authority(join_authority(host, 443)) == (host, 443)
