from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.tunnel.framecount import FrameCount
from passerelle.errors import LinkCode, PeerError


def frame(length: int, kind: int = 0) -> bytes:
    return length.to_bytes(3, "big") + bytes((kind, 0)) + bytes(4) + bytes(length)


@given(
    st.lists(st.integers(0, 40), max_size=20),
    st.lists(st.integers(1, 30), max_size=60),
    st.sampled_from([0, 24]),
)
def test_any_cut_gives_the_same(lengths: list[int], cuts: list[int], preface: int) -> None:
    """A frame counts when its last byte has come, however the bytes are cut; so does a preface."""
    data = bytes(preface) + b"".join(map(frame, lengths))
    count = FrameCount(preface)
    total = start = 0
    for cut in cuts:
        total += count.feed(data[start : start + cut])
        start += cut
    total += count.feed(memoryview(data)[start:])
    assert total == len(lengths) + bool(preface)
    assert count.feed(frame(7)[:-1]) == 0
    assert count.feed(b"\0") == 1


@pytest.mark.parametrize("kind", [1, 4, 9, 200])
def test_long_frames_are_data(kind: int) -> None:
    """A frame that is no DATA may be as long as a header list, and is refused by its header."""
    count = FrameCount()
    assert count.feed(frame(limits.STREAM_HEADER_BYTES, kind)) == 1
    assert count.feed(frame(limits.STREAM_HEADER_BYTES + 1)) == 1
    with pytest.raises(PeerError) as caught:
        count.feed(frame(limits.STREAM_HEADER_BYTES + 1, kind)[:9])
    assert caught.value.code is LinkCode.MALFORMED
