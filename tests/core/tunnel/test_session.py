"""One session against hand-written frames, with the time fixed."""

from __future__ import annotations

import pytest

from passerelle import limits
from passerelle.core.tunnel.estimator import INITIAL_WINDOW_BYTES, SEGMENT_LEAST_BYTES, SEGMENT_S
from passerelle.core.tunnel.session import ACK_DELAY_S, Session
from passerelle.core.tunnel.sessionlink import (
    PING_APART_S,
    PING_IDLE_S,
    PING_OVERDUE_S,
    SILENCE_MIN_S,
    SILENT_MIN_S,
)
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import frames
from passerelle.wire.frames import Ack, Close, Data, Drain, Frame, Hello, Padding, Ping, Pong

FULL = limits.DATA_BYTES
WARM_WINDOW_BYTES = 4 * limits.LINK_MESSAGE_BYTES
NO_RANGES: tuple[tuple[int, int], ...] = ()


def started(*links: int, window_bytes: int = limits.SESSION_WINDOW_BYTES) -> Session:
    """Return a session whose links were added and answered their PING within 50 ms, at 0."""
    session = Session(window_bytes)
    for link in links:
        session.add_link(link, -0.05)
    for link, frame in session.transmit(-0.05):
        assert isinstance(frame, Ping)
        session.receive(link, Pong(frame.token), 0.0)
    return session


def warm(*links: int, window_bytes: int = limits.SESSION_WINDOW_BYTES) -> Session:
    """Return a started session whose links were found fast: they take full segments."""
    session = started(*links, window_bytes=window_bytes)
    for link in links:
        session.estimator(link).rate = FULL / SEGMENT_S
        session.estimator(link).window_bytes = WARM_WINDOW_BYTES
    return session


def sent(session: Session, now: float) -> list[tuple[int, int, int]]:
    """Transmit and return (link, offset, size) of each DATA."""
    return [
        (link, frame.offset, len(frame.payload))
        for link, frame in session.transmit(now)
        if isinstance(frame, Data)
    ]


def acks(session: Session, now: float) -> list[tuple[int, Ack]]:
    """Transmit and return each ACK with its link."""
    return [(link, frame) for link, frame in session.transmit(now) if isinstance(frame, Ack)]


def read(session: Session) -> bytes:
    return b"".join(session.read())


# --- acknowledging ----------------------------------------------------------------------------


def test_two_full_messages_are_acknowledged_at_once() -> None:
    """The first full message waits for company; the second brings the ACK, on the same link."""
    session = started(1, 2)
    session.receive(2, Data(0, bytes(FULL)), 1.0)
    assert acks(session, 1.0) == []
    session.receive(2, Data(FULL, bytes(FULL)), 1.001)
    assert acks(session, 1.001) == [(2, Ack(2 * FULL, 0.0, 2 * FULL))]
    assert acks(session, 2.0) == []


def test_a_few_bytes_are_acknowledged_in_5_ms() -> None:
    """A small message is acknowledged at its deadline, with the time its ACK was held."""
    session = started(1)
    session.receive(1, Data(0, b"abc"), 1.0)
    session.receive(1, Data(3, b"def"), 1.002)
    assert session.deadline() == 1.0 + ACK_DELAY_S
    assert acks(session, 1.004) == []
    [(_, ack)] = acks(session, 1.005)
    assert (ack.on_link, ack.in_order) == (6, 6)
    assert ack.delay_s == pytest.approx(0.003)


def test_an_ack_says_what_came_out_of_order() -> None:
    """Each link's ACK counts that link's bytes, and tells of everything that arrived anywhere."""
    session = started(1, 2)
    session.receive(1, Data(10, b"klm"), 1.0)
    session.receive(2, Data(20, b"uvw"), 1.0)
    assert acks(session, 1.005) == [
        (1, Ack(3, pytest.approx(0.005), 0, ((10, 13), (20, 23)))),  # type: ignore[arg-type]
        (2, Ack(3, pytest.approx(0.005), 0, ((10, 13), (20, 23)))),  # type: ignore[arg-type]
    ]
    assert read(session) == b""


