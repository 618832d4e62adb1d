"""`RateControl` against a simulated path; rates are those of payload on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from passerelle import limits
from passerelle.core.media.ratecontrol import INITIAL_WINDOW_BYTES, Phase, RateControl
from tests.core.media.bottleneck import Cubic, Ours, Path, Simulation


def alone(path: Path, seconds: float = 10.0) -> Simulation:
    simulation = Simulation(path, [Ours()])
    simulation.run(seconds)
    return simulation


@pytest.mark.parametrize(
    ("path", "least_mbit", "queue_ms"),
    [
        (Path(20, 0.1, 250), 19, 80),
        (Path(20, 0.1, 250, 0.005), 19, 80),
        (Path(80, 0.1, 1000), 76, 80),
        (Path(80, 0.1, 1000, 0.05), 70, 80),
        (Path(80, 0.1, 1000, 0.10), 68, 80),
        (Path(80, 0.1, 100, 0.01), 70, 15),
        (Path(100, 0.004, 500), 90, 45),
        (Path(25, 0.3, 1000, 0.10), 21, 350),
        (Path(1, 0.1, 32), 0.9, 280),
        (Path(0.3, 0.2, 64), 0.25, 1800),
    ],
)
def test_a_path_is_filled_and_its_queue_kept_short(
    path: Path, least_mbit: float, queue_ms: float
) -> None:
    """Whatever is lost at random, up to a tenth."""
    simulation = alone(path)
    assert simulation.mbit(0, 3) > least_mbit
    assert simulation.queue_s(3) < queue_ms / 1e3


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        (Path(5, 0.1, 62), 1.0),
        (Path(20, 0.1, 250), 1.0),
        (Path(80, 0.1, 1000), 1.0),
        (Path(120, 0.1, 1500), 1.0),
        (Path(80, 0.3, 3000), 2.5),
        (Path(80, 0.3, 3000, 0.1), 2.5),
    ],
)
def test_the_start_is_fast(path: Path, seconds: float) -> None:
    """Nine tenths of the rate after so long, at little more loss than TCP's."""
    simulation = alone(path, 6)
    flow = simulation.flows[0]
    assert simulation.mbit(0, seconds, seconds + 1) > 0.9 * simulation.mbit(0, seconds)
    assert flow.lost < (0.1 + 1.1 * path.loss) * flow.delivered


