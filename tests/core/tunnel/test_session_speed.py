"""What a session makes of its links, on simulated paths."""

from __future__ import annotations

import random

import pytest

from passerelle import limits
from passerelle.core.tunnel.estimator import (
    LATE_S,
    MIN_RTT_AGE_S,
    PROBE_S,
    QUEUE_ALLOWANCE_S,
    SEGMENT_LEAST_BYTES,
    SEGMENT_S,
    STARTUP_AGE_S,
)
from tests.core.tunnel.paths import MBIT_S, Network

ENDLESS = float("inf")


def download(*links: tuple[float, float]) -> Network:
    """Return a network of (Mbit/s, round trip) links, numbered from 1, and endless data."""
    network = Network()
    for number, (mbit_s, rtt_s) in enumerate(links, 1):
        network.add(number, mbit_s, rtt_s)
    network.sides[0].unwritten = ENDLESS
    return network


def queue_s(network: Network, number: int) -> float:
    """Return how much is in flight beyond what the path itself holds, as time at its rate."""
    path = network.paths[number]
    in_flight = network.sides[0].session.estimator(number).in_flight
    return in_flight / path.rate - 2 * path.delay_s


def test_three_links_add_up() -> None:
    """Three links of 10 Mbit/s give one transfer at least 27."""
    network = download((10, 0.02), (10, 0.04), (10, 0.06))
    network.run(8)
    assert network.rate(1, 8) >= 27


@pytest.mark.parametrize("rtt_s", [0.01, 0.05, 0.1])
def test_a_slow_link_takes_nothing_away(rtt_s: float) -> None:
    """Adding 3 Mbit/s with 200 ms more to 30 Mbit/s costs no second 5 % of the total so far, and
    gains in the end."""
    alone = download((30, rtt_s))
    alone.run(12)
    both = download((30, rtt_s), (3, rtt_s + 0.2))
    both.run(12)
    for second in range(5, 13):
        assert both.rate(0, second) >= 0.95 * alone.rate(0, second)
    assert both.rate(8, 12) >= 1.05 * alone.rate(8, 12)


def test_a_short_transfer_does_not_wait_for_a_slow_link() -> None:
    """A page of 500 KB over 30 Mbit/s is there no later for a slow link beside it."""
    times = []
    for links in ([(30.0, 0.02)], [(30.0, 0.02), (1.0, 0.4)]):
        network = Network()
        for number, (mbit_s, rtt_s) in enumerate(links, 1):
            network.add(number, mbit_s, rtt_s)
        network.run(1)
        network.sides[0].unwritten = 500_000
        network.run(4)
        assert network.sides[1].received_bytes == 500_000
        times.append(network.sides[1].received[-1][0] - 1)
    alone, both = times
    assert both <= 1.1 * alone


def test_a_quiet_stream_stays_quick() -> None:
    """During a download over 10 Mbit/s, a few bytes take at most 50 ms more than when idle."""
    network = Network()
    network.add(1, 10, 0.04)
    for step in range(10):
        network.at(step * 0.1, network.probe)
    network.run(2)
    idle = max(network.latencies)
    network.latencies.clear()
    network.sides[0].unwritten = ENDLESS
    network.run(3)
    for step in range(100):
        network.at(3 + step * 0.05, network.probe)
    network.run(9)
    assert len(network.latencies) == 100
    assert sorted(network.latencies)[94] <= idle + 0.05


def test_a_dead_link_costs_a_round_trip() -> None:
    """What a dead link held arrives over the others within about a round trip."""
    network = download((10, 0.04), (10, 0.04), (10, 0.04))
    network.at(2, lambda: network.end(1))
    network.run(4)
    assert network.longest_gap(1.5, 4) <= 0.04 + 2 * QUEUE_ALLOWANCE_S
    assert network.rate(2.5, 4) >= 18


def test_a_vanished_link_costs_less_than_a_second() -> None:
    """A link that vanishes without a word delays the others' bytes by at most a second."""
    network = download((10, 0.04), (10, 0.1), (10, 0.2))
    network.run(2)
    network.paths[2].vanished = True
    network.run(10)
    assert network.longest_gap(1.5, 10) <= 1
    assert {number for _, number in network.dead} == {2}
    assert network.rate(3, 10) >= 18


def test_a_stall_is_got_over() -> None:
    """A link that hangs for 3 s loses its turn, then takes part again; nobody resends to it."""
    network = download((10, 0.04), (10, 0.04))
    network.run(2)
    network.paths[1].stalled_until = 5.0
    network.run(5)
    assert network.longest_gap(1.5, 5) <= 1
    network.run(10)
    assert network.rate(6, 10) >= 18
    assert network.dead == []


@pytest.mark.parametrize(("before", "after"), [(20, 5), (5, 20)])
def test_a_changed_rate_is_tracked(before: float, after: float) -> None:
    """A link that becomes 4 times slower or faster is used fully, with a short queue, in 5 s."""
    message_s = limits.LINK_MESSAGE_BYTES / (after * MBIT_S)
    network = download((before, 0.05))
    network.run(4)
    network.paths[1].rate = after * MBIT_S
    network.run(12)
    assert network.rate(9, 12) >= 0.9 * after
    assert queue_s(network, 1) <= QUEUE_ALLOWANCE_S + 2 * message_s


def test_a_longer_path_does_not_collapse() -> None:
    """When the round trip grows from 50 to 120 ms, the full rate is back within 4 s."""
    network = download((20, 0.05))
    network.run(4)
    network.paths[1].delay_s = 0.06
    network.run(14)
    assert network.rate(4, 8) >= 0.5 * 20
    assert network.rate(8, 14) >= 0.95 * 20


