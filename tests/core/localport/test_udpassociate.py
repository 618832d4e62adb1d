from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.localport.udpassociate import AssociatePacket, Drop, decode, header

NAME = b"\0\0\0\x03\x0bexample.com\x01\xbb"


@pytest.mark.parametrize(
    ("start", "host", "port"),
    [
        (NAME, "example.com", 443),
        (b"\0\0\0\x01\x01\x02\x03\x04\x00\x35", "1.2.3.4", 53),
        (b"\0\0\0\x04" + bytes(15) + b"\x01\x00\x35", "::1", 53),
    ],
)
def test_bytes_of_a_datagram(start: bytes, host: str, port: int) -> None:
    """Each type of address is packed and unpacked, with and without a payload."""
    assert decode(start + b"query") == AssociatePacket(host, port, b"query")
    assert decode(start) == AssociatePacket(host, port, b"")
    assert header(host, port) == start


def test_a_literal_in_a_names_place_is_the_address() -> None:
    """An IP literal in the field for a name is taken for an address."""
    assert decode(b"\0\0\0\x03\x071.2.3.4\x00\x35x") == AssociatePacket("1.2.3.4", 53, b"x")


def test_a_name_in_utf_8_is_the_name_in_ascii() -> None:
    """A name that the application has not put into its A-label form is put into it."""
    datagram = b"\0\0\0\x03\x0fb\xc3\xbccher.example\x00\x35x"
    assert decode(datagram) == AssociatePacket("xn--bcher-kva.example", 53, b"x")


@pytest.mark.parametrize(
    ("datagram", "drop"),
    [
        (b"", Drop.MALFORMED),
        (NAME[:-1], Drop.MALFORMED),
        (b"\0\0\0\x02\x00\x00\x00\x00", Drop.MALFORMED),
        (b"\0\x01\0" + NAME[3:], Drop.MALFORMED),
        (b"\0\0\x01" + NAME[3:], Drop.FRAGMENT),
        (b"\0\0\x80" + NAME[3:], Drop.FRAGMENT),
        (NAME[:-2] + b"\0\0", Drop.DESTINATION),
        (b"\0\0\0\x03\x05127.1\x00\x35", Drop.DESTINATION),
        (b"\0\0\0\x03\x00\x00\x35", Drop.DESTINATION),
        (b"\0\0\0\x03\x02\xc3\x28\x00\x35", Drop.DESTINATION),
    ],
)
def test_what_is_dropped(datagram: bytes, drop: Drop) -> None:
    """Fragments, malformed addresses and truncated datagrams are dropped."""
    assert decode(datagram) is drop


@given(st.binary(max_size=300))
def test_any_bytes_are_a_packet_or_dropped(datagram: bytes) -> None:
    """Any bytes are a packet or dropped, and a packet packs to the same bytes."""
    got = decode(datagram)
    if isinstance(got, AssociatePacket):
        assert datagram.endswith(got.payload)
        assert decode(header(got.host, got.port) + got.payload) == got


@given(st.ip_addresses(), st.integers(1, 65535), st.binary(max_size=50))
def test_any_address_comes_back(address: object, port: int, payload: bytes) -> None:
    host = str(ip_address(str(address)))
    assert decode(header(host, port) + payload) == AssociatePacket(host, port, payload)


def test_repr_hides_destination_and_payload() -> None:
    """The repr of a packet shows neither destination nor payload, so a log cannot either."""
    text = repr(AssociatePacket("secret.example", 4711, b"payload"))
    assert not any(secret in text for secret in ("secret", "4711", "payload"))
