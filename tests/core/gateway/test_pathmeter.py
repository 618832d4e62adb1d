from __future__ import annotations

import itertools

import pytest

from passerelle.core.gateway.pathmeter import APART_S, SAMPLE_BYTES, PathMeter

PIECE = 16_000


def carry(
    *, rate_bytes_s: float, rtt_s: float, seconds: float, credit: int = 1 << 20, gap_s: float = 0.0
) -> PathMeter:
    """Send pieces over a way of that rate and round trip, as far as credit goes; `gap_s` is the
    site's pause between two of them.
    """
    meter = PathMeter()
    step_s = 0.001
    sent = arrived = 0.0
    free_s = 0.0
    pongs: list[tuple[float, int]] = []
    for step in itertools.count():
        now = step * step_s
        if now > seconds:
            return meter
        arrived = min(sent, arrived + rate_bytes_s * step_s)
        while pongs and pongs[0][0] <= arrived:
            _, mark = pongs.pop(0)
            meter.answered(mark, now + rtt_s)
        while sent - arrived < credit and free_s <= now:
            sent += PIECE
            free_s = now + gap_s if gap_s else free_s
            mark_or_none = meter.due(int(sent), now)
            if mark_or_none is not None:
                pongs.append((sent, mark_or_none))
    raise AssertionError


@pytest.mark.parametrize("rate", [20_000, 125_000, 2_000_000])
def test_a_slow_way_is_measured(rate: float) -> None:
    """Bytes that wait in front of a volunteer are none that arrived."""
    meter = carry(rate_bytes_s=rate, rtt_s=0.1, seconds=60 if rate < 1e6 else 10)
    assert meter.rate_bytes_s == pytest.approx(rate, rel=0.25)


def test_a_slow_site_does_not_make_a_volunteer_look_slow() -> None:
    """The site gives 80 kB a second, and the way carries it without a queue."""
    meter = carry(rate_bytes_s=5_000_000, rtt_s=0.1, seconds=30, gap_s=0.2)
    assert meter.rate_bytes_s > 125_000


def test_little_says_nothing() -> None:
    """The first PING goes with the first answer, and tells a round trip but no rate."""
    meter = PathMeter()
    mark = meter.due(100, 1.0)
    assert mark is not None
    assert meter.due(200, 1.05) is None
    meter.answered(mark + 1, 1.07)
    meter.answered(mark, 1.1)
    meter.answered(mark, 1.2)
    assert meter.rtt_s == pytest.approx(0.1)
    assert meter.rate_bytes_s == 0.0
    assert meter.due(100 + SAMPLE_BYTES - 1, 1.2) is None
    assert meter.due(100 + SAMPLE_BYTES, 1.2) is not None


def test_a_fast_way_is_not_asked_all_the_time() -> None:
    """PINGs are few, however fast the bytes go."""
    meter = PathMeter()
    asked = 0
    for step in range(10_000):
        now = step / 1000
        mark = meter.due(step * SAMPLE_BYTES, now)
        if mark is not None:
            asked += 1
            meter.answered(mark, now)
    assert asked <= 10 / APART_S + 1
    assert meter.rate_bytes_s > 1_000_000
