from __future__ import annotations

import random
import time

import pytest

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.io.webrtc.arrivals import (
    FIRST,
    LAST,
    RECEIVE_WINDOW_BYTES,
    UNORDERED,
    Arrivals,
    Fragment,
)

BINARY = 53
WRAP = 1 << 32


def cut(messages: list[bytes], size: int) -> list[Fragment]:
    """Return the chunks that messages travel in."""
    made = []
    for message in messages:
        parts = [message[at : at + size] for at in range(0, len(message), size)]
        for index, part in enumerate(parts):
            flags = (FIRST if index == 0 else 0) | (LAST if index == len(parts) - 1 else 0)
            made.append(Fragment(flags, BINARY, part))
    return made


def gap_blocks(tsn: int, arrived: set[int]) -> list[tuple[int, int]]:
    """Return what a SACK says of the TSNs that arrived beyond `tsn`, found the simple way."""
    offsets = sorted((number - tsn) % WRAP for number in arrived)
    blocks: list[tuple[int, int]] = []
    for offset in offsets:
        if blocks and blocks[-1][1] == offset - 1:
            blocks[-1] = blocks[-1][0], offset
        else:
            blocks.append((offset, offset))
    return blocks[: limits.CHANNEL_SACK_BLOCKS]


def refusal(arrivals: Arrivals, fragment: Fragment) -> LinkCode | None:
    """Add the same from TSN 2 on until it is refused, and return with which code."""
    try:
        for tsn in range(2, 60_000):
            arrivals.add(tsn, fragment)
    except PeerError as error:
        return error.code
    return None


@pytest.mark.parametrize("seed", range(20))
def test_messages_come_whole_and_in_order(seed: int) -> None:
    """However chunks are mixed and repeated, and where TSNs begin again from 0."""
    dice = random.Random(seed)
    messages = [dice.randbytes(dice.randrange(1, 5000)) for _ in range(60)]
    fragments = cut(messages, 300)
    first = WRAP - 200
    order = sorted(range(len(fragments)), key=lambda index: index + dice.random() * 90)
    order += dice.sample(order, 30)
    arrivals = Arrivals(first - 1)
    got: list[bytes] = []
    arrived: set[int] = set()
    for index in order:
        tsn = (first + index) % WRAP
        again = arrivals.add(tsn, fragments[index])
        if again is None:
            assert tsn in arrived
        else:
            got += [message for protocol, message in again if protocol == BINARY]
        arrived.add(tsn)
        beyond = {number for number in arrived if 0 < (number - arrivals.tsn) % WRAP < WRAP // 2}
        assert arrivals.gap_blocks() == gap_blocks(arrivals.tsn, beyond)
        assert arrivals.has_gap is bool(beyond)
        assert len(arrivals) == len(beyond)
    assert got == messages
    assert arrivals.window_bytes == RECEIVE_WINDOW_BYTES


def test_what_waits_is_bounded_in_bytes() -> None:
    arrivals = Arrivals(0)
    assert refusal(arrivals, Fragment(FIRST, BINARY, bytes(1160))) is LinkCode.LIMIT
    assert len(arrivals) * 1160 <= RECEIVE_WINDOW_BYTES
    assert arrivals.window_bytes < 1160


def test_what_waits_is_bounded_in_number() -> None:
    arrivals = Arrivals(0)
    assert refusal(arrivals, Fragment(FIRST, BINARY, b"x")) is LinkCode.LIMIT
    assert len(arrivals) <= limits.CHANNEL_CHUNKS


def test_the_beginning_of_a_message_is_bounded() -> None:
    """What one message needs, and no more, is held without a gap."""
    arrivals = Arrivals(0)
    arrivals.add(1, Fragment(FIRST, BINARY, bytes(1000)))
    assert refusal(arrivals, Fragment(0, BINARY, bytes(1000))) is LinkCode.LIMIT
    assert RECEIVE_WINDOW_BYTES - arrivals.window_bytes <= limits.LINK_MESSAGE_BYTES + 4


@pytest.mark.parametrize(
    ("flags", "data", "code"),
    [
        (FIRST | LAST | UNORDERED, b"x", LinkCode.UNEXPECTED),
        (FIRST, b"x", LinkCode.MALFORMED),
        (FIRST | LAST, b"", LinkCode.MALFORMED),
    ],
)
def test_what_no_ordered_stream_has_is_refused(flags: int, data: bytes, code: LinkCode) -> None:
    """Behind the beginning of a message."""
    arrivals = Arrivals(0)
    arrivals.add(1, Fragment(FIRST, BINARY, b"x"))
    with pytest.raises(PeerError) as caught:
        arrivals.add(2, Fragment(flags, BINARY, data))
    assert caught.value.code is code


def test_a_message_without_its_beginning_is_refused() -> None:
    with pytest.raises(PeerError) as caught:
        Arrivals(0).add(1, Fragment(LAST, BINARY, b"x"))
    assert caught.value.code is LinkCode.MALFORMED


def test_a_chunk_that_no_sack_can_tell_of_is_left_out() -> None:
    arrivals = Arrivals(0)
    assert arrivals.add(0x10000, Fragment(FIRST, BINARY, b"x")) is None
    assert len(arrivals) == 0
    assert arrivals.duplicates == []


def test_repeats_are_told_of_within_bounds() -> None:
    arrivals = Arrivals(0)
    for _ in range(1000):
        arrivals.add(5, Fragment(FIRST, BINARY, b"x"))
    assert len(arrivals.duplicates) == limits.CHANNEL_SACK_BLOCKS


def test_a_chunk_costs_the_same_however_many_wait() -> None:
    """Every second chunk is missing, which makes the most runs there can be."""
    arrivals = Arrivals(0)

    def seconds(first: int) -> float:
        start_s = time.process_time()
        for tsn in range(first, first + 4000, 2):
            arrivals.add(tsn, Fragment(FIRST, BINARY, b"x"))
            arrivals.gap_blocks()
        return time.process_time() - start_s

    few = seconds(2)
    seconds(4002)
    seconds(8002)
    many = seconds(12_002)
    assert many < 5 * few + 0.02
