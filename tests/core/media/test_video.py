from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.media import video
from passerelle.core.media.video import Fragment, Frames, Order
from passerelle.errors import LinkCode, PeerError


def cut(frames: list[bytes], size: int = 3, first: int = 100) -> list[tuple[int, Fragment]]:
    """Cut frames into numbered packets."""
    packets: list[tuple[int, Fragment]] = []
    for frame in frames:
        parts = [frame[at : at + size] for at in range(0, len(frame), size)]
        for index, part in enumerate(parts):
            fragment = Fragment(index == 0, index == len(parts) - 1, part)
            packets.append((first + len(packets), fragment))
    return packets


MESSAGES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=50)), max_size=5
)


@given(st.integers(0, 1 << 24), MESSAGES, st.integers(0, 20))
def test_messages_survive_a_frame(
    backlog: int, messages: list[tuple[int, bytes]], padding: int
) -> None:
    """Padding after them means nothing."""
    known, unpacked = video.unpack(video.pack(backlog, messages) + bytes(padding))
    assert unpacked == messages
    assert known == backlog // 1024 * 1024


@given(st.binary(max_size=60))
def test_whatever_a_frame_holds_is_read_or_refused(data: bytes) -> None:
    try:
        _, messages = video.unpack(data)
    except PeerError:
        return
    assert sum(len(message) for _, message in messages) <= len(data)


def test_a_long_message_is_refused() -> None:
    long = bytes(limits.LINK_MESSAGE_BYTES)
    assert video.unpack(video.pack(0, [(1, long)]))[1] == [(1, long)]
    with pytest.raises(PeerError) as error:
        video.unpack(video.pack(0, [(1, long + b"x")]))
    assert error.value.code is LinkCode.LIMIT


def test_frames_in_order() -> None:
    frames = Frames()
    out = [frames.add(*packet) for packet in cut([b"one", b"two two", b"three"])]
    assert out == [[b"one"], [], [], [b"two two"], [], [b"three"]]
    assert frames.held_bytes == 0


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=12), st.randoms())
def test_frames_in_any_order(sent: list[bytes], dice: random.Random) -> None:
    """The first packet comes first; behind it order does not matter."""
    packets = cut(sent)
    rest = packets[1:]
    dice.shuffle(rest)
    frames, out = Frames(), []
    for packet in [packets[0], *rest]:
        out += frames.add(*packet)
    assert out == sent
    assert frames.held_bytes == 0


def test_a_video_joined_in_the_middle_begins_with_a_whole_frame() -> None:
    frames, out = Frames(), []
    for packet in cut([b"one one", b"two"])[1:]:
        out += frames.add(*packet)
    assert out == [b"two"]
    assert frames.held_bytes == 0


@pytest.mark.parametrize("lost", [100, 101, 102])
def test_a_packet_given_up_costs_its_frame(lost: int) -> None:
    frames, out = Frames(), []
    frames.add(99, Fragment(True, True, b"zero"))
    for number, fragment in cut([b"one 123", b"two"]):
        if number != lost:
            out += frames.add(number, fragment)
    out += frames.skip(lost)
    assert out == [b"two"]
    assert frames.held_bytes == 0


def test_packets_given_up_out_of_order() -> None:
    """A later gap may be given up before an earlier one."""
    frames = Frames()
    packets = cut([b"one", b"two", b"three", b"four"])
    frames.add(99, Fragment(True, True, b"zero"))
    frames.add(*packets[1])
    frames.add(*packets[-1])
    frames.add(*packets[-2])
    assert frames.skip(102) == []
    assert frames.skip(103) == []
    assert frames.skip(100) == [b"two", b"four"]
    assert frames.skip(100) == []
    assert frames.held_bytes == 0


def test_an_endless_frame_is_refused() -> None:
    frames = Frames()
    frames.add(0, Fragment(True, False, b"x"))
    part = bytes(1024)
    for number in range(1, limits.MEDIA_FRAME_BYTES // 1024):
        frames.add(number, Fragment(False, False, part))
    with pytest.raises(PeerError) as error:
        frames.add(limits.MEDIA_FRAME_BYTES // 1024, Fragment(False, False, part))
    assert error.value.code is LinkCode.LIMIT


def test_only_so_many_packets_wait() -> None:
    frames = Frames()
    frames.add(0, Fragment(True, True, b"x"))
    for number in range(2, limits.MEDIA_PACKETS + 2):
        frames.add(number, Fragment(True, True, b"x"))
    with pytest.raises(PeerError) as error:
        frames.add(limits.MEDIA_PACKETS + 2, Fragment(True, True, b"x"))
    assert error.value.code is LinkCode.LIMIT
    assert frames.held_bytes <= limits.MEDIA_PACKETS + 1


@given(st.randoms(), st.integers(1, 60))
def test_messages_in_any_order(dice: random.Random, count: int) -> None:
    """Each once and in order, however they come and how often."""
    numbers = list(range(count)) + [dice.randrange(count) for _ in range(10)]
    dice.shuffle(numbers)
    order, out = Order(), []
    for number in numbers:
        out += order.add(number, b"%d" % number, 0.0)
    assert out == [b"%d" % number for number in range(count)]
    assert order.held_bytes == 0
    assert order.missing_since_s is None


def test_the_gaps_are_named() -> None:
    order = Order()
    for number in (0, 3, 4, 7, 9):
        order.add(number, b"x", 5.0 + number)
    assert order.missing(9) == [(1, 3), (5, 7), (8, 9)]
    assert order.missing(2) == [(1, 3), (5, 7)]
    assert order.missing_since_s == 8.0
    order.add(1, b"x", 20.0)
    assert order.missing_since_s == 20.0


def test_message_numbers_wrap() -> None:
    order = Order()
    order.next = 2**32 - 2
    order._counter.extend(2**31 - 1)
    order._counter.extend(2**32 - 3)
    assert order.add(0, b"c", 0.0) == []
    assert order.missing(4) == [(2**32 - 2, 0)]
    assert order.add(2**32 - 2, b"a", 0.0) == [b"a"]
    assert order.add(2**32 - 1, b"b", 0.0) == [b"b", b"c"]


@pytest.mark.parametrize("size", [1, limits.LINK_MESSAGE_BYTES])
def test_only_so_much_is_held(size: int) -> None:
    """Many small messages or few large ones; and none from far ahead."""
    order = Order()
    most = min(limits.MEDIA_MESSAGES, limits.MEDIA_HELD_BYTES // size)
    for number in range(1, most + 1):
        order.add(number, bytes(size), 0.0)
    with pytest.raises(PeerError) as error:
        order.add(most + 1, bytes(size), 0.0)
    assert error.value.code is LinkCode.LIMIT
    assert order.held_bytes <= limits.MEDIA_HELD_BYTES
    with pytest.raises(PeerError):
        Order().add(limits.MEDIA_MESSAGES_AHEAD + 1, b"x", 0.0)
