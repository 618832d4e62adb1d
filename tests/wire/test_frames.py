from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import frames
from passerelle.wire.frames import (
    Ack,
    Close,
    Data,
    Drain,
    Frame,
    FrameReader,
    Hello,
    Padding,
    Ping,
    Refused,
    Welcome,
)
from tests.wire.outcome import refusal
from tests.wire.strategies import FRAMES, acks

SESSION = bytes(range(16))


def read(chunks: Iterable[bytes]) -> list[Frame]:
    """Feed `chunks` to a reader; return the frames, with copies of their payloads."""
    reader = FrameReader()
    found: list[Frame] = []
    for chunk in chunks:
        for frame in reader.feed(chunk):
            if isinstance(frame, Data):
                found.append(Data(frame.offset, bytes(frame.payload)))
            else:
                found.append(frame)
    return found


def raw(kind: int, body: bytes) -> bytes:
    """Return the bytes of a frame that `encode` would not make."""
    return struct.pack("!BH", kind, len(body)) + body


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (
            Hello(SESSION, may_create=True, received=5, ticket="t"),
            "01 001b 01 01 000102030405060708090a0b0c0d0e0f 0000000000000005 74",
        ),
        (
            Welcome(resumed=True, received=5, window_bytes=6),
            "02 000e 01 01 0000000000000005 00000006",
        ),
        (Refused(LinkCode.TICKET), "03 0001 04"),
        (Data(7, b"ab"), "04 000a 0000000000000007 6162"),
        (
            Ack(3, 0.01, 4, ((6, 9),)),
            "05 001a 0000000000000003 0064 0000000000000004 00000002 00000003",
        ),
        (Ping(1), "06 0008 0000000000000001"),
        (frames.Pong(1), "07 0008 0000000000000001"),
        (Padding(2), "08 0002 0000"),
        (Drain(), "09 0000"),
        (Close(LinkCode.FLOW, ends_session=True), "0a 0002 06 01"),
        (frames.WindowFrame(65_536), "0b 0004 00010000"),
    ],
)
def test_byte_table(frame: Frame, wire: str) -> None:
    """Each frame has exactly the bytes that the table in the module's docstring gives it."""
    assert frames.encode(frame).hex() == wire.replace(" ", "")
    assert read([bytes.fromhex(wire)]) == [frame]


@given(st.lists(FRAMES, max_size=6), st.data())
def test_round_trip_in_any_chunks(sent: list[Frame], data: st.DataObject) -> None:
    """The same frames come out, however the bytes are cut."""
    wire = b"".join(frames.encode(frame) for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert read(chunks) == sent


@given(st.lists(FRAMES, max_size=3))
def test_round_trip_one_byte_at_a_time(sent: list[Frame]) -> None:
    """A trickle of single bytes gives the same frames."""
    wire = b"".join(frames.encode(frame) for frame in sent)
    assert read(bytes([byte]) for byte in wire) == sent


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_garbage_gives_only_peer_errors(chunks: list[bytes]) -> None:
    """Any bytes either parse or raise PeerError with a code."""
    assert refusal(lambda: read(chunks)) in (None, LinkCode.MALFORMED, LinkCode.LIMIT)


@given(st.integers(0, 13), st.binary(max_size=100))
def test_garbage_bodies_give_only_peer_errors(kind: int, body: bytes) -> None:
    """A known type with any body parses or is malformed, and parses to what encodes."""
    found: list[Frame] = []
    assert refusal(lambda: found.extend(read([raw(kind, body)]))) in (None, LinkCode.MALFORMED)
    for frame in found:
        assert read([frames.encode(frame)]) == [frame]


def test_unknown_types_are_skipped() -> None:
    """A later version's frame does not disturb its neighbours."""
    wire = frames.encode(Ping(1)) + raw(200, b"later") + raw(0, b"") + frames.encode(Ping(2))
    assert read([wire]) == [Ping(1), Ping(2)]


def test_frames_before_a_bad_one_are_delivered() -> None:
    """Frames that came whole before the fault are yielded."""
    reader = FrameReader()
    found = reader.feed(frames.encode(Ping(1)) + raw(frames.FrameType.PING, b"short"))
    assert next(found) == Ping(1)
    with pytest.raises(PeerError):
        next(found)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (frames.FrameType.HELLO, b"\1\1" + SESSION),
        (frames.FrameType.HELLO, struct.pack("!BB16sQ", 1, 1, SESSION, 0) + b"\xff"),
        (
            frames.FrameType.HELLO,
            struct.pack("!BB16sQ", 1, 1, SESSION, 0) + b"t" * (limits.TICKET_BYTES + 1),
        ),
        (frames.FrameType.WELCOME, b"\1"),
        (frames.FrameType.REFUSED, b""),
        (frames.FrameType.REFUSED, b"\xff"),
        (frames.FrameType.DATA, bytes(7)),
        (frames.FrameType.DATA, bytes(8)),
        (frames.FrameType.DATA, struct.pack("!Q", 2**63 - 2) + b"ab"),
        (frames.FrameType.ACK, bytes(17)),
        (frames.FrameType.ACK, bytes(18) + b"\0"),
        (frames.FrameType.ACK, bytes(18) + struct.pack("!II", 0, 5)),
        (frames.FrameType.ACK, bytes(18) + struct.pack("!II", 5, 0)),
        (frames.FrameType.ACK, bytes(18) + struct.pack("!IIII", 5, 5, 10, 1)),
        (frames.FrameType.ACK, bytes(18) + struct.pack("!IIII", 5, 5, 2, 1)),
        (frames.FrameType.PING, bytes(9)),
        (frames.FrameType.PONG, bytes(7)),
        (frames.FrameType.CLOSE, b"\0"),
        (frames.FrameType.CLOSE, b"\xee\0"),
    ],
)
def test_bad_bodies_are_malformed(kind: frames.FrameType, body: bytes) -> None:
    """Bodies that are too short or long, or have bad codes or ranges, are `malformed`."""
    with pytest.raises(PeerError, match=kind.name) as caught:
        read([raw(kind, body)])
    assert caught.value.code is LinkCode.MALFORMED


