from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.media import callframe
from passerelle.core.media.callframe import DELTA_PICTURE, KEY_PICTURE, fill, room_bytes, unfill
from passerelle.core.media.video import RECORD_HEAD_BYTES
from passerelle.errors import LinkCode, PeerError
from tests.vectors.make import KEY_FRAME

MESSAGES = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=40)))
NUMBERS = st.integers(0, 2**33)


@given(st.booleans(), st.integers(0, 50), st.integers(0, 1 << 24), NUMBERS, NUMBERS, MESSAGES)
def test_a_frame_keeps_its_length_and_its_beginning(
    is_key: bool,
    spare: int,
    backlog: int,
    got: int,
    unsent: int,
    messages: list[tuple[int, bytes]],
) -> None:
    """Whatever it carries, it is as long as the encoder made it, and packets are made as of that
    one; what was put in comes out."""
    start = KEY_FRAME[:10] if is_key else b"\x11"
    size = sum(RECORD_HEAD_BYTES + len(message) for _, message in messages)
    encoded = start + bytes(size + spare + 10)
    assert room_bytes(encoded) == size + spare
    frame = fill(encoded, backlog, messages, got, unsent)
    assert len(frame) == len(encoded)
    assert frame[: len(start)] == start
    taken = unfill(frame)
    assert taken.picture == (KEY_PICTURE if is_key else DELTA_PICTURE)
    assert taken.news is not None
    assert taken.news.messages == messages
    assert (taken.news.got, taken.news.unsent) == (got % 2**32, unsent % 2**32)
    assert taken.news.backlog_bytes == min(0xFFFF, backlog // 1024) * 1024


@pytest.mark.parametrize("encoded", [b"", b"\x11", b"\x11" + bytes(9), KEY_FRAME[:10] + bytes(9)])
def test_a_frame_too_short_for_anything_is_sent_as_it_is(encoded: bytes) -> None:
    """A picture in which nothing moves may have some bytes only, and a link must bear that."""
    assert room_bytes(encoded) < 0
    assert fill(encoded, 5, [], 1, 2) == encoded
    assert unfill(encoded).news is None


@given(st.binary(max_size=80))
def test_whatever_a_frame_holds_is_read_or_refused(data: bytes) -> None:
    """The decoder never gets a byte that came from the far end."""
    try:
        frame = unfill(data)
    except PeerError:
        return
    assert frame.picture in (KEY_PICTURE, DELTA_PICTURE)


def test_a_frame_without_end_is_refused() -> None:
    with pytest.raises(PeerError) as caught:
        unfill(bytes(limits.MEDIA_FRAME_BYTES + 1))
    assert caught.value.code is LinkCode.LIMIT


def test_the_decoders_pictures_are_small_ones() -> None:
    """The one is a key frame of 64 × 64 pixels, the other is none."""
    assert callframe.is_key(KEY_PICTURE)
    assert KEY_PICTURE[3:10] == b"\x9d\x01\x2a\x40\x00\x40\x00"
    assert not callframe.is_key(DELTA_PICTURE)
