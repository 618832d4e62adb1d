"""What an observer sees of a flow, without a network."""

import socket
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.flows import Flow, describe, flows, windows
from tests.lab.capture import Packet

READER, VOLUNTEER, OTHER = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def packet(time_s: float, source: str, target: str, ports: tuple[int, int], size: int) -> Packet:
    """Return the first bytes of a UDP packet over IPv4."""
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0, 64, 17, 0)
    return Packet(time_s, header + addresses + struct.pack("!HHHH", *ports, size - 20, 0))


def flow(*packets: tuple[float, int, bool]) -> Flow:
    times, sizes, up = zip(*packets, strict=True)
    return Flow(np.array(times, float), np.array(sizes, float), np.array(up, bool))


def steady(gap_s: float, size: int, *, seconds: float = 10.0) -> list[tuple[float, int, bool]]:
    """Return packets of one size at equal distances, every second one from the reader."""
    return [(at * gap_s, size, at % 2 == 0) for at in range(round(seconds / gap_s))]


def test_a_flow_is_what_two_ports_exchange() -> None:
    found = flows(
        [
            packet(5.0, READER, VOLUNTEER, (1, 2), 100),
            packet(5.5, VOLUNTEER, READER, (2, 1), 200),
            packet(6.0, READER, VOLUNTEER, (3, 2), 300),
            packet(6.5, READER, OTHER, (1, 2), 400),
        ],
        READER,
        VOLUNTEER,
    )
    assert [each.sizes.tolist() for each in found] == [[100, 200], [300]]
    assert found[0].times_s.tolist() == [0, 0.5]
    assert found[0].up.tolist() == [True, False]


def test_windows_overlap_and_are_whole() -> None:
    """22 s hold the windows from 0, 5 and 10 s on; each counts its times from its begin."""
    found = list(windows(flow(*steady(0.5, 100, seconds=22.5))))
    assert [len(each.times_s) for each in found] == [20, 20, 20]
    assert all(each.times_s[0] == 0 and each.times_s[-1] == 9.5 for each in found)


def test_a_window_without_packets_is_none() -> None:
    assert not list(windows(flow((0.0, 100, True), (9.0, 100, True))))
    pause = flow((0.0, 100, True), (1.0, 100, True), (30.0, 100, True))
    assert len(list(windows(pause))) == 1


def test_rates_and_shares_are_those_of_the_packets() -> None:
    """100 packets of 125 bytes, half of them from the reader, in ten seconds."""
    found = describe(flow(*steady(0.1, 125)))
    assert found["up packets/s"] == found["down packets/s"] == 5
    assert found["up kbit/s"] == 5
    assert found["share of bytes up"] == 0.5
    assert found["changes of direction / packets"] == 1
    assert found["up size mean"] == found["up size p95"] == 125
    assert found["up size 110-130"] == 1
    assert found["up gap ms p50"] == pytest.approx(200)
    assert found["up gap ms 100-1e+06"] == 1


def test_bursts_are_packets_close_together() -> None:
    """Three packets within a millisecond, ten times a second."""
    packets = [(at / 10 + number / 2000, 1000, False) for at in range(100) for number in range(3)]
    found = describe(flow(*packets))
    assert found["down bursts/s"] == 10
    assert found["down burst packets mean"] == found["down burst packets most"] == 3
    assert found["down burst bytes mean"] == 3000
    assert found["up bursts/s"] == 0


def test_a_rhythm_is_seen_at_its_own_distance() -> None:
    packets = [(at / 10 + 0.005, 1000, False) for at in range(100)]
    found = describe(flow(*packets))
    assert found["down rate like itself after 100 ms"] == pytest.approx(1)
    assert found["down rate like itself after 20 ms"] < 0
    assert found["down time without packets"] == pytest.approx(0.8)


@given(
    st.lists(
        st.tuples(st.floats(0, 9.99), st.integers(28, 1500), st.booleans()),
        min_size=2,
        max_size=40,
    )
)
def test_every_window_has_the_same_finite_features(packets: list[tuple[float, int, bool]]) -> None:
    found = describe(flow(*sorted(packets)))
    assert found.keys() == describe(flow(*steady(0.1, 125))).keys()
    assert all(np.isfinite(value) for value in found.values())