def test_duplicates_are_read_once() -> None:
    """What arrives a second time, over whatever link, is acknowledged there and read once."""
    session = started(1, 2)
    for link in (1, 2):
        session.receive(link, Data(0, b"once"), 1.0)
    assert read(session) == b"once"
    assert [(link, ack.on_link) for link, ack in acks(session, 1.005)] == [(1, 4), (2, 4)]


def test_a_lost_link_makes_the_others_acknowledge() -> None:
    """ACKs that died with a link are told again over the others, at once."""
    session = started(1, 2)
    session.receive(1, Data(0, b"abc"), 1.0)
    session.remove_link(1, 1.001)
    assert acks(session, 1.001) == [(2, Ack(0, 1.001, 3))]


# --- sending again ----------------------------------------------------------------------------


def test_a_dead_link_is_relieved_at_once() -> None:
    """What a link that ended still held goes over the others in the same moment."""
    session = warm(1, 2)
    session.write(bytes(2 * FULL))
    first = sent(session, 0.0)
    assert {link for link, _, _ in first} == {1, 2}
    [lost] = [offset for link, offset, _ in first if link == 1]
    session.remove_link(1, 0.001)
    assert sent(session, 0.001) == [(2, lost, FULL)]
    assert session.bytes_resent == FULL
    assert session.links == (2,)


def test_a_dead_link_that_was_acknowledged_costs_nothing() -> None:
    """What arrived, by the link's own ACK or by another's, is not sent again."""
    session = warm(1, 2, 3)
    session.write(bytes(3 * FULL))
    order = [link for link, _, _ in sent(session, 0.0)]
    assert sorted(order) == [1, 2, 3]
    last = order[2]
    session.receive(order[1], Ack(FULL, 0.0, 0, ((FULL, 3 * FULL),)), 0.05)
    session.remove_link(last, 0.06)
    assert sent(session, 0.06) == []
    session.remove_link(order[0], 0.06)
    assert sent(session, 0.06) == [(order[1], 0, FULL)]


def test_an_overdue_segment_takes_another_link() -> None:
    """After 0.2 s without its ACK a segment goes over another link, and the first gets nothing."""
    session = started(1, 2)
    session.write(b"late")
    [(slow, _, _)] = sent(session, 0.0)
    other = 3 - slow
    assert session.deadline() == pytest.approx(0.2)
    assert session.tick(0.19) == []
    assert sent(session, 0.19) == []
    assert session.tick(0.2) == []
    assert sent(session, 0.2) == [(other, 0, 4)]
    assert session.ready_links == (other,)
    session.write(b"more")
    assert sent(session, 0.21) == [(other, 4, 4)]


def test_a_segment_is_never_sent_twice_over_one_link() -> None:
    """A stalled link that starts to deliver again gets only what it does not hold already."""
    session = warm(1, 2)
    session.write(bytes(2 * FULL))
    session.drain_link(2)
    assert sent(session, 0.0) == [(1, 0, FULL), (1, FULL, FULL)]
    # The other is full: nothing can be sent again yet.
    session.estimator(2).in_flight = WARM_WINDOW_BYTES
    session.tick(0.25)
    assert sent(session, 0.25) == []
    session.receive(1, Ack(FULL, 0.0, FULL), 0.3)
    session.remove_link(2, 0.3)
    assert session.ready_links == (1,)
    assert sent(session, 0.3) == []
    session.receive(1, Ack(2 * FULL, 0.0, 2 * FULL), 0.35)
    session.write(b"new")
    assert sent(session, 0.35) == [(1, 2 * FULL, 3)]
    assert session.bytes_resent == 0


def test_a_stalled_link_that_dies_is_not_counted_twice() -> None:
    """Its segments were sent again when it stalled; its end adds nothing."""
    session = started(1, 2)
    session.write(b"late")
    [(slow, _, _)] = sent(session, 0.0)
    session.tick(0.2)
    assert len(sent(session, 0.2)) == 1
    session.remove_link(slow, 0.3)
    assert sent(session, 0.3) == []