def test_a_shorter_path_is_noticed() -> None:
    """When the round trip shrinks, so does what is in flight: most at once, all with a probe."""
    network = download((20, 0.2))
    network.run(4)
    network.paths[1].delay_s = 0.02
    network.run(8)
    assert network.rate(5, 8) >= 0.95 * 20
    assert queue_s(network, 1) <= 2 * QUEUE_ALLOWANCE_S + SEGMENT_S
    network.run(6 + MIN_RTT_AGE_S)
    assert queue_s(network, 1) <= 2 * QUEUE_ALLOWANCE_S


def test_the_bare_round_trip_is_looked_for() -> None:
    """A link busy without a pause empties its queue every ten seconds, at little cost."""
    network = download((20, 0.05))
    network.run(5)
    queues = []
    while network.now < 5 + 2 * MIN_RTT_AGE_S:
        network.run(network.now + 0.01)
        queues.append(queue_s(network, 1))
    assert min(queues) <= 0
    assert network.rate(5, network.now) >= 0.96 * 20


@pytest.mark.parametrize("rtt_s", [0.1, 0.3])
def test_a_long_fast_path_fills(rtt_s: float) -> None:
    """100 Mbit/s reach 90 % within 3 s, over 100 ms and 300 ms."""
    network = download((100, rtt_s))
    network.run(5)
    assert network.rate(3, 5) >= 90


def test_a_warm_link_fills_as_fast() -> None:
    """Little use of a link beforehand does not make a later download slow to start."""
    network = Network()
    network.add(1, 100, 0.2)
    for step in range(50):
        network.at(step * 0.1, network.probe)
    network.run(30)
    network.sides[0].unwritten = ENDLESS
    network.run(33)
    assert network.rate(32, 33) >= 90


@pytest.mark.parametrize("rtt_s", [0.02, 0.3])
def test_an_unused_link_joins_at_once(rtt_s: float) -> None:
    """Tiny messages measure a link at some bytes a second; a download uses it all the same."""
    network = Network()
    network.add(1, 10, 0.02)
    network.add(2, 50, rtt_s)
    for step in range(20):
        network.at(0.5 + step, network.probe)
    network.run(21)
    for number in (1, 2):
        assert network.sides[0].session.estimator(number).rate < 10_000
    network.sides[0].unwritten = ENDLESS
    network.run(25)
    assert network.rate(24, 25) >= 0.85 * 60


def test_a_link_once_slow_starts_up_again() -> None:
    """A link found slow, hardly used since and fast by now, is filled within seconds."""
    network = download((1, 0.2))
    network.run(5)
    network.sides[0].unwritten = 0
    network.paths[1].rate = 100 * MBIT_S
    for step in range(int(STARTUP_AGE_S) + 2):
        network.at(6 + step, network.probe)
    network.run(20)
    network.sides[0].unwritten = ENDLESS
    network.run(24)
    assert network.rate(22, 24) >= 90


def test_an_early_peak_is_forgotten() -> None:
    """A path whose rate falls while the link starts up has a short queue again in 3 s."""
    network = download((70, 0.1))
    network.run(1)
    network.paths[1].rate = 20 * MBIT_S
    network.run(4)
    assert queue_s(network, 1) <= LATE_S
    assert network.rate(2, 4) >= 0.9 * 20


def test_a_probe_leaves_no_queue_behind() -> None:
    """A segment's own time does not add to the round trip with every probe."""
    network = download((10, 0.024))
    network.run(2)
    while network.now < 2 + 3 * (MIN_RTT_AGE_S + PROBE_S):
        network.run(network.now + 0.05)
        assert queue_s(network, 1) <= 0.04
    assert network.sides[0].session.estimator(1).min_rtt_s <= 0.024 + SEGMENT_S


def test_a_very_short_path_outlives_its_probes() -> None:
    """Half of a tiny pipe holds no segment; the window does, or nothing would be sent again."""
    network = download((100, 0.001))
    network.run(2 * MIN_RTT_AGE_S + 5)
    assert network.longest_gap(1, network.now) <= 0.1
    assert network.rate(1, network.now) >= 90


def test_a_slow_link_queues_little() -> None:
    """1 Mbit/s carries 1 Mbit/s, with at most three messages in flight beyond the path."""
    network = download((1, 0.1))
    network.run(10)
    assert network.rate(2, 10) >= 0.9
    assert queue_s(network, 1) <= QUEUE_ALLOWANCE_S + 2 * SEGMENT_LEAST_BYTES / MBIT_S


def test_a_segment_cut_for_a_fast_link_survives_on_a_slow_one() -> None:
    """What a fast link held when it ended arrives over one whose window is smaller than it."""
    network = download((50, 0.02), (0.1, 0.02))
    network.run(5)
    network.sides[0].unwritten = 0
    network.end(1)
    network.run(5 + 8 * limits.SESSION_WINDOW_BYTES / MBIT_S)
    slow = network.sides[0].session.estimator(2)
    assert slow.window_bytes < limits.DATA_BYTES
    assert network.sides[1].received_bytes == network.sides[0].written


def test_jitter_leaves_most_of_the_rate() -> None:
    """Delays that vary by up to 30 ms leave at least 80 % of the rate."""
    network = download((20, 0.05))
    random_s = random.Random(1)
    network.paths[1].jitter = lambda: random_s.uniform(0, 0.03)
    network.run(20)
    assert network.rate(2, 20) >= 0.8 * 20


def test_both_directions_at_once() -> None:
    """An upload beside a download: acknowledgements hold neither up."""
    network = download((20, 0.05), (20, 0.08))
    network.sides[1].unwritten = ENDLESS
    network.run(8)
    for side in network.sides:
        assert side.received_bytes >= 0.8 * 40 * MBIT_S * 8
