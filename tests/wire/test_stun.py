from __future__ import annotations

import struct
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import serverlimits
from passerelle.errors import LinkCode
from passerelle.wire import stun
from passerelle.wire.stun import BindingError, BindingRequest, BindingResponse, Endpoint
from tests.wire.outcome import refusal

# RFC 5769 §2.1 to §2.3, without the integrity that these samples also carry: the header, SOFTWARE
# and the XOR-MAPPED-ADDRESS attributes byte for byte.
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
SOFTWARE = bytes.fromhex("8022000b7465737420766563746f7220")
MAPPED = {
    "192.0.2.1": bytes.fromhex("002000080001a147e112a643"),
    "2001:db8:1234:5678:11:2233:4455:6677": bytes.fromhex(
        "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    ),
}
ENDPOINTS = st.builds(
    Endpoint, st.ip_addresses().filter(lambda ip: "%" not in str(ip)), st.integers(0, 65535)
)
TRANSACTIONS = st.binary(min_size=12, max_size=12)
MESSAGES: st.SearchStrategy[stun.Message] = st.one_of(
    st.builds(BindingRequest, TRANSACTIONS, st.booleans(), st.booleans()),
    st.builds(
        BindingResponse, TRANSACTIONS, ENDPOINTS, st.none() | ENDPOINTS, st.none() | ENDPOINTS
    ),
    st.builds(BindingError, TRANSACTIONS),
)


def message(kind: int, *attributes: bytes, transaction: bytes = TRANSACTION) -> bytes:
    body = b"".join(attributes)
    return struct.pack("!HHI", kind, len(body), 0x2112A442) + transaction + body


def attribute(name: int, value: bytes) -> bytes:
    return struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4)


@given(MESSAGES)
def test_messages_round_trip(given_: stun.Message) -> None:
    """A message reads back to itself, and its length is a multiple of four."""
    datagram = stun.encode(given_)
    assert stun.decode(datagram) == given_
    assert len(datagram) % 4 == 0


@pytest.mark.parametrize("address", MAPPED)
def test_the_samples_of_the_rfc(address: str) -> None:
    """RFC 5769's responses read as its addresses, with port 32853."""
    found = stun.decode(message(0x0101, SOFTWARE, MAPPED[address]))
    assert isinstance(found, BindingResponse)
    assert (str(found.mapped.address), found.mapped.port) == (address, 32853)
    assert stun.encode(found) == message(0x0101, MAPPED[address])


def test_a_plain_request_is_a_header() -> None:
    """A request without attributes is a header only, as browsers send it."""
    assert stun.encode(BindingRequest(TRANSACTION)) == message(0x0001)


def test_changes_are_flags() -> None:
    """CHANGE-REQUEST has the flags of RFC 5780 §7.2: 4 for the address, 2 for the port."""
    for flags in range(8):
        found = stun.decode(message(0x0001, attribute(0x0003, struct.pack("!I", flags))))
        assert found == BindingRequest(TRANSACTION, bool(flags & 4), bool(flags & 2))


def test_attributes_that_must_be_understood_are_named() -> None:
    """Unknown required attributes are named, up to the limit; optional ones are skipped."""
    required = [attribute(name, b"x") for name in range(0x0024, 0x0024 + 9)]
    found = stun.decode(message(0x0001, SOFTWARE, *required))
    assert isinstance(found, BindingRequest)
    assert found.unknown == tuple(range(0x0024, 0x0024 + serverlimits.STUN_UNKNOWN))
    failure = stun.encode(BindingError(TRANSACTION, found.unknown))
    assert failure[24:28] == bytes([0, 0, 4, 20])
    assert stun.decode(failure) == BindingError(TRANSACTION)


def test_of_an_attribute_that_comes_twice_the_first_counts() -> None:
    """Later attributes of a type are ignored, as RFC 8489 §14 demands."""
    first, second = MAPPED["192.0.2.1"], attribute(0x0020, b"")
    assert stun.decode(message(0x0101, first, second)) == stun.decode(message(0x0101, first))


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        bytes(20),
        message(0x0001)[:-1],
        message(0x0001) + b"\0",
        message(0x0001) + bytes(4),
        message(0x0003),
        message(0x0101),
        message(0x0101, attribute(0x0020, b"")),
        message(0x0101, attribute(0x0020, bytes(8))),
        message(0x0101, MAPPED["192.0.2.1"], attribute(0x802C, bytes([0, 1, 0, 0, 1]))),
        message(0x0001, attribute(0x0003, b"")),
        message(0x0001, struct.pack("!HH", 0x8022, 4)),
        message(0x0001, struct.pack("!HH", 0x8022, 65535)),
    ],
)
def test_broken_messages_are_refused(datagram: bytes) -> None:
    """A broken message raises PeerError."""
    assert refusal(partial(stun.decode, datagram)) is LinkCode.MALFORMED


def test_large_messages_are_refused() -> None:
    """A message beyond the limit is refused, whatever it holds."""
    large = message(0x0001, attribute(0x8022, bytes(serverlimits.STUN_BYTES)))
    assert refusal(partial(stun.decode, large)) is LinkCode.LIMIT


@given(st.binary(max_size=200), st.sampled_from([0x0001, 0x0101, 0x0111]))
def test_garbage_gives_only_peer_errors(garbage: bytes, kind: int) -> None:
    """Garbage after a sound header, or in its place, raises nothing but PeerError."""
    for datagram in (garbage, message(kind, garbage[: len(garbage) // 4 * 4])):
        assert refusal(partial(stun.decode, datagram)) in (None, LinkCode.MALFORMED)


def test_endpoints_do_not_show_themselves() -> None:
    """The `repr` of endpoints and of messages shows no address."""
    found = stun.decode(message(0x0101, MAPPED["192.0.2.1"]))
    assert "192" not in repr(found)
    assert "32853" not in f"{found}"
