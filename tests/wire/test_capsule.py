from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.capsule import (
    INTEGER_MOST,
    CapsuleDecoder,
    decode_integer,
    encode_datagram,
    encode_integer,
)

WHOLE = b"\x00\x06\x00hello"


def capsule(kind: int, value: bytes) -> bytes:
    return encode_integer(kind) + encode_integer(len(value)) + value


def trickle(data: bytes) -> list[bytes]:
    """Return the payloads that a decoder finds in `data`, fed one byte at a time."""
    decoder = CapsuleDecoder()
    return [payload for byte in data for payload in decoder.receive(bytes([byte]))]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
        ("00", 0),
        ("ffffffffffffffff", INTEGER_MOST),
    ],
)
def test_integers_of_the_rfc(data: str, value: int) -> None:
    """The examples of RFC 9000 §A.1 and both ends of the range are written and read."""
    assert decode_integer(bytes.fromhex(data), 0) == (value, len(data) // 2)
    assert encode_integer(value) == bytes.fromhex(data)


@given(st.integers(0, INTEGER_MOST), st.binary(max_size=4), st.binary(max_size=4))
def test_integers_come_back(value: int, before: bytes, after: bytes) -> None:
    """Any value is read anywhere in a buffer, and not if one of its bytes is missing."""
    data = encode_integer(value)
    assert decode_integer(before + data + after, len(before)) == (value, len(before + data))
    for size in range(len(data)):
        assert decode_integer(before + data[:size], len(before)) is None


def test_integers_are_read_in_any_form() -> None:
    """Longer forms than the shortest are read, as RFC 9000 §16 demands."""
    assert decode_integer(bytes.fromhex("4025"), 0) == (37, 2)


def test_too_large_an_integer_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="62 bits"):
        encode_integer(INTEGER_MOST + 1)


def test_bytes_of_a_datagram() -> None:
    """A datagram is type, length, context and payload."""
    assert encode_datagram(b"hello") == WHOLE
    assert CapsuleDecoder().receive(WHOLE) == [b"hello"]
    assert CapsuleDecoder().receive(encode_datagram(b"")) == [b""]


@pytest.mark.parametrize("size", [0, 1, 62, 63, 1200, 16_383, limits.DATAGRAM_BYTES])
def test_every_size_arrives(size: int) -> None:
    payload = bytes(size)
    assert CapsuleDecoder().receive(encode_datagram(payload)) == [payload]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(1, b""), (1, b"x" * 100), (0x2575, b"x"), (INTEGER_MOST, b"x" * 70_000), (0, b"\x01other")],
)
def test_the_unknown_is_skipped(kind: int, value: bytes) -> None:
    """Other capsules and contexts are skipped, and the datagram after them is read."""
    assert CapsuleDecoder().receive(capsule(kind, value) + WHOLE) == [b"hello"]
    assert trickle(capsule(kind, value)[:300]) == []


def test_an_endless_unknown_capsule_is_not_kept() -> None:
    """Nothing of a skipped capsule stays in memory, whatever its length."""
    decoder = CapsuleDecoder()
    decoder.receive(encode_integer(0x99) + encode_integer(INTEGER_MOST))
    for _ in range(100):
        assert decoder.receive(bytes(100_000)) == []
    assert len(decoder._buffer) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",
        b"\x00\x01\x40",
        b"\x00\x02\x80\x00",
        b"\x00" + encode_integer(limits.DATAGRAM_BYTES + 9),
        b"\x00" + encode_integer(INTEGER_MOST),
        encode_datagram(bytes(limits.DATAGRAM_BYTES + 1)),
    ],
    ids=["no context", "cut context", "cut long context", "long", "longest", "one too many"],
)
def test_malformed_datagrams(data: bytes) -> None:
    """A datagram without a context or too long is refused before its bytes have come."""
    with pytest.raises(PeerError) as caught:
        CapsuleDecoder().receive(data)
    assert caught.value.code is LinkCode.MALFORMED
    with pytest.raises(PeerError):
        trickle(data)


CAPSULES = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 63, 64, 0x2575]), st.binary(max_size=80)), max_size=8
)


@given(CAPSULES, st.lists(st.integers(1, 30), max_size=30))
def test_any_cut_gives_the_same(capsules: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """The same payloads come out in order, however the stream is cut."""
    data = b"".join(capsule(kind, b"\0" + value) for kind, value in capsules)
    wanted = [value for kind, value in capsules if kind == 0]
    decoder = CapsuleDecoder()
    rest, got = data, []
    for size in cuts:
        got += decoder.receive(rest[:size])
        rest = rest[size:]
    assert [*got, *decoder.receive(rest)] == wanted
    assert trickle(data) == wanted


@given(st.binary(max_size=300))
def test_any_bytes_give_payloads_or_a_peer_error(data: bytes) -> None:
    """Any bytes give payloads or a PeerError, and the buffer holds no more than came."""
    decoder, code = CapsuleDecoder(), LinkCode.MALFORMED
    payloads: list[bytes] = []
    try:
        payloads = decoder.receive(data)
    except PeerError as error:
        code = error.code
    assert code is LinkCode.MALFORMED
    assert sum(map(len, payloads)) + len(decoder._buffer) <= len(data)