def test_what_two_links_carried_survives_both() -> None:
    """A segment sent twice is sent a third time when both its links ended."""
    session = started(1, 2, 3)
    session.write(b"late")
    [(first, _, _)] = sent(session, 0.0)
    session.tick(0.2)
    [(second, _, _)] = sent(session, 0.2)
    session.remove_link(first, 0.3)
    session.remove_link(second, 0.3)
    [third] = session.links
    assert sent(session, 0.3) == [(third, 0, 4)]


def test_an_only_link_is_waited_for() -> None:
    """With no other link to turn to, nothing counts as overdue; a second one changes that."""
    session = started(1)
    session.write(b"late")
    assert sent(session, 0.0) == [(1, 0, 4)]
    assert session.tick(0.3) == []
    assert session.ready_links == (1,)
    session.add_link(2, 0.4)
    session.tick(0.4)
    assert sent(session, 0.4) == [(2, 0, 4)]


def test_nothing_is_sent_while_all_links_stall() -> None:
    """Two stalled links get nothing, until one delivers."""
    session = warm(1, 2)
    session.write(bytes(2 * FULL))
    assert len(sent(session, 0.0)) == 2
    session.tick(0.25)
    session.write(b"more")
    assert session.ready_links == ()
    assert session.room == 0
    assert sent(session, 0.25) == []


# --- draining ---------------------------------------------------------------------------------


@pytest.mark.parametrize("far_end", [True, False])
def test_a_draining_link_gets_nothing_new(far_end: bool) -> None:
    """Whichever side announces it: new bytes go elsewhere, what is under way may arrive."""
    session = warm(1, 2)
    session.write(bytes(2 * FULL))
    order = sent(session, 0.0)
    [under_way] = [offset for link, offset, _ in order if link == 1]
    if far_end:
        session.receive(1, Drain(), 0.01)
    else:
        session.drain_link(1)
    assert session.ready_links == (2,)
    assert session.links == (1, 2)
    session.write(b"new")
    assert sent(session, 0.01) == [(2, 2 * FULL, 3)]
    session.receive(
        1, Ack(FULL, 0.0, 0, ((under_way, under_way + FULL),) if under_way else ()), 0.05
    )
    session.remove_link(1, 0.06)
    assert sent(session, 0.06) == []


def test_a_draining_link_is_better_than_none() -> None:
    """With every link draining, they carry on."""
    session = started(1)
    session.drain_link(1)
    session.write(b"new")
    assert sent(session, 0.0) == [(1, 0, 3)]


# --- life signs -------------------------------------------------------------------------------


def test_a_ping_is_answered_and_measures() -> None:
    """PING brings PONG with its token; a PONG gives the round trip."""
    session = started(1)
    session.receive(1, Ping(77), 0.0)
    assert session.transmit(0.0) == [(1, Pong(77))]
    assert session.estimator(1).min_rtt_s == pytest.approx(0.05)


def test_a_quiet_link_is_pinged() -> None:
    """15 s without hearing anything bring one PING, and only one while it is unanswered."""
    session = started(1)
    assert session.deadline() == PING_IDLE_S
    assert session.tick(PING_IDLE_S) == []
    [(_, ping)] = session.transmit(PING_IDLE_S)
    assert isinstance(ping, Ping)
    session.tick(PING_IDLE_S + 2)
    assert session.transmit(PING_IDLE_S + 2) == []
    session.receive(1, Pong(ping.token), PING_IDLE_S + 3)
    assert session.deadline() == 2 * PING_IDLE_S + 3


def test_silence_is_death() -> None:
    """4 s after an unanswered PING, and after the last sign of life, a link is dead."""
    session = started(1, 2)
    session.tick(PING_IDLE_S)
    session.receive(2, Padding(1), PING_IDLE_S + 1)
    died_at = PING_IDLE_S + SILENCE_MIN_S
    assert session.tick(died_at - 0.01) == []
    assert session.tick(died_at) == [1]
    session.remove_link(1, died_at)
    assert session.tick(died_at + 0.99) == []
    assert session.tick(died_at + 1) == [2]