def test_announced_length_is_limited() -> None:
    """The header alone is enough to refuse a frame that would have to be buffered."""
    at_limit = struct.pack("!BH", frames.FrameType.PADDING, limits.FRAME_BODY_BYTES)
    assert read([at_limit + bytes(limits.FRAME_BODY_BYTES)]) == [Padding(limits.FRAME_BODY_BYTES)]
    with pytest.raises(PeerError) as caught:
        read([struct.pack("!BH", frames.FrameType.PADDING, limits.FRAME_BODY_BYTES + 1)])
    assert caught.value.code is LinkCode.LIMIT


def test_ack_ranges_are_limited() -> None:
    """A sender leaves the surplus to later ACKs; a receiver refuses a frame with more."""
    many = tuple((10 * n, 10 * n + 5) for n in range(1, limits.ACK_RANGES + 2))
    (frame,) = read([frames.encode(Ack(0, 0, 0, many))])
    assert isinstance(frame, Ack)
    assert frame.ranges == many[: limits.ACK_RANGES]
    body = bytes(18) + b"".join(struct.pack("!II", start, 5) for start, _ in many)
    with pytest.raises(PeerError) as caught:
        read([raw(frames.FrameType.ACK, body)])
    assert caught.value.code is LinkCode.MALFORMED


@given(acks(), st.floats(0, 1e6))
def test_ack_delay_saturates(ack: Ack, delay_s: float) -> None:
    """A delay beyond the field's range is sent as the largest, never as a small one."""
    (frame,) = read([frames.encode(Ack(ack.on_link, delay_s, ack.in_order, ack.ranges))])
    assert isinstance(frame, Ack)
    assert abs(frame.delay_s - min(delay_s, 6.5535)) <= 0.0001


def test_largest_data_frame_fits_one_link_message() -> None:
    """One full DATA frame, its TLS record and an envelope fill a link message to the byte."""
    wire = frames.encode(Data(2**40, bytes(limits.DATA_BYTES)))
    overhead = limits.TLS_RECORD_OVERHEAD_BYTES + limits.ENVELOPE_BYTES
    assert len(wire) + overhead == limits.LINK_MESSAGE_BYTES


@pytest.mark.parametrize(
    "frame",
    [
        Hello(b"short", may_create=True, received=0, ticket=""),
        Hello(SESSION, may_create=True, received=0, ticket="é"),
        Hello(SESSION, may_create=True, received=-1, ticket=""),
        Welcome(resumed=False, received=0, window_bytes=2**32),
        Data(-1, b"x"),
        Data(0, bytes(2**16)),
        Ack(0, -1.0, 0),
        Ack(0, 0, 10, ((5, 6),)),
        Ping(2**64),
        Padding(-1),
    ],
)
def test_fields_out_of_range_are_value_errors(frame: Frame) -> None:
    """A field out of range is caught before it reaches the wire."""
    with pytest.raises(ValueError, match=r"."):
        frames.encode(frame)


def test_secrets_stay_out_of_repr() -> None:
    """Session id, ticket and payload are not shown where a log could catch them."""
    shown = repr(Hello(SESSION, may_create=True, received=0, ticket="TICKET")) + repr(
        Data(0, b"PAYLOAD")
    )
    assert "TICKET" not in shown
    assert "PAYLOAD" not in shown
    assert repr(SESSION) not in shown
