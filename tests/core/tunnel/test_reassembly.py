from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.tunnel.reassembly import Reassembly
from passerelle.errors import LinkCode, PeerError

TEXT = bytes(range(100))


def add(reassembly: Reassembly, start: int, end: int) -> None:
    reassembly.add(start, TEXT[start:end])


def read(reassembly: Reassembly) -> bytes:
    return b"".join(reassembly.read())


def test_in_order_segments_pass_through_uncopied() -> None:
    """What is next is handed on as it came, without a copy."""
    reassembly = Reassembly(100)
    payload = memoryview(TEXT)[:10]
    reassembly.add(0, payload)
    [piece] = reassembly.read()
    assert isinstance(piece, memoryview)
    assert piece.obj is TEXT
    assert (reassembly.in_order, reassembly.read()) == (10, [])


def test_a_gap_holds_back_what_follows() -> None:
    """Segments wait for the one before them; their bytes are counted and acknowledged."""
    reassembly = Reassembly(100)
    add(reassembly, 10, 20)
    add(reassembly, 30, 40)
    assert (read(reassembly), reassembly.pending_bytes) == (b"", 20)
    assert reassembly.ranges() == ((10, 20), (30, 40))
    add(reassembly, 0, 10)
    assert (read(reassembly), reassembly.pending_bytes) == (TEXT[:20], 10)
    add(reassembly, 20, 30)
    assert (read(reassembly), reassembly.pending_bytes) == (TEXT[20:40], 0)


def test_held_segments_do_not_keep_the_message_they_came_in() -> None:
    """A small segment that waits is copied out of the buffer it arrived in."""
    reassembly = Reassembly(100)
    buffer = bytearray(TEXT)
    reassembly.add(1, memoryview(buffer)[1:10])
    buffer[:] = bytes(100)
    add(reassembly, 0, 1)
    assert read(reassembly) == TEXT[:10]


def test_more_ranges_than_an_ack_holds() -> None:
    """An ACK gets the lowest ranges."""
    reassembly = Reassembly(1000)
    for start in range(1, 99, 2):
        add(reassembly, start, start + 1)
    assert reassembly.ranges() == tuple((at, at + 1) for at in range(1, 65, 2))
    assert len(reassembly.ranges()) == limits.ACK_RANGES


def test_the_window_is_the_limit() -> None:
    """The last byte of the window is taken, the next is FLOW; the window moves with the floor."""
    reassembly = Reassembly(10)
    add(reassembly, 9, 10)
    with pytest.raises(PeerError) as caught:
        add(reassembly, 9, 11)
    assert caught.value.code is LinkCode.FLOW
    assert reassembly.ranges() == ((9, 10),)
    add(reassembly, 0, 5)
    add(reassembly, 14, 15)


def test_tiny_segments_are_bounded() -> None:
    """Pieces held are counted; the one too many is LIMIT, and not one byte of it is taken."""
    reassembly = Reassembly(limits.SESSION_WINDOW_BYTES)
    for index in range(limits.PENDING_SEGMENTS - 1):
        reassembly.add(2 * index + 1, b"x")
    before = reassembly.pending_bytes
    with pytest.raises(PeerError) as caught:
        reassembly.add(0, bytes(1000))
    assert caught.value.code is LinkCode.LIMIT
    assert (reassembly.in_order, reassembly.pending_bytes) == (0, before)
    reassembly.add(0, b"y")
    assert reassembly.in_order == 2
    assert read(reassembly) == b"yx"


@given(
    cuts=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 100)), max_size=60),
    window=st.integers(1, 150),
)
def test_any_cut_in_any_order(cuts: list[tuple[int, int]], window: int) -> None:
    """However the bytes are cut, repeated, overlapped and shuffled: each is read once, in order."""
    reassembly = Reassembly(window)
    out = b""
    arrived: set[int] = set()
    for start, size in [*cuts, *((at, 1) for at in range(100))]:
        end = min(start + size, 100)
        if end > reassembly.in_order + window:
            with pytest.raises(PeerError):
                add(reassembly, start, end)
        else:
            add(reassembly, start, end)
            arrived.update(range(start, end))
        out += read(reassembly)
        assert out == TEXT[: len(out)]
        assert reassembly.in_order == len(out)
        assert reassembly.pending_bytes == len([at for at in arrived if at >= len(out)])
        assert reassembly.pending_bytes <= window
    assert out == TEXT