def test_a_new_link_that_says_nothing_dies() -> None:
    """A link is asked when it starts; one that accepts and stays silent is given up."""
    session = Session()
    session.add_link(1, 0.0)
    assert session.deadline() == SILENCE_MIN_S
    assert session.tick(SILENCE_MIN_S) == [1]


def test_a_link_behind_is_asked_early() -> None:
    """An overdue ACK brings a PING a quarter of a second later, then at most one a second."""
    session = started(1)
    session.tick(PING_IDLE_S)
    [(_, ping)] = session.transmit(PING_IDLE_S)
    assert isinstance(ping, Ping)
    now = PING_IDLE_S + 5
    session.receive(1, Pong(ping.token), PING_IDLE_S + 0.05)
    session.write(b"abc")
    assert sent(session, now) == [(1, 0, 3)]
    behind = session.deadline()
    assert behind == pytest.approx(now + session.estimator(1).overdue_s + PING_OVERDUE_S)
    assert behind is not None
    session.tick(behind)
    [(_, second)] = session.transmit(behind)
    assert isinstance(second, Ping)
    session.receive(1, Pong(second.token), behind + 0.05)
    assert session.deadline() == pytest.approx(behind + PING_APART_S)


def test_a_link_can_be_asked_for_a_sign_of_life_before_its_time() -> None:
    """It is asked once, until it has answered and a while has passed."""
    session = started(1)
    session.ask(1, 5.0)
    session.ask(1, 5.0)
    (asked,) = [frame for _, frame in session.transmit(5.0) if isinstance(frame, Ping)]
    session.receive(1, Pong(asked.token), 5.1)
    session.ask(1, 5.2)
    assert session.transmit(5.2) == []
    session.ask(1, 5.0 + PING_APART_S)
    assert len(session.transmit(5.0 + PING_APART_S)) == 1


def test_an_only_link_that_falls_silent_is_told_of_once_and_goes_on_carrying() -> None:
    """It is no ready link until something comes."""
    session = started(1)
    session.write(b"abc")
    assert sent(session, 0.0) == [(1, 0, 3)]
    asked_at = session.deadline()
    assert asked_at is not None
    session.tick(asked_at)
    session.transmit(asked_at)
    silent_at = asked_at + SILENT_MIN_S
    assert session.deadline() == silent_at
    assert session.tick(silent_at) == []
    assert session.fell_silent == [1]
    assert session.is_silent(1)
    assert not session.ready_links
    session.tick(silent_at + 1)
    assert session.fell_silent == []
    session.write(b"def")
    assert sent(session, silent_at + 1) == [(1, 3, 3)]
    session.receive(1, Padding(0), silent_at + 2)
    assert session.ready_links == (1,)
    assert not session.is_silent(1)
    assert not session.is_silent(2)


# --- bounds -----------------------------------------------------------------------------------


def test_the_window_of_the_far_end_is_respected() -> None:
    """No byte beyond the far end's in-order offset plus window is sent, however much waits."""
    session = warm(1, 2, window_bytes=10_000)
    session.write(bytes(25_000))
    assert [size for _, _, size in sent(session, 0.0)] == [10_000]
    session.receive(session.ready_links[0], Padding(0), 0.01)
    assert sent(session, 0.01) == []
    session.acknowledged_to(4_000, 0.02)
    assert [(offset, size) for _, offset, size in sent(session, 0.02)] == [(10_000, 4_000)]


def test_a_link_window_is_respected() -> None:
    """A link whose window is full gets no more until it delivered."""
    session = warm(1)
    session.write(bytes(10 * FULL))
    count = WARM_WINDOW_BYTES // FULL
    assert len(sent(session, 0.0)) == count
    assert session.room == 0
    session.receive(1, Ack(FULL, 0.0, FULL), 0.05)
    assert sent(session, 0.05) != []


