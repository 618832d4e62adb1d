from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.media.pieces import PIECE_BYTES, Joiner, split
from passerelle.errors import LinkCode, PeerError


@given(st.lists(st.binary(min_size=1, max_size=4 * PIECE_BYTES), max_size=8))
def test_messages_come_out_as_they_went_in(messages: list[bytes]) -> None:
    """Pieces of several messages come one by one, and each message is whole with its last."""
    joiner = Joiner()
    pieces = [piece for message in messages for piece in split(message)]
    assert all(1 < len(piece) <= PIECE_BYTES + 1 for piece in pieces)
    assert [whole for piece in pieces for whole in joiner.join([piece])] == messages


def test_the_longest_message_passes() -> None:
    """A link's longest message has fewer pieces than are allowed."""
    message = bytes(limits.LINK_MESSAGE_BYTES)
    assert len(list(split(message))) < limits.MESSAGE_PIECES
    assert Joiner().join(split(message)) == [message]


@pytest.mark.parametrize("piece", [b"", b"\x01", b"\x00", b"\x02a", b"\xff" + bytes(9)])
def test_what_is_no_piece_is_refused(piece: bytes) -> None:
    """A piece has a mark that means something, and some bytes."""
    with pytest.raises(PeerError) as caught:
        Joiner().join([piece])
    assert caught.value.code is LinkCode.MALFORMED


@pytest.mark.parametrize(("size", "count"), [(1, limits.MESSAGE_PIECES), (8192, 2)])
def test_a_message_without_end_is_refused(size: int, count: int) -> None:
    """Neither the bytes nor the pieces of an unfinished message grow beyond their bounds."""
    joiner = Joiner()
    part = b"\x00" + bytes(size)
    assert joiner.join([part] * count) == []
    with pytest.raises(PeerError) as caught:
        joiner.join([part])
    assert caught.value.code is LinkCode.LIMIT
