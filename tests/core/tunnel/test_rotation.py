from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.tunnel.rotation import UNLIMITED_BYTES, StreamRotation

CHUNK = limits.STREAM_CHUNK_BYTES
AMPLE = 1 << 30
STREAMS = "abcde"


def rotation(waiting: str, turn_bytes: int = UNLIMITED_BYTES) -> StreamRotation[str]:
    made: StreamRotation[str] = StreamRotation()
    made.begin_turn(turn_bytes)
    for stream in waiting:
        assert made.wait(stream)
    return made


def order(streams: StreamRotation[str]) -> str:
    """Take everybody out of the line."""
    taken = ""
    while streams.ready:
        taken += streams.next(AMPLE)[0]
    return taken


def test_streams_are_served_first_come_first_served_each_once() -> None:
    """A stream that asks again keeps its place."""
    streams = rotation("abca")
    assert len(streams) == 3
    assert order(streams) == "abc"
    assert len(streams) == 0


def test_a_stream_that_has_more_goes_to_the_end_of_the_line() -> None:
    """Two busy streams alternate, and a third comes in after one chunk of each."""
    streams = rotation("ab")
    served = ""
    for late in (False, False, True, False, False):
        if late:
            streams.wait("c")
        stream, most = streams.next(AMPLE)
        streams.spend(most)
        streams.wait(stream)
        served += stream
    assert served == "ababc"


@pytest.mark.parametrize(
    ("room", "turn", "most"),
    [
        (AMPLE, UNLIMITED_BYTES, CHUNK),
        (1_000, UNLIMITED_BYTES, 1_000),
        (AMPLE, 2_000, 2_000),
        (3_000, 2_000, 2_000),
        (CHUNK + 1, CHUNK + 1, CHUNK),
    ],
)
def test_a_stream_sends_the_least_of_room_turn_and_chunk(room: int, turn: int, most: int) -> None:
    """No bound is passed, whichever is the smallest."""
    assert rotation("a", turn).next(room) == ("a", most)


def test_a_blocked_stream_is_passed_over_until_its_window_opens() -> None:
    """It does not come back by asking, and it comes back at the end of the line."""
    streams = rotation("ab")
    blocked, _ = streams.next(AMPLE)
    streams.block(blocked)
    assert not streams.wait(blocked)
    assert len(streams) == 1
    streams.unblock(blocked)
    assert order(streams) == "ba"


def test_a_stream_may_be_blocked_while_it_stands_in_the_line() -> None:
    """Blocking takes it out of the line."""
    streams = rotation("ab")
    streams.block("a")
    assert order(streams) == "b"


def test_unblocking_a_stream_that_is_not_blocked_changes_nothing() -> None:
    """A window that opens does not mean that the stream has something to send."""
    streams = rotation("a")
    streams.unblock("b")
    assert order(streams) == "a"


def test_a_window_that_all_share_unblocks_all_in_their_order() -> None:
    """They come after the streams that wait already, the one blocked first before the others."""
    streams = rotation("abcd")
    streams.block("c")
    streams.block("a")
    streams.unblock_all()
    assert order(streams) == "bdca"
    streams.unblock_all()
    assert order(streams) == ""


def test_a_stream_that_leaves_is_forgotten_wherever_it_stands() -> None:
    """A stream that is over is neither served nor unblocked."""
    streams = rotation("abc")
    streams.block("b")
    for stream in ("a", "b", "never there"):
        streams.leave(stream)
    streams.unblock_all()
    assert order(streams) == "c"


def test_clear_forgets_waiting_and_blocked_streams() -> None:
    """A session that is over serves nobody."""
    streams = rotation("abc")
    streams.block("b")
    streams.clear()
    streams.unblock_all()
    assert order(streams) == ""


def test_a_turn_ends_with_its_bytes() -> None:
    """Streams may send what the turn holds, and the turn is exhausted while one of them waits."""
    streams = rotation("a", 100)
    assert (streams.ready, streams.exhausted, streams.spent_bytes) == (True, False, 0)
    assert streams.next(60) == ("a", 60)
    streams.spend(60)
    streams.wait("a")
    assert streams.next(60) == ("a", 40)
    streams.spend(40)
    assert (streams.ready, streams.exhausted, streams.spent_bytes) == (False, False, 100)
    streams.wait("a")
    assert (streams.ready, streams.exhausted) == (False, True)


def test_a_turn_of_no_bytes_serves_nobody() -> None:
    """A session that waits for its turn keeps its line as it is."""
    streams = rotation("ab", 0)
    assert not streams.ready
    streams.begin_turn(10)
    assert streams.next(AMPLE) == ("a", 10)


def test_a_new_turn_does_not_add_what_the_last_one_left() -> None:
    """Unused bytes are lost, or a session that pauses would gain on the others."""
    streams = rotation("a", 100)
    streams.spend(30)
    streams.begin_turn(50)
    assert streams.next(AMPLE) == ("a", 50)
    assert streams.spent_bytes == 0


@given(
    rooms=st.lists(st.integers(1, 3 * CHUNK), min_size=1, max_size=60),
    turn=st.integers(1, 20 * CHUNK),
)
def test_busy_streams_share_alike(rooms: list[int], turn: int) -> None:
    """Whatever room there is, no stream is a chunk ahead of another, and the turn is kept."""
    streams = rotation(STREAMS, turn)
    served: Counter[str] = Counter()
    for room in rooms:
        if not streams.ready:
            break
        stream, most = streams.next(room)
        assert 0 < most <= min(room, CHUNK)
        served[stream] += 1
        streams.spend(most)
        streams.wait(stream)
        assert max(served.values()) - min(served[each] for each in STREAMS) <= 1
    assert streams.spent_bytes <= turn
    assert streams.exhausted == (streams.spent_bytes == turn)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "block", "unblock", "leave", "next", "unblock_all"]),
        st.sampled_from(STREAMS),
    ),
    max_size=60,
)


@given(STEPS)
def test_who_waits_and_who_is_blocked_follows_from_what_happened(
    steps: list[tuple[str, str]],
) -> None:
    """Two lists, kept by the plainest rules there are, agree with the rotation after any steps."""
    streams = rotation("")
    line: list[str] = []
    blocked: list[str] = []
    for step, stream in steps:
        match step:
            case "wait":
                assert streams.wait(stream) == (stream not in blocked)
                line += [stream] * (stream not in line + blocked)
            case "block":
                streams.block(stream)
                line = [each for each in line if each != stream]
                blocked += [stream] * (stream not in blocked)
            case "unblock":
                streams.unblock(stream)
                line += [each for each in blocked if each == stream]
                blocked = [each for each in blocked if each != stream]
            case "leave":
                streams.leave(stream)
                line = [each for each in line if each != stream]
                blocked = [each for each in blocked if each != stream]
            case "next":
                assert streams.ready == bool(line)
                if line:
                    assert streams.next(AMPLE)[0] == line.pop(0)
            case _:
                streams.unblock_all()
                line, blocked = line + blocked, []
        assert len(streams) == len(line)
    assert order(streams) == "".join(line)
