from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from passerelle.core.media.delay import JITTER_AGE_S, JITTER_MOST_S, Least, PathDelay

PACKET_BYTES = 1200
MBIT_S = 1e6 / 8


def through(
    sent: Iterable[float], *, mbit_s: float = 30, delay_s: float = 0.02, jitter_s: float = 0.0
) -> Iterator[tuple[float, float]]:
    """Send packets through a bottleneck and jitter that keeps the order; (sent, arrived)."""
    dice = random.Random(1)
    free_s = last_s = 0.0
    for sent_s in sent:
        free_s = max(free_s, sent_s) + PACKET_BYTES / (mbit_s * MBIT_S)
        last_s = max(last_s, free_s + delay_s + dice.uniform(0, jitter_s))
        yield sent_s, last_s


def watch(packets: Iterable[tuple[float, float]], delay: PathDelay | None = None) -> PathDelay:
    """Look at packets every 10 ms, as the receiver of a media link does."""
    delay = delay or PathDelay(20.0)
    look_s = 0.0
    for sent_s, arrived_s in packets:
        if arrived_s > look_s:
            delay.update(look_s)
            look_s = max(look_s + 0.01, arrived_s)
        delay.add(PACKET_BYTES, sent_s, arrived_s)
    delay.update(look_s)
    return delay


def evenly(seconds: float, gap_s: float, *, start_s: float = 0.0) -> list[float]:
    return [start_s + number * gap_s for number in range(round(seconds / gap_s))]


def test_nothing_is_known_of_nothing() -> None:
    delay = PathDelay(20.0)
    assert not delay.update(1.0)
    assert delay.least_s == float("inf")
    assert (delay.queue_s, delay.jitter_s) == (0.0, 0.0)


def test_what_is_above_the_shortest_delay_is_a_queue() -> None:
    """The clocks of both ends may differ by anything."""
    delay = PathDelay(20.0)
    for now, delay_s in ((100.0, -70.0), (100.02, -69.97)):
        delay.add(PACKET_BYTES, now - delay_s, now)
        assert delay.update(now)
    assert delay.least_s == pytest.approx(-70)
    assert delay.queue_s == pytest.approx(0.03)
    assert not delay.update(100.04)


@pytest.mark.parametrize("jitter_s", [0.03, 0.06, 0.1])
def test_jitter_shows_while_packets_are_few(jitter_s: float) -> None:
    """It is no queue then: what remains is shorter than the allowance for one."""
    delay = watch(through(evenly(3, 0.02), jitter_s=jitter_s))
    assert 0.6 * jitter_s <= delay.jitter_s <= jitter_s
    assert delay.queue_s <= 0.4 * jitter_s


def test_jitter_has_a_bound() -> None:
    assert watch(through(evenly(9, 0.05), jitter_s=0.4)).jitter_s == JITTER_MOST_S


def test_what_few_packets_showed_holds_for_many() -> None:
    """Many seem to stand in a queue of nearly the jitter."""
    few = evenly(2, 0.02)
    both = watch(through(few + evenly(3, 0.0005, start_s=2.0), jitter_s=0.06))
    many = watch(through(evenly(3, 0.0005), jitter_s=0.06))
    assert both.jitter_s >= 0.04
    assert both.queue_s <= 0.02
    assert many.jitter_s < both.jitter_s


def test_jitter_that_ended_is_forgotten() -> None:
    calm = evenly(JITTER_AGE_S + 5, 0.02, start_s=3.0)
    delay = watch(through(evenly(3, 0.02), jitter_s=0.06))
    assert delay.jitter_s > 0
    watch(through(calm), delay)
    assert delay.jitter_s == 0


def test_bursts_of_our_own_are_no_jitter() -> None:
    """Each message waits for the one before, and for itself."""
    bursts = [start_s for start_s in evenly(5, 0.015) for _ in range(28)]
    assert watch(through(bursts, mbit_s=20)).jitter_s == 0


def test_a_queue_that_grows_and_drains_is_no_jitter() -> None:
    """By as much as the delay changes in a start that went too far."""
    sent = evenly(1, 0.0002) + evenly(2, 0.002, start_s=1.0) + evenly(1, 0.0002, start_s=3.0)
    delay = watch(through(sent, mbit_s=30))
    assert delay.queue_s > 0.1
    assert delay.jitter_s == 0


@pytest.mark.parametrize("mbit_s", [0.3, 1])
def test_a_slow_path_is_not_jittery(mbit_s: float) -> None:
    """Its packets are far apart because each takes so long."""
    gap_s = 4 * PACKET_BYTES / (mbit_s * MBIT_S)
    messages = [start_s for start_s in evenly(20, 1.1 * gap_s) for _ in range(4)]
    assert watch(through(messages, mbit_s=mbit_s)).jitter_s == 0


def test_a_busy_machine_is_no_jitter() -> None:
    """It stalls for up to 60 ms, three times a second: what came meanwhile is found at once."""

    def stalled() -> Iterator[tuple[float, float]]:
        for sent_s, arrived_s in through(evenly(5, 0.001)):
            stall_s = 0.04 + 0.02 * (int(3 * arrived_s) % 2)
            yield sent_s, max(arrived_s, int(3 * arrived_s) / 3 + stall_s)

    assert watch(stalled()).jitter_s == 0


def test_looks_far_apart_tell_nothing_of_jitter() -> None:
    """Another program's download may have begun and ended in between."""
    assert watch(through(evenly(100, 0.5), jitter_s=0.06)).jitter_s == 0


def test_packets_that_overtake_do_no_harm() -> None:
    """Their sending times step back."""
    packets = list(through(evenly(3, 0.001)))
    for number in range(10, len(packets), 20):
        times = [arrived_s for _, arrived_s in packets[number - 5 : number + 1]]
        moved = [packets[number][0], *(sent_s for sent_s, _ in packets[number - 5 : number])]
        late_s = times[-1]
        packets[number - 5 : number + 1] = [(sent_s, late_s) for sent_s in moved]
    delay = watch(packets)
    assert delay.jitter_s == 0
    assert delay.queue_s < 0.006


def test_the_least_value_is_forgotten() -> None:
    least = Least(8.0)
    assert least.value == float("inf")
    for second, value in enumerate([5, 3, 4, 6, 7, 7, 7, 7, 7, 7]):
        least.add(value, float(second))
    assert least.value == 4
    for second in range(10, 20):
        least.add(7, float(second))
    assert least.value == 7
