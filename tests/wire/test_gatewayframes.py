from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode
from passerelle.wire import gatewayframes
from passerelle.wire.gatewayframes import Frame, FrameType, Reset, decode
from tests.wire.outcome import refusal

IDS = st.integers(1, 2**32 - 1)
PAYLOADS = (FrameType.REQUEST, FrameType.REQUEST_END, FrameType.ANSWER, FrameType.ANSWER_END)


@given(IDS, st.sampled_from(PAYLOADS), st.binary(max_size=gatewayframes.FRAME_BODY_BYTES))
def test_bytes_come_back(number: int, kind: FrameType, body: bytes) -> None:
    """Frames with a part of a message are read as they were written."""
    assert decode(gatewayframes.encode(number, kind, body)) == Frame(number, kind, body)


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1), st.sampled_from(Reset))
def test_counts_and_codes_come_back(number: int, count: int, code: Reset) -> None:
    """Credit is read as it was written, for the link as well; so is a reset."""
    credit = decode(gatewayframes.encode_credit(number, count))
    assert credit == Frame(number, FrameType.CREDIT, count=count)
    reset = decode(gatewayframes.encode_reset(number or 1, code))
    assert reset == Frame(number or 1, FrameType.RESET, count=code)


@given(st.integers(0, 2**32 - 1))
def test_marks_come_back(mark: int) -> None:
    """A PING and its answer are the link's, and have its mark."""
    ping, pong = gatewayframes.encode_ping(mark), gatewayframes.encode_pong(mark)
    assert decode(ping) == Frame(gatewayframes.LINK_ID, FrameType.PING, count=mark)
    assert decode(pong) == Frame(gatewayframes.LINK_ID, FrameType.PONG, count=mark)


@given(st.binary(max_size=40))
def test_garbage_is_read_or_refused(message: bytes) -> None:
    """No message raises anything but the declared error."""
    assert refusal(lambda: decode(message)) in {None, LinkCode.MALFORMED}


def test_what_a_later_version_adds_is_skipped() -> None:
    """An unknown type is none of this version's business, an unknown code means a broken answer."""
    assert decode(b"\x00\x00\x00\x01\x63abc") is None
    broken = decode(b"\x00\x00\x00\x01\x06\x63")
    assert broken == Frame(1, FrameType.RESET, count=Reset.BROKEN)


def test_no_frame_is_longer_than_a_link_message() -> None:
    """The longest frame fits, and one byte more does not."""
    longest = gatewayframes.encode(1, FrameType.ANSWER, bytes(gatewayframes.FRAME_BODY_BYTES))
    assert len(longest) == limits.LINK_MESSAGE_BYTES
    assert decode(longest) is not None
    assert refusal(lambda: decode(longest + b"x")) is LinkCode.LIMIT


def test_a_frame_does_not_show_its_bytes() -> None:
    """Nothing sealed or readable gets into a log by accident."""
    assert repr(Frame(7, FrameType.ANSWER, b"secret")) == "<ANSWER 7, 6 bytes>"
