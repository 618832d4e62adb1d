from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.address.host import (
    HostError,
    join_authority,
    parse_host,
    split_authority,
    to_ascii,
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("a_b.c_.example.com", "a_b.c_.example.com"),
        ("api-.example.com", "api-.example.com"),
        ("-.-a.example.com", "-.-a.example.com"),
        ("example.a_-", "example.a_-"),
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
        "example.-com",
        "example._com",
        "-1",
        "127.0.0.-1",
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


@given(st.text(alphabet="0123456789abcdefx.-_", min_size=1, max_size=16))
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
    ("text", "ascii_text"),
    [
        ("Example.com:80", "Example.com:80"),
        ("[::1]:80", "[::1]:80"),
        ("b\u00fccher.example:80", "xn--bcher-kva.example:80"),
        ("B\u00dcCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("fa\u00df.de", "xn--fa-hia.de"),
        ("\u043f\u043e\u0447\u0442\u0430.\u0440\u0444", "xn--80a1acny.xn--p1ai"),
        ("\u4f8b\u3048\u3002\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah"),
        ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.com", "xn--mgba3gch31f060k.com"),
        ("\u2603.net", "xn--n3h.net"),
        ("exam\u00adple.com", "example.com"),
    ],
)
def test_to_ascii(text: str, ascii_text: str) -> None:
    """Labels become what browsers make of them; ASCII stays as it is, its case too."""
    assert to_ascii(text) == ascii_text


@pytest.mark.parametrize(
    "text",
    [
        "\uff11\uff12\uff17\uff0e\uff11",
        "\uff10\uff587f\u3002\uff11",
        "a\uff0fb.com",
        "a\uff20b.com",
    ],
)
def test_letters_that_become_ascii_are_judged_as_ascii(text: str) -> None:
    """A host that only looks different is refused like the one it becomes."""
    with pytest.raises(HostError):
        parse_host(to_ascii(text))


def test_bytes_that_are_no_text_are_no_host() -> None:
    """Bytes that are not UTF-8 are decoded to U+FFFD, which is refused."""
    with pytest.raises(HostError):
        to_ascii(b"\xff.com".decode(errors="replace"))


@given(st.text())
def test_to_ascii_of_any_text(text: str) -> None:
    """The result is ASCII, and the same when it is made again."""
    try:
        made = to_ascii(text)
    except HostError:
        return
    assert made.isascii()
    assert to_ascii(made) == made


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