def test_a_link_gets_segments_of_its_size() -> None:
    """A new link gets small segments, and so does one found slow, beside one found fast."""
    session = started(1, 2)
    fast, slow = session.estimator(1), session.estimator(2)
    for estimator, size in ((fast, FULL), (slow, 6000)):
        estimator.rate = size / SEGMENT_S
        estimator.window_bytes = 2 * size
    session.write(bytes(limits.UNSENT_BYTES))
    order = sent(session, 0.0)
    assert [size for link, _, size in order if link == 1] == [FULL, FULL]
    assert [size for link, _, size in order if link == 2] == [6000, 6000]
    assert [offset for _, offset, _ in order] == [
        sum(size for _, _, size in order[:index]) for index in range(len(order))
    ]
    session = started(3)
    session.write(bytes(limits.UNSENT_BYTES))
    assert {size for _, _, size in sent(session, 0.0)} == {SEGMENT_LEAST_BYTES}


def test_a_large_resend_waits_for_an_idle_link() -> None:
    """A full segment goes again over a link of a smaller window, once nothing else is there."""
    session = warm(1, 2)
    session.drain_link(2)
    session.write(bytes(FULL))
    assert sent(session, 0.0) == [(1, 0, FULL)]
    session.drain_link(1)
    slow = session.estimator(2)
    slow.window_bytes = limits.LINK_WINDOW_FLOOR_BYTES
    sample = slow.sent(1, 0.0)
    session.remove_link(1, 0.01)
    assert sent(session, 0.01) == []
    slow.acknowledged(sample, 0.05, delay_s=0.0)
    slow.window_bytes = limits.LINK_WINDOW_FLOOR_BYTES
    assert sent(session, 0.05) == [(2, 0, FULL)]
    session.receive(2, Ack(FULL, 0.0, FULL), 1.5)
    session.write(b"more")
    assert sent(session, 1.5) == [(2, FULL, 4)]


def test_segments_are_not_more_than_a_receiver_holds() -> None:
    """Writes of one byte each stop being sent before the far end's count of pieces is full."""
    session = warm(1)
    for _ in range(limits.PENDING_SEGMENTS + 10):
        session.write(b"x")
        sent(session, 0.0)
    assert session._next_offset == limits.PENDING_SEGMENTS
    session.acknowledged_to(5, 0.1)
    assert sum(size for _, _, size in sent(session, 0.1)) == 10


def test_a_flood_of_pings_is_bounded() -> None:
    """PINGs beyond what a link's outbox holds are not answered."""
    session = started(1)
    for token in range(10 * limits.LINK_OUTBOX_FRAMES):
        session.receive(1, Ping(token), 0.0)
    assert len(session.transmit(0.0)) == limits.LINK_OUTBOX_FRAMES


