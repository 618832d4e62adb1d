from __future__ import annotations

import pytest

from passerelle import limits
from passerelle.core.ledger import (
    WORK_BURST_S,
    WORK_S_PER_BYTE,
    WORK_SHARE,
    Ledger,
)
from passerelle.errors import LinkCode, PeerError


def test_a_flood_of_idle_frames_is_an_error() -> None:
    """A burst and a rate are borne; what is beyond costs the session."""
    ledger = Ledger()
    ledger.charge_idle(limits.IDLE_FRAMES_BURST, 10.0)
    ledger.charge_idle(limits.IDLE_FRAMES_PER_S, 11.0)
    ledger.charge_idle(0, 11.0)
    with pytest.raises(PeerError) as caught:
        ledger.charge_idle(1, 11.0)
    assert caught.value.code is LinkCode.LIMIT


def test_bytes_pay_for_work() -> None:
    """Work on a full message costs nothing, however long it goes on."""
    ledger = Ledger()
    for _ in range(10_000):
        ledger.charge_work(16_000 * WORK_S_PER_BYTE, 16_000, 1.0)
    assert ledger.pause_s(1.0) == 0


def test_unpaid_work_takes_its_share_and_waits() -> None:
    """Over ten seconds a far side gets its share of a core, and the burst, whatever it sends."""
    ledger = Ledger()
    now, done = 100.0, 0.0
    while now < 110.0:
        if (pause := ledger.pause_s(now)) > 1e-9:
            now += pause
        else:
            ledger.charge_work(0.001, 10, now)
            done += 0.001
            now += 0.001
    assert done == pytest.approx(10 * WORK_SHARE + WORK_BURST_S, rel=0.05)


def test_what_one_message_pays_too_much_is_no_credit() -> None:
    """A download does not pay for a flood beside it."""
    ledger = Ledger()
    ledger.charge_work(WORK_BURST_S, 0, 1.0)
    ledger.charge_work(0.0, 1 << 30, 1.0)
    ledger.charge_work(0.015, 0, 1.0)
    assert ledger.pause_s(1.0) == pytest.approx(0.015 / WORK_SHARE)
