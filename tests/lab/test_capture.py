"""Parsing of capture files, without a laboratory."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.capture import FILE_HEADER, MAGIC, Packet, parse
from tests.lab.errors import LabError

HEADER = FILE_HEADER.pack(MAGIC, 2, 4, 0, 0, 262_144, 1)


def record(data: bytes) -> bytes:
    """Return one packet in the form of a capture file."""
    return struct.pack("<IIII", 7, 500_000, len(data), len(data)) + data


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_every_packet_is_read(payloads: list[bytes]) -> None:
    packets = parse(HEADER + b"".join(record(data) for data in payloads))
    assert packets == [Packet(7.5, data) for data in payloads]


@given(st.integers(min_value=0, max_value=len(HEADER + record(b"tulip")) - 1))
def test_a_cut_file_is_an_error(length: int) -> None:
    """A file may end only between two packets."""
    file = (HEADER + record(b"tulip"))[:length]
    if length == len(HEADER):
        assert parse(file) == []
    else:
        with pytest.raises(LabError):
            parse(file)


@given(st.binary(max_size=100))
def test_other_bytes_are_packets_or_an_error(body: bytes) -> None:
    with contextlib.suppress(LabError):
        assert sum(16 + len(packet.data) for packet in parse(HEADER + body)) == len(body)
