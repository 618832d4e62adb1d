from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.media.frame import OVERHEAD_BYTES, unwrap, wrap
from passerelle.errors import LinkCode, PeerError
from tests.core.media.test_video import MESSAGES
from tests.vectors.make import KEY_FRAME

PICTURES = (
    st.just(b"") | st.just(KEY_FRAME) | st.binary(max_size=50).map(lambda more: b"\x11" + more)
)


NUMBERS = st.integers(0, 2**33)


@given(PICTURES, st.integers(0, 1 << 24), NUMBERS, NUMBERS, NUMBERS, MESSAGES)
def test_a_frame_survives(
    genuine: bytes,
    backlog: int,
    got: int,
    unsent: int,
    sent: int,
    messages: list[tuple[int, bytes]],
) -> None:
    """The encoder's part comes out byte for byte, and padding means nothing."""
    for pad in (0, 9):
        frame = unwrap(wrap(genuine, backlog, messages, got=got, unsent=unsent, sent=sent, pad=pad))
        assert frame.genuine == genuine
        assert frame.messages == messages
        assert (frame.got, frame.unsent) == (got % 2**32, unsent % 2**32)
        assert frame.sent == sent % 2**32
        assert frame.backlog_bytes == backlog // 1024 * 1024
    assert len(wrap(genuine, 0, [])) == len(genuine) + OVERHEAD_BYTES


@given(st.binary(max_size=80))
def test_whatever_a_frame_holds_is_read_or_refused(data: bytes) -> None:
    try:
        frame = unwrap(data)
    except PeerError:
        return
    assert len(frame.genuine) + sum(len(message) for _, message in frame.messages) <= len(data)


def test_a_frame_without_end_is_refused() -> None:
    with pytest.raises(PeerError) as refused:
        unwrap(bytes(limits.MEDIA_FRAME_BYTES + 1))
    assert refused.value.code is LinkCode.LIMIT


@pytest.mark.parametrize(
    "picture",
    [
        bytes.fromhex("10020a 9d012a 4100 4000"),
        bytes.fromhex("10020a 9d012a 4000 ff3f"),
        bytes.fromhex("10020a 000000 4000 4000"),
        bytes.fromhex("10020a 9d"),
    ],
)
def test_a_picture_that_a_decoder_must_make_room_for_is_refused(picture: bytes) -> None:
    """A stranger's key frame may say 16,383 by 16,383 pixels."""
    with pytest.raises(PeerError):
        unwrap(wrap(picture, 0, []))


def test_a_picture_that_a_stack_must_keep_is_refused() -> None:
    """800 that wait for a lost one would take 400 MB if each were as long as a frame may be."""
    longest = b"\x11" * limits.MEDIA_PICTURE_BYTES
    assert unwrap(wrap(longest, 0, [])).genuine == longest
    with pytest.raises(PeerError) as refused:
        unwrap(wrap(longest + b"\x11", 0, []))
    assert refused.value.code is LinkCode.LIMIT
