"""A simulated line keeps its settings within five per cent."""

import statistics

import pytest

from tests.lab import Lab, LabError, Line, Namespace, Wan, traffic

pytestmark = pytest.mark.lab

PORT = 7000
IDLE_S = 0.3
"""Longer than any queue here delays, so silence for this long means that all has arrived."""
HEADERS_BYTES = 28
"""The length of the IPv4 and UDP headers."""


def blast(
    a: Namespace, b: Namespace, *, packets: int, size: int, rate: int, first: int = 0
) -> dict[str, float]:
    """Send UDP packets from a to b, numbered from `first`, and return what b counted."""
    counting = traffic.start(b, "count", b.address, PORT, IDLE_S)
    traffic.start(a, "blast", b.address, PORT, packets, size, rate, first).result()
    result: dict[str, float] = counting.result()
    return result


def median_rtt_ms(a: Namespace, b: Namespace, *, packets: int = 15) -> float:
    """Measure the round trip by a UDP echo."""
    server = traffic.start(b, "echo", b.address, PORT)
    rtt_ms: list[float] = traffic.start(a, "ping", b.address, PORT, packets, 5).result()["rtt_ms"]
    server.stop()
    assert len(rtt_ms) == packets
    return statistics.median(rtt_ms)


def join(lab: Lab, there: Wan, back: Wan | None = None) -> tuple[Namespace, Namespace, Line]:
    """Make hosts `a` and `b` with a simulated line between them."""
    a, b = lab.namespace("a"), lab.namespace("b")
    return a, b, lab.wan(a, b, there, back)


def carried_all(line: Line) -> bool:
    """Return whether the laboratory itself carried every packet."""
    return all(passage.overrun == 0 for passage in line.counters())


@pytest.mark.parametrize(("there_ms", "back_ms"), [(50, 50), (10, 70)])
def test_round_trip_is_the_sum_of_both_delays(lab: Lab, there_ms: int, back_ms: int) -> None:
    a, b, line = join(lab, Wan(delay_ms=there_ms), Wan(delay_ms=back_ms))
    assert median_rtt_ms(a, b) == pytest.approx(there_ms + back_ms, rel=0.05)
    assert carried_all(line)


def test_delay_changes_while_the_line_runs(lab: Lab) -> None:
    a, b, line = join(lab, Wan(delay_ms=20))
    assert median_rtt_ms(a, b) == pytest.approx(40, rel=0.05)
    line.set(there=Wan(delay_ms=50))
    assert median_rtt_ms(a, b) == pytest.approx(70, rel=0.05)


def test_loss_is_the_share_it_was_told(lab: Lab) -> None:
    """Of 60,000 packets at 10 % loss, five per cent of the loss is four standard deviations."""
    packets = 60_000
    a, b, line = join(lab, Wan(delay_ms=5, loss_pct=10), Wan(delay_ms=5))
    got = blast(a, b, packets=packets, size=64, rate=30_000)
    assert 1 - got["packets"] / packets == pytest.approx(0.10, rel=0.05)
    there, back = line.counters()
    assert there.lost == packets - got["packets"]
    assert back.lost == 0
    assert carried_all(line)


def test_of_rtp_with_the_marker_bit_the_told_share_is_lost(lab: Lab) -> None:
    """Neither other packets of a video frame, nor RTCP, nor packets of other protocols are."""
    a, b, line = join(lab, Wan(marked_loss_pct=15))
    marked, unmarked, rtcp, dtls = 0x80E0_0000, 0x8060_0000, 0x80C8_0000, 0x16FE_0000
    for first in (unmarked, rtcp, dtls):
        assert blast(a, b, packets=1_000, size=64, rate=20_000, first=first)["packets"] == 1_000
    got = blast(a, b, packets=10_000, size=64, rate=20_000, first=marked)
    assert 1 - got["packets"] / 10_000 == pytest.approx(0.15, rel=0.1)
    there, _ = line.counters()
    assert there.lost == 10_000 - got["packets"]
    assert carried_all(line)


def test_without_loss_every_packet_arrives(lab: Lab) -> None:
    a, b, line = join(lab, Wan(delay_ms=50))
    assert blast(a, b, packets=20_000, size=64, rate=30_000)["packets"] == 20_000
    there, _ = line.counters()
    assert (there.packets, there.lost, there.overflowed) == (20_000, 0, 0)
    assert there.bytes == 20_000 * (64 + HEADERS_BYTES)


def test_equal_seeds_lose_the_same_packets() -> None:
    lost = []
    for seed in (5, 5, 6):
        with Lab(seed=seed) as lab:
            a, b, line = join(lab, Wan(loss_pct=10))
            blast(a, b, packets=2_000, size=64, rate=30_000)
            lost.append(line.counters()[0].lost)
    assert lost[0] == lost[1] != lost[2]


@pytest.mark.parametrize("rate_mbit", [5, 50])
def test_rate_is_what_it_was_told(lab: Lab, rate_mbit: int) -> None:
    """The rate holds when half as much again is offered for two seconds."""
    size = 1_400
    a, b, line = join(lab, Wan(delay_ms=20, rate_mbit=rate_mbit, queue_kb=100))
    offered = round(1.5 * rate_mbit * 1e6 / 8 / (size + HEADERS_BYTES))
    got = blast(a, b, packets=2 * offered, size=size, rate=offered)
    bits = (got["bytes"] + got["packets"] * HEADERS_BYTES) * 8
    assert bits / got["seconds"] / 1e6 == pytest.approx(rate_mbit, rel=0.05)
    there, _ = line.counters()
    assert there.overflowed == 2 * offered - got["packets"]
    assert carried_all(line)


