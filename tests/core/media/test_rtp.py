from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.media import rtp

SSRC = 0x01020304


def packet(
    payload: bytes = b"payload",
    *,
    sequence: int = 7,
    marker: bool = False,
    extension: bytes = b"",
    sources: int = 0,
    padding: int = 0,
) -> bytes:
    first = 0x80 | (0x10 if extension else 0) | sources | (0x20 if padding else 0)
    head = struct.pack("!BBHII", first, 97 | (0x80 if marker else 0), sequence, 1234, SSRC)
    words = b""
    if extension:
        body = extension + bytes(-len(extension) % 4)
        words = struct.pack("!HH", 0xBEDE, len(body) // 4) + body
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return head + bytes(4 * sources) + words + payload + tail


def test_a_plain_packet() -> None:
    read = rtp.parse(packet(marker=True))
    assert read == rtp.RtpPacket(97, True, 7, SSRC, None, b"payload")


def test_everything_optional() -> None:
    """Contributing sources, extensions and padding are stepped over; the send time is read."""
    other, send_time = b"\x30\xff", b"\x22\x01\x02\x03"
    read = rtp.parse(packet(extension=other + b"\x00" + send_time, sources=2, padding=5))
    assert read.payload == b"payload"
    assert read.send_time == 0x010203


@pytest.mark.parametrize(
    "data",
    [
        b"",
        packet()[:11],
        b"\x40" + packet()[1:],
        packet(sources=15)[:30],
        packet(extension=b"\x22\x01\x02\x03")[:14],
        packet(extension=b"\x22\x01\x02\x03")[:17],
        packet(extension=b"\x21\x01\x02\x03"),
        packet(extension=b"\x00\x22\x01\x02"),
        packet(b"", padding=200)[:-1] + b"\xff",
    ],
)
def test_a_broken_packet_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        rtp.parse(data)


@given(st.binary(max_size=80))
def test_whatever_comes_is_a_packet_or_refused(data: bytes) -> None:
    try:
        read = rtp.parse(data)
    except ValueError:
        return
    assert len(read.payload) <= len(data) - 12


@pytest.mark.parametrize(
    ("descriptor", "starts"),
    [
        (b"\x10", True),
        (b"\x00", False),
        (b"\x11", False),
        (b"\x90\x80\x05", True),
        (b"\x90\x80\x85\x06", True),
        (b"\x90\xe0\x85\x06\x01\x20", True),
        (b"\x80\x70\x01\x20", False),
    ],
)
def test_vp8_descriptor(descriptor: bytes, starts: bool) -> None:
    assert rtp.strip_vp8(descriptor + b"data") == (starts, b"data")


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x90\x80", b"\x90\x80\x85", b"\x90\x40"])
def test_a_cut_vp8_descriptor_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        rtp.strip_vp8(data)


def test_a_retransmission_names_its_original() -> None:
    assert rtp.unwrap_repair(b"\x01\x02rest") == (0x0102, b"rest")
    with pytest.raises(ValueError):
        rtp.unwrap_repair(b"\x01")


@given(st.integers(0, 65535), st.lists(st.integers(-2000, 3000), max_size=100))
def test_extended_numbers_follow_the_true_ones(first: int, steps: list[int]) -> None:
    """However often 16 bits wrap, jumps of less than half the span are understood."""
    counter, true = rtp.WrappingNumber(), first + 65536
    assert counter.extend(first) == true
    latest = true
    for step in steps:
        true = max(65536, latest + step)
        assert counter.extend(true % 65536) == true
        latest = max(latest, true)


def test_a_number_that_is_only_looked_up_changes_nothing() -> None:
    counter = rtp.WrappingNumber()
    counter.extend(10)
    assert counter.extend(30_000, keep=False) == 95_536
    assert counter.extend(40_000) == 40_000


def test_the_sender_report_in_a_compound_is_found() -> None:
    report = struct.pack("!BBHIQIII", 0x80, 200, 6, SSRC, 0x0011223344556677, 1, 2, 3)
    other = struct.pack("!BBHI", 0x81, 202, 1, SSRC)
    assert rtp.sender_report(other + report) == (SSRC, 0x22334455)
    assert rtp.sender_report(other) is None
    assert rtp.sender_report(other + report[:-1]) is None


@given(st.binary(max_size=60))
def test_no_report_breaks_the_reader(data: bytes) -> None:
    found = rtp.sender_report(data)
    assert found is None or len(data) >= 28


def test_a_receiver_report_gives_the_round_trip_only() -> None:
    data = rtp.receiver_report(SSRC, 65_543, last_report=5, delay_s=0.5)
    head, kind, words, own, ssrc, lost, highest, _jitter, last, delay = struct.unpack(
        "!BBHIIIIIII", data
    )
    assert (head, kind, 4 * (words + 1)) == (0x81, 201, len(data))
    assert (own, ssrc, lost, highest, last, delay) == (rtp.OWN_SSRC, SSRC, 0, 65_543, 5, 32_768)


def test_without_a_sender_report_there_is_no_delay() -> None:
    assert rtp.receiver_report(SSRC, 1, last_report=0, delay_s=9)[-8:] == bytes(8)


@given(st.floats(1, 1e12))
def test_the_bitrate_limit_keeps_18_bits(bits_s: float) -> None:
    data = rtp.bitrate_limit(SSRC, bits_s)
    assert 4 * (int.from_bytes(data[2:4], "big") + 1) == len(data)
    assert data[12:17] == b"REMB\x01"
    value = int.from_bytes(data[17:20], "big")
    limit = (value & 0x3FFFF) << (value >> 18)
    assert bits_s * (1 - 2**-17) - 1 <= limit <= bits_s


def nacked(packets: list[bytes]) -> list[int]:
    """Read NACKs as RFC 4585 says."""
    numbers = []
    for data in packets:
        assert data[:2] == b"\x81\xcd"
        assert 4 * (int.from_bytes(data[2:4], "big") + 1) == len(data)
        assert data[8:12] == struct.pack("!I", SSRC)
        for first, bits in struct.iter_unpack("!HH", data[12:]):
            numbers += [first] + [first + 1 + bit & 0xFFFF for bit in range(16) if bits >> bit & 1]
    return numbers


@given(st.sets(st.integers(65_000, 70_000), max_size=600))
def test_what_is_missing_is_what_is_asked_for(missing: set[int]) -> None:
    """Each number once, over the wrap, in packets that fit a datagram."""
    packets = rtp.negative_acknowledgements(SSRC, sorted(missing))
    assert nacked(packets) == [number % 65536 for number in sorted(missing)]
    assert all(len(data) <= 1012 for data in packets)