def test_room_is_what_links_can_take() -> None:
    """The caller is asked for whole segments that links have room for, within the bound."""
    session = Session()
    assert session.room == 0
    assert started(1, 2).room == 2 * INITIAL_WINDOW_BYTES
    session = warm(1)
    assert session.room == WARM_WINDOW_BYTES // FULL * FULL
    session.write(bytes(FULL + WARM_WINDOW_BYTES % FULL + 1))
    sent(session, 0.0)
    assert session.room == (WARM_WINDOW_BYTES // FULL - 2) * FULL
    session = warm(1, 2)
    assert session.room == limits.UNSENT_BYTES
    session.write(b"")
    session.write(bytes(100))
    session.write(bytes(limits.UNSENT_BYTES))
    assert session.unsent_bytes == 100 + limits.UNSENT_BYTES
    assert session.room == 0


def test_written_chunks_are_cut_and_joined() -> None:
    """Segments are full, whatever the sizes of the writes, and keep the bytes in order."""
    session = warm(1)
    text = bytes(index % 251 for index in range(2 * FULL + 10))
    for start, end in ((0, 7), (7, FULL + 5), (FULL + 5, len(text))):
        session.write(text[start:end])
    out = [frame for _, frame in session.transmit(0.0) if isinstance(frame, Data)]
    assert [len(frame.payload) for frame in out] == [FULL, FULL, 10]
    assert b"".join(frame.payload for frame in out) == text


# --- a far end that breaks the protocol -------------------------------------------------------


BROKEN: list[tuple[Frame, LinkCode]] = [
    (Data(limits.SESSION_WINDOW_BYTES, b"x"), LinkCode.FLOW),
    (Ack(0, 0.0, 5), LinkCode.FLOW),
    (Ack(0, 0.0, 0, ((3, 5),)), LinkCode.FLOW),
    (Ack(5, 0.0, 4), LinkCode.FLOW),
    (Pong(12345), LinkCode.UNEXPECTED),
    (Hello(bytes(16), may_create=True, received=0, ticket=""), LinkCode.UNEXPECTED),
    (frames.Welcome(resumed=False, received=0, window_bytes=1), LinkCode.UNEXPECTED),
    (frames.Refused(LinkCode.NORMAL), LinkCode.UNEXPECTED),
    (Close(LinkCode.NORMAL), LinkCode.UNEXPECTED),
]


@pytest.mark.parametrize(("frame", "code"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_broken_rule_ends_the_link_only(frame: Frame, code: LinkCode) -> None:
    """The link is closed with a code; the session goes on over the next one, losing nothing."""
    session = started(1)
    session.write(b"four")
    assert sent(session, 0.0) == [(1, 0, 4)]
    with pytest.raises(PeerError) as caught:
        session.receive(1, frame, 0.05)
    assert caught.value.code is code
    session.remove_link(1, 0.05)
    session.add_link(2, 0.05)
    assert sent(session, 0.05) == [(2, 0, 4)]
    session.receive(2, Data(0, b"reply"), 0.1)
    assert read(session) == b"reply"


def test_an_ack_counts_only_its_own_link() -> None:
    """Bytes sent over another link cannot be acknowledged as this link's."""
    session = started(1, 2)
    session.write(b"four")
    [(link, _, _)] = sent(session, 0.0)
    with pytest.raises(PeerError) as caught:
        session.receive(3 - link, Ack(4, 0.0, 4), 0.05)
    assert caught.value.code is LinkCode.FLOW


def test_another_links_pong_is_unexpected() -> None:
    """A PONG answers only the PING of its own link."""
    session = Session()
    session.add_link(1, 0.0)
    session.add_link(2, 0.0)
    first, _ = (frame for _, frame in session.transmit(0.0))
    assert isinstance(first, Ping)
    with pytest.raises(PeerError) as caught:
        session.receive(2, Pong(first.token), 0.05)
    assert caught.value.code is LinkCode.UNEXPECTED


def test_a_resume_at_what_was_never_sent() -> None:
    """A HELLO or WELCOME cannot acknowledge bytes that were never sent."""
    with pytest.raises(PeerError) as caught:
        started(1).acknowledged_to(1, 0.0)
    assert caught.value.code is LinkCode.FLOW


def test_acknowledging_in_crumbs_is_bounded() -> None:
    """A far end cannot grow the table of what arrived by acknowledging every other byte."""
    session = warm(1)
    session.write(bytes(4 * FULL))
    sent(session, 0.0)

    def acknowledge_crumbs(start: int) -> None:
        crumbs = [(at, at + 1) for at in range(start, start + 2 * limits.ACK_RANGES, 2)]
        session.receive(1, Ack(0, 0.0, 0, tuple(crumbs)), 0.05)

    for index in range(limits.PENDING_SEGMENTS // limits.ACK_RANGES):
        acknowledge_crumbs(1 + index * 2 * limits.ACK_RANGES)
    with pytest.raises(PeerError) as caught:
        acknowledge_crumbs(1)
    assert caught.value.code is LinkCode.LIMIT
    assert len(session._delivered) <= limits.PENDING_SEGMENTS


def test_too_many_links() -> None:
    """One session holds a limited number of links."""
    session = started(*range(limits.LINKS_PER_SESSION))
    with pytest.raises(PeerError) as caught:
        session.add_link(99, 0.0)
    assert caught.value.code is LinkCode.LIMIT
    assert len(session.links) == limits.LINKS_PER_SESSION


def test_links_that_are_gone_are_ignored() -> None:
    """Frames, draining and removal of a link that ended already change nothing."""
    session = Session()
    session.receive(9, Data(0, b"late"), 0.0)
    session.drain_link(9)
    session.remove_link(9, 0.0)
    assert session.deadline() is None
    assert session.received == 0
    assert session.transmit(0.0) == []


# --- resuming ---------------------------------------------------------------------------------


def test_a_new_session_resumes_where_the_far_end_is() -> None:
    """After the loss of all links only what the far end lacks is sent again."""
    session = warm(1)
    session.write(bytes(2 * FULL))
    assert len(sent(session, 0.0)) == 2
    session.remove_link(1, 0.1)
    session.add_link(2, 5.0)
    session.acknowledged_to(FULL, 5.0)
    assert sent(session, 5.0) == [(2, FULL, FULL)]


def test_settled_once_everything_is_acknowledged() -> None:
    """Written, sent, delivered: only the last one counts."""
    session = started(1)
    assert session.settled
    session.write(b"abc")
    assert not session.settled
    assert sent(session, 1.0) == [(1, 0, 3)]
    assert not session.settled
    session.receive(1, Ack(3, 0.0, 3), 1.1)
    assert session.settled


def test_a_window_known_elsewhere_is_kept_and_told() -> None:
    """The far end hears of it when it changed by more than a sixteenth."""
    session = warm(1)

    def told(receive: int) -> list[Frame]:
        session.set_windows(1, send=50_000, receive=receive)
        return [frame for _, frame in session.transmit(1.0)]

    assert told(160_000) == [frames.WindowFrame(160_000)]
    assert told(150_000) == told(170_000) == []
    assert told(171_000) == [frames.WindowFrame(171_000)]
    assert told(0) == [frames.WindowFrame(0)]
    assert told(0) == []
    assert session.estimator(1).window_bytes == 50_000


def test_the_far_ends_word_on_its_window_is_followed() -> None:
    session = warm(1)
    session.receive(1, frames.WindowFrame(100_000), 1.0)
    session.write(bytes(FULL * 20))
    assert sum(size for _, _, size in sent(session, 1.0)) == 100_000 // FULL * FULL


def test_the_far_ends_window_is_kept() -> None:
    """A sender goes no further ahead than WELCOME allows, nor than its own bound."""
    session = Session()
    session.add_link(1, 0.0)
    session.limit_window(10_000)
    for _ in range(10):
        session.write(bytes(limits.UNSENT_BYTES))
    sent = [frame for _, frame in session.transmit(0.0) if isinstance(frame, Data)]
    assert sum(len(frame.payload) for frame in sent) == 10_000
    session.limit_window(1 << 31)
    session.transmit(0.0)
    assert session.sent <= limits.SESSION_WINDOW_BYTES


def test_held_bytes_count_what_pieces_cost() -> None:
    """Tiny segments behind a gap, and unacknowledged ones, count for more than their bytes."""
    session = Session()
    session.add_link(1, 0.0)
    assert session.held_bytes == 0
    for n in range(100):
        session.receive(1, Data(2 * n + 1, b"x"), 0.0)
    assert session.held_bytes == 100 * (limits.PIECE_COST_BYTES + 1)
    session.receive(1, Data(0, bytes(200)), 0.0)
    assert session.held_bytes == 0
    session.write(bytes(1000))
    assert session.held_bytes == 1000
    session.transmit(0.0)
    assert session.held_bytes == 1000 + limits.PIECE_COST_BYTES
    assert (session.progress, session.sent) == (200, 1000)