@pytest.mark.parametrize(
    ("path", "least_mbit"),
    [
        (Path(30, 0.04, 256, jitter_s=0.06), 24),
        (Path(30, 0.02, 256, jitter_s=0.1), 18),
        (Path(30, 0.04, 256, 0.01, jitter_s=0.06), 22),
        (Path(100, 0.04, 1000, jitter_s=0.06), 60),
        (Path(20, 0.05, 250, jitter_s=0.02), 18),
        (Path(2, 0.05, 64, jitter_s=0.06), 1.8),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_jitter_is_not_taken_for_a_queue(path: Path, least_mbit: float, seed: int) -> None:
    """The usual delay may be many times the shortest one."""
    simulation = Simulation(path, [Ours()], seed)
    simulation.run(20)
    assert simulation.mbit(0, 3) > least_mbit
    flow = simulation.flows[0]
    assert flow.lost < (0.12 + 1.1 * path.loss) * flow.delivered


def test_a_jittery_path_stays_filled() -> None:
    """By the end, what few packets showed of the jitter is forgotten."""
    simulation = alone(Path(30, 0.04, 256, jitter_s=0.06), 60)
    assert simulation.mbit(0, 40) > 22


def test_jitter_found_late_resumes_the_start() -> None:
    """A start-up that took it for a flood goes on once, because probing would take a minute."""
    control, now = RateControl(0.0), 0.0

    def look(times: int, *, queue_s: float = 0.0, jitter_s: float = 0.0) -> Phase:
        nonlocal now
        for _ in range(times):
            now += 0.01
            control.arrived(1000)
            control.update(now, rtt_s=0.05 + jitter_s, queue_s=queue_s, jitter_s=jitter_s)
        return control.phase

    assert look(10) is Phase.STARTUP
    assert look(20, queue_s=0.06) is not Phase.STARTUP
    assert look(30, jitter_s=0.06) is Phase.STARTUP
    look(20, jitter_s=0.06, queue_s=0.1)
    assert look(60, jitter_s=0.06) is Phase.REST


def test_reordered_and_repeated_packets_cost_little() -> None:
    simulation = alone(Path(20, 0.1, 250, reordered=0.05, repeated=0.02))
    assert simulation.mbit(0, 3) > 19


def test_a_path_that_becomes_faster_is_used() -> None:
    simulation = alone(Path(10, 0.1, 250), 6)
    simulation.path.rate_mbit = 40
    simulation.run(16)
    assert simulation.mbit(0, 12) > 36


def test_a_path_that_becomes_slower_is_not_flooded() -> None:
    simulation = alone(Path(40, 0.1, 1000), 6)
    simulation.path.rate_mbit = 5
    simulation.run(16)
    assert simulation.mbit(0, 8) > 4.5
    assert simulation.queue_s(10) < 0.15


def test_a_path_that_becomes_longer_is_filled_again() -> None:
    """Once the smallest round trip that was seen is too old to be believed."""
    simulation = alone(Path(20, 0.05, 500), 6)
    simulation.path.rtt_s = 0.15
    simulation.run(40)
    assert simulation.mbit(0, 32) > 18


def test_loss_that_comes_and_goes_changes_little() -> None:
    simulation = alone(Path(20, 0.1, 250), 5)
    simulation.path.loss = 0.1
    simulation.run(10)
    simulation.path.loss = 0.0
    simulation.run(15)
    assert simulation.mbit(0, 6, 10) > 16.5
    assert simulation.mbit(0, 11) > 19


def share(simulation: Simulation, from_s: float) -> float:
    ours, theirs = simulation.mbit(0, from_s), simulation.mbit(1, from_s)
    assert ours + theirs > 0.9 * simulation.path.rate_mbit
    return ours / (ours + theirs)


def silent_until(start_s: float, simulation: Simulation, flow: int) -> Callable[[float], None]:
    def change(now: float) -> None:
        simulation.flows[flow].busy = now > start_s

    return change


@pytest.mark.parametrize("late", [None, 0, 1])
def test_a_tcp_download_is_neither_starved_nor_obeyed(late: int | None) -> None:
    """CUBIC on the same bottleneck, coming first, last or at once: 25 to 60 % are ours."""
    shares = []
    for seed in range(1, 4):
        ours = Ours()
        simulation = Simulation(Path(20, 0.1, 250), [ours, Cubic()], seed)
        change = None if late is None else silent_until(10, simulation, late)
        simulation.run(45, change=change)
        shares.append(share(simulation, 20))
        assert ours.transit.jitter_s == ours.round_trip.jitter_s == 0, "a queue is no jitter"
    assert 0.25 <= sum(shares) / len(shares) <= 0.60
    assert min(shares) > 0.15
    assert max(shares) < 0.75


def test_two_of_us_share() -> None:
    shares = []
    for seed in range(1, 4):
        simulation = Simulation(Path(20, 0.1, 250), [Ours(), Ours()], seed)
        simulation.run(40, change=silent_until(8, simulation, 1))
        shares.append(share(simulation, 20))
        assert simulation.queue_s(20) < 0.11
    assert 0.35 < sum(shares) / len(shares) < 0.65
    assert 0.2 < min(shares) <= max(shares) < 0.8


def test_when_the_other_ends_we_take_all_and_drain_the_queue() -> None:
    simulation = Simulation(Path(20, 0.1, 250), [Ours(), Cubic()])
    simulation.run(30)
    simulation.flows[1].busy = False
    simulation.run(40)
    assert simulation.mbit(0, 35) > 18
    assert simulation.queue_s(35) < 0.08


def test_a_little_traffic_teaches_little() -> None:
    """The rate of a flow that rarely has something to send is kept from busier times."""
    simulation = alone(Path(20, 0.1, 250), 6)

    def trickle(now: float) -> None:
        simulation.flows[0].busy = round(now * 1000) % 200 == 0

    control = simulation.flows[0]
    assert isinstance(control, Ours)
    before = control.control.rate
    simulation.run(12, change=trickle)
    assert control.control.rate > 0.9 * before


def test_the_window_has_bounds() -> None:
    """Whatever is claimed of the path."""
    control, now = RateControl(0.0), 0.0
    for _ in range(200):
        now += 0.03
        control.arrived(50_000_000)
        control.update(now, rtt_s=1.0, queue_s=0.0)
        assert control.window_bytes <= limits.LINK_WINDOW_CAP_BYTES
    for _ in range(200):
        now += 3
        control.arrived(1)
        control.lost(1000)
        control.update(now, rtt_s=0.01, queue_s=2.0)
        assert control.window_bytes >= limits.LINK_WINDOW_FLOOR_BYTES
    assert control.window_bytes < INITIAL_WINDOW_BYTES


def test_what_waits_at_the_relay_is_a_queue() -> None:
    """A relay that cannot keep up is not given more, although its packets are quick."""
    control, now, waiting, window = RateControl(0.0), 0.0, 0, 0
    for _ in range(3000):
        now += 0.01
        under_way = 125_000 * 0.05
        window = control.window_bytes
        waiting = max(0, int(window - under_way))
        control.arrived(min(1250, window))
        control.update(now, rtt_s=0.05, queue_s=0.0, backlog_bytes=waiting)
    assert control.phase is not Phase.STARTUP
    assert window < 64 * limits.KIB


def test_nothing_is_delivered_faster_than_it_is_sent() -> None:
    """A late acknowledgement of much is no proof of a fast path."""
    control, now = RateControl(0.0), 0.0
    for turn in range(300):
        now += 0.01
        control.sent(10_000)
        if turn % 50 == 49:
            control.arrived(500_000)
        control.update(now, rtt_s=0.05, queue_s=0.0)
    assert control.rate == pytest.approx(1_000_000, rel=0.25)
