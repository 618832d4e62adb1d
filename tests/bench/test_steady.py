"""The steady transfer that failovers are measured with."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from bench import steady
from bench.failover import _longest_ms

SIZE = 200_000


def test_what_was_sent_is_recognised_also_what_came_with_the_line() -> None:
    one, other = socket.socketpair()
    with one, other:
        sender = threading.Thread(target=steady.send, args=(one, SIZE, 10_000_000))
        sender.start()
        first = other.recv(100)
        told = steady.receive(other, SIZE, first)
        sender.join()
    assert (told["bytes"], told["sha256"]) == (SIZE, steady.digest(SIZE))


def test_an_altered_or_missing_byte_is_recognised() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(steady.content(1000)[:-1])
        one.close()
        told = steady.receive(other, 1000)
    assert told["bytes"] == 999
    assert told["sha256"] != steady.digest(1000)


def test_a_pause_is_told_with_its_time() -> None:
    one, other = socket.socketpair()
    with one, other:
        start_s = time.monotonic()
        later = threading.Timer(0.1, one.sendall, (steady.content(1000),))
        later.start()
        told = steady.receive(other, 1000)
        later.join()
    ((begun_s, length_s),) = told["gaps"]
    assert 0 <= begun_s - start_s < 0.1
    assert 0.09 < length_s < 2


def test_the_pace_is_kept() -> None:
    """A tenth of a second's bytes take that long."""
    one, other = socket.socketpair()
    with one, other:
        reader = threading.Thread(target=steady.receive, args=(other, 100_000))
        reader.start()
        start_s = time.monotonic()
        steady.send(one, 100_000, 1_000_000)
        assert time.monotonic() - start_s >= 0.1
        reader.join()


@pytest.mark.parametrize(
    ("start_s", "end_s", "longest_ms"),
    [
        (0, 1, 0),
        (2.0, 3.0, 95),
        (2.05, 2.06, 95),
        (2.2, 2.4, 0),
        (2.0, 6.0, 495),
    ],
)
def test_gaps_belong_to_the_time_they_touch(
    start_s: float, end_s: float, longest_ms: float
) -> None:
    """A gap that began before an ending and went on after it counts."""
    gaps = [(2.01, 0.1), (5.0, 0.5)]
    assert _longest_ms(gaps, start_s, end_s) == pytest.approx(longest_ms)