def test_a_full_queue_delays_by_its_size_and_the_rate(lab: Lab) -> None:
    """Of a burst, 125 KB wait at 10 Mbit/s, so the last byte leaves 102 ms after the first."""
    size = 972
    a, b, line = join(lab, Wan(delay_ms=5, rate_mbit=10, queue_kb=125))
    got = blast(a, b, packets=1_000, size=size, rate=1_000_000)
    held = got["packets"] * (size + HEADERS_BYTES)
    sent_meanwhile = got["seconds"] * 10e6 / 8
    assert held == pytest.approx(sent_meanwhile, rel=0.05), "it left at the line's rate"
    assert 0.102 <= got["seconds"] <= 0.3
    there, _ = line.counters()
    assert there.overflowed == 1_000 - got["packets"] > 0


def test_tcp_fills_a_long_way(lab: Lab) -> None:
    """One TCP connection carries at least 250 Mbit/s at 100 ms, once its window has grown.

    Linux lets a window grow to about 3 MB, which is 240 Mbit/s, so this test allows more.
    """
    a, b, line = join(lab, Wan(delay_ms=50))
    for host in (a, b):
        host.set_kernel("net.ipv4.tcp_rmem", "4096 131072 33554432")
        host.set_kernel("net.ipv4.tcp_wmem", "4096 16384 33554432")
    sink = traffic.start(b, "sink", b.address, PORT)
    traffic.start(a, "pour", b.address, PORT, 3).result()
    mbit = sink.result()["mbit"]
    assert statistics.mean(mbit[15:30]) >= 250, [round(step) for step in mbit]
    assert carried_all(line)


def test_full_size_packets_pass_unsplit(lab: Lab) -> None:
    a, b, line = join(lab, Wan())
    assert blast(a, b, packets=10, size=1500 - HEADERS_BYTES, rate=1000)["packets"] == 10
    assert line.counters()[0].packets == 10


def test_counters_are_printed_at_the_end(lab: Lab) -> None:
    a, b, line = join(lab, Wan(loss_pct=50))
    blast(a, b, packets=1_000, size=64, rate=10_000)
    before = line.counters()
    line.close()
    assert line.counters() == before


def test_a_line_ends_after_its_lifetime() -> None:
    """A line ends after its lifetime; using it after that raises an error."""
    with Lab(lifetime_s=1) as lab:
        *_, line = join(lab, Wan())
        line.join(timeout_s=5)
        with pytest.raises(LabError, match="wide-area line"):
            line.set(there=Wan(delay_ms=1))
        assert line.counters()[0].packets == 0


def test_a_way_that_cannot_be_is_refused() -> None:
    for wrong in ({"delay_ms": -1.0}, {"loss_pct": 101.0}, {"rate_mbit": -1.0}, {"queue_kb": -1.0}):
        with pytest.raises(ValueError, match="not a way"):
            Wan(**wrong)


def test_the_line_works_for_ipv6(lab: Lab) -> None:
    a, b, _ = join(lab, Wan(delay_ms=20))
    traffic.start(b, "echo", b.address6, PORT)
    rtt_ms = traffic.start(a, "ping", b.address6, PORT, 5, 5).result()["rtt_ms"]
    assert statistics.median(rtt_ms) == pytest.approx(40, rel=0.05)


def test_jitter_delays_each_packet_by_chance_and_keeps_the_order(lab: Lab) -> None:
    """Packets far apart meet all delays up to the jitter; those close together keep their order."""
    a, b, line = join(lab, Wan(delay_ms=20, jitter_ms=60), Wan(delay_ms=20))
    server = traffic.start(b, "echo", b.address, PORT)
    rtt_ms: list[float] = traffic.start(a, "ping", b.address, PORT, 40, 5).result()["rtt_ms"]
    server.stop()
    assert 39 < min(rtt_ms) < 60
    assert 80 < max(rtt_ms) < 105
    got = blast(a, b, packets=2000, size=500, rate=2000)
    assert (got["packets"], got["late"], got["repeated"]) == (2000, 0, 0)
    assert carried_all(line)


def test_reordering_is_the_share_it_was_told(lab: Lab) -> None:
    """A packet that changes places makes those between it and the other come late."""
    a, b, line = join(lab, Wan(delay_ms=10, reorder_pct=5))
    got = blast(a, b, packets=4000, size=500, rate=5000)
    assert got["packets"] == 4000
    assert 0.03 * 4000 < got["late"] < 0.5 * 4000
    assert got["repeated"] == 0
    assert carried_all(line)


def test_duplication_is_the_share_it_was_told(lab: Lab) -> None:
    """Each duplicate is one packet more, and arrives behind its original."""
    a, b, line = join(lab, Wan(delay_ms=10, duplicate_pct=10))
    got = blast(a, b, packets=4000, size=500, rate=5000)
    assert got["repeated"] == pytest.approx(400, rel=0.25)
    assert got["packets"] == 4000 + got["repeated"]
    assert got["late"] == 0
    assert carried_all(line)
