"""One link's signs of life, with the time fixed."""

from __future__ import annotations

import math

import pytest

from passerelle.core.tunnel.estimator import LinkEstimator
from passerelle.core.tunnel.sessionlink import (
    PING_APART_S,
    PING_IDLE_S,
    PING_OVERDUE_S,
    SILENCE_MAX_S,
    SILENCE_MIN_S,
    SILENCE_RTTS,
    SILENT_MIN_S,
    SILENT_RTTS,
    Flight,
    Segment,
    SessionLink,
)
from passerelle.wire.frames import Ping

SIZE = 1000


def link(**fields: object) -> SessionLink:
    """Return a link that was added at 0 and holds nothing."""
    made = SessionLink(1, LinkEstimator(0.0), heard_at=0.0)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def carry(made: SessionLink, at: float) -> None:
    """Send one segment over the link."""
    sample = made.estimator.sent(SIZE, at)
    made.bytes_sent += SIZE
    made.in_flight.append(Flight(Segment(0, SIZE, bytes(SIZE)), made.bytes_sent, sample))


@pytest.mark.parametrize(
    ("draining", "stalled", "usable"),
    [(False, False, True), (True, False, False), (False, True, False)],
)
def test_neither_a_draining_nor_a_stalled_link_is_usable(
    draining: bool, stalled: bool, usable: bool
) -> None:
    """New segments go over other links."""
    assert link(draining=draining, stalled=stalled).usable is usable


def test_a_quiet_link_is_asked_for_a_sign_of_life() -> None:
    """A quarter of a minute after the last one, and not again before it has answered."""
    quiet = link(heard_at=3.0)
    assert quiet.ask_at == 3.0 + PING_IDLE_S
    quiet.ask(7, 18.0)
    assert quiet.outbox == [Ping(7)]
    assert quiet.ping == Ping(7)
    assert quiet.ask_at == math.inf


def test_an_overdue_link_is_asked_sooner() -> None:
    """A quarter of a second after its oldest segment became overdue, at most once a second."""
    busy = link(heard_at=3.0)
    carry(busy, 5.0)
    carry(busy, 6.0)
    overdue_at = 5.0 + busy.estimator.overdue_s
    assert busy.overdue_at == overdue_at
    assert busy.ask_at == overdue_at + PING_OVERDUE_S
    busy.pinged_at = overdue_at
    assert busy.ask_at == overdue_at + PING_APART_S


def test_a_link_with_nothing_in_flight_is_never_overdue() -> None:
    """There is no acknowledgement to wait for."""
    assert link().overdue_at == math.inf


def test_a_stalled_link_does_not_become_overdue_again() -> None:
    """It is asked for a sign of life all the same."""
    stalled = link(stalled=True)
    carry(stalled, 5.0)
    assert stalled.overdue_at == math.inf
    assert stalled.ask_at < math.inf


def test_only_a_link_that_was_asked_may_be_dead() -> None:
    """A quiet link is not dead before it had a chance to answer."""
    assert link().dead_at == math.inf


@pytest.mark.parametrize(
    ("srtt_s", "patience_s"),
    [(0.1, SILENCE_MIN_S), (1.0, SILENCE_RTTS * 1.0), (60.0, SILENCE_MAX_S)],
)
def test_a_silent_link_is_dead_after_some_round_trips(srtt_s: float, patience_s: float) -> None:
    """Within bounds, from the question on, and from the last sign of life if that is later."""
    silent = link(heard_at=2.0)
    silent.estimator.srtt_s = srtt_s
    silent.ask(1, 20.0)
    assert silent.dead_at == 20.0 + patience_s
    silent.heard_at = 21.0
    assert silent.dead_at == 21.0 + patience_s


@pytest.mark.parametrize(("srtt_s", "patience_s"), [(0.1, SILENT_MIN_S), (1.0, SILENT_RTTS * 1.0)])
def test_a_link_that_holds_segments_is_silent_long_before_it_is_dead(
    srtt_s: float, patience_s: float
) -> None:
    """From the question on, from the oldest segment, or from the last sign of life.

    The next sign of life ends it.
    """
    asked = link(heard_at=2.0)
    carry(asked, 3.0)
    asked.estimator.srtt_s = srtt_s
    assert asked.silent_at == math.inf
    asked.ask(1, 20.0)
    assert asked.silent_at == 20.0 + patience_s < asked.dead_at
    asked.heard(21.0)
    assert asked.silent_at == 21.0 + patience_s
    asked.in_flight.clear()
    carry(asked, 22.0)
    assert asked.silent_at == 22.0 + patience_s
    asked.silent = True
    assert asked.silent_at == math.inf
    asked.heard(30.0)
    assert not asked.silent


def test_a_link_that_holds_nothing_is_not_silent() -> None:
    """Nobody waits for it, so that others are not looked for."""
    quiet = link()
    quiet.ask(1, 20.0)
    assert quiet.silent_at == math.inf
