from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.media.callframe import unfill
from passerelle.core.media.frame import unwrap
from passerelle.core.media.packer import MessagePacker
from passerelle.core.media.video import Order
from passerelle.errors import PeerError

ROOM = 100


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=20), st.randoms(use_true_random=False))
def test_everything_arrives_over_frames_that_may_be_lost(
    messages: list[bytes], chance: random.Random
) -> None:
    """Frames may be lost, repeated and late: what is missing is named and sent again."""
    packer, order = MessagePacker(), Order()
    for message in messages:
        packer.push(message)
    got: list[bytes] = []
    late: list[bytes] = []
    for turn in range(200):
        frame = packer.next_frame(b"\x11picture", ROOM)
        fate = chance.random() if turn < 150 else 1.0
        if fate < 0.3:
            continue
        late.append(frame)
        if fate < 0.5:
            continue
        while late:
            arrived = unwrap(late.pop(chance.randrange(len(late))))
            for number, message in arrived.messages:
                got += order.add(number, message, 0.0)
            gaps = order.missing(limits.RESEND_GAPS, arrived.unsent)
        packer.acknowledge(order.next)
        packer.resend(tuple(gaps))
    assert got == messages
    assert (packer.is_done, packer.queued_bytes, packer.kept_bytes) == (True, 0, 0)


def test_a_frame_holds_what_fits_and_at_least_one_message() -> None:
    packer = MessagePacker()
    for size in (500, 40, 40, 40):
        packer.push(bytes(size))
    assert [len(m) for _, m in unwrap(packer.next_frame(b"", ROOM)).messages] == [500]
    frame = packer.next_frame(b"1234567891", ROOM)
    assert len(frame) <= ROOM
    assert [number for number, _ in unwrap(frame).messages] == [1]
    assert len(packer.next_frame(b"", 1000, 300)) == 300


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    packer = MessagePacker()
    packer.push(b"a")
    with pytest.raises(PeerError):
        packer.acknowledge(1)
    packer.shift()
    packer.acknowledge(1)
    packer.resend(((0, 1), (2**32 - 1, 5)))
    assert packer.shift() is None


def test_small_messages_are_in_the_next_frames_once_more_while_little_is_sent() -> None:
    packer = MessagePacker()

    def frame(*sizes: int) -> list[int]:
        for size in sizes:
            packer.push(bytes(size))
        return [number for number, _ in unwrap(packer.next_frame(b"", 2_000)).messages]

    assert frame(100, 900) == [0, 1]
    assert frame(100) == [0, 2]
    packer.acknowledge(1)
    assert frame(100) == [2, 3]
    assert frame(1_050) == [4]
    assert frame() == [2, 3]
    assert frame() == [3]
    assert frame() == []
    assert packer.queued_bytes == 0


def test_an_older_acknowledgement_may_come_later() -> None:
    packer = MessagePacker()
    for _ in range(4):
        packer.push(b"a")
    packer.next_frame(b"", ROOM)
    for number in (3, 1, 0, 3):
        packer.acknowledge(number)
    assert packer.kept_bytes == 1
    assert unwrap(packer.next_frame(b"", ROOM, got=5)).got == 5


def test_what_is_left_of_a_gap_is_sent_again() -> None:
    """An acknowledgement in a frame may overtake a question that the DataChannel repairs slowly."""
    packer = MessagePacker()
    for number in range(5):
        packer.push(bytes([number]))
    while packer.shift():
        pass
    packer.acknowledge(2)
    packer.resend(((1, 4),))
    assert [packer.shift(), packer.shift(), packer.shift()] == [(2, b"\2"), (3, b"\3"), None]
    packer.resend(((0, 1), (0, 0), (2**31, 2**31 - 1), (5, 9)))
    assert packer.queued_bytes == 0


def test_small_messages_cost_more_than_their_bytes() -> None:
    """A volunteer that acknowledges nothing is given up by what it makes the client keep."""
    packer = MessagePacker()
    for _ in range(10):
        packer.push(b"x")
    assert packer.cost_bytes == 10 * (1 + limits.MESSAGE_COST_BYTES)
    packer.next_frame(b"", 1000)
    packer.acknowledge(9)
    assert packer.cost_bytes == 1 + limits.MESSAGE_COST_BYTES


def test_a_calls_frame_holds_what_fits_and_no_more() -> None:
    """However short the encoder's frame is, it is not made longer, and what does not fit waits."""
    packer = MessagePacker()
    for size in (40, 40, 200):
        packer.push(bytes(size))

    def numbers(length: int) -> list[int]:
        frame = packer.fill(b"\x11" + bytes(length - 1), got=3)
        assert len(frame) == length
        news = unfill(frame).news
        return [] if news is None else [number for number, _ in news.messages]

    assert numbers(8) == numbers(30) == []
    assert numbers(11 + 2 * 46) == [0, 1]
    assert numbers(11 + 46) == []
    assert numbers(11 + 206) == [2]
    assert packer.queued_bytes == 0
    assert numbers(11 + 206) == [2]  # once more, as there is room
    assert not packer.is_done
    packer.acknowledge(3)
    assert packer.is_done
    assert numbers(500) == []
