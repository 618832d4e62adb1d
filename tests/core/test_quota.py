from __future__ import annotations

import pytest

from passerelle import limits
from passerelle.core.quota import Account, Accounts, Quota
from passerelle.errors import LinkCode, PeerError

TICKET = bytes(16)


def test_sessions_of_one_ticket_are_bounded() -> None:
    """And those that ended make room; other tickets are not touched."""
    accounts = Accounts(Quota(sessions=2))
    first = accounts.open_session(TICKET, 60, now=0)
    assert accounts.open_session(TICKET, 60, now=0) is first
    with pytest.raises(PeerError) as caught:
        accounts.open_session(TICKET, 60, now=0)
    assert caught.value.code is LinkCode.LIMIT
    assert accounts.open_session(b"other".ljust(16), 60, now=0) is not first
    accounts.close_session(first)
    assert accounts.open_session(TICKET, 60, now=0) is first


def test_streams_are_bounded_by_ticket_and_by_session() -> None:
    account = Accounts(Quota(streams=3, streams_per_session=2)).open_session(TICKET, 60, now=0)
    assert account.open_stream(0, now=0) == 0
    assert account.open_stream(1, now=0) == 0
    assert account.open_stream(2, now=0) is None  # the session's bound
    assert account.open_stream(0, now=0) == 0
    assert account.open_stream(1, now=0) is None  # the ticket's
    account.close_stream()
    assert account.open_stream(1, now=0) == 0


def test_new_streams_wait_for_their_turns() -> None:
    """Each turn comes after the last one by the rate; a stream for which none is near gets none."""
    quota = Quota(streams=10**6, new_streams_per_s=10, new_streams_burst=20)
    account = Accounts(quota).open_session(TICKET, 60, now=0)
    assert [account.open_stream(0, now=0) for _ in range(20)] == [0] * 20
    waiting = 10 * limits.STREAM_TURN_S
    turns = [account.open_stream(0, now=0) for _ in range(waiting)]
    assert turns == pytest.approx([(number + 1) / 10 for number in range(waiting)])
    assert account.open_stream(0, now=0) is None
    assert account.open_stream(0, now=0.1) == pytest.approx(limits.STREAM_TURN_S)


def test_a_stream_without_a_turn_costs_none() -> None:
    """Who is refused on and on is served as soon as a turn is near again."""
    account = Accounts(Quota(new_streams_per_s=1, new_streams_burst=1)).open_session(
        TICKET, 60, now=0
    )
    given = [account.open_stream(0, now=0) for _ in range(1000)]
    assert sum(turn is not None for turn in given) == 1 + limits.STREAM_TURN_S
    assert account.open_stream(0, now=1) == pytest.approx(limits.STREAM_TURN_S)


def test_bytes_are_paced_where_wanted() -> None:
    free = Accounts(Quota()).open_session(TICKET, 60, now=0)
    assert free.spend(10**12, now=0) == 0
    paced = Accounts(Quota(bytes_per_s=1000)).open_session(TICKET, 60, now=0)
    assert paced.spend(2000, now=0) == 0
    assert paced.spend(500, now=0) == pytest.approx(0.5)


def test_coming_back_is_no_fresh_start() -> None:
    """As long as the ticket is good, what it used is remembered."""
    accounts = Accounts(Quota(new_streams_per_s=0.001, new_streams_burst=1))
    account = accounts.open_session(TICKET, 60, now=0)
    assert account.open_stream(0, now=0) == 0
    account.close_stream()
    accounts.close_session(account)
    assert accounts.open_session(TICKET, 60, now=1) is account
    assert account.open_stream(0, now=1) is None


def test_tickets_are_forgotten_when_they_are_over() -> None:
    """Expired and without a session; never one in use."""
    accounts = Accounts(Quota())
    used = accounts.open_session(b"used", 1, now=0)
    idle = accounts.open_session(b"idle", 1, now=0)
    accounts.close_session(idle)
    accounts.open_session(b"good", 60, now=0)
    assert len(accounts) == 3
    accounts.open_session(b"more", 60, now=2)
    assert len(accounts) == 3
    assert accounts.open_session(b"used", 60, now=2) is used


def test_used_tickets_of_one_network_lock_no_other_one_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The table is bounded, and it is the heaviest network's tickets that are forgotten."""
    monkeypatch.setattr(limits, "EXIT_ACCOUNTS", 100)
    accounts = Accounts(Quota(new_streams_per_s=0.001, new_streams_burst=1))
    honest = accounts.open_session(b"honest", 3600, now=0, origin=b"4xyz")
    assert honest.open_stream(0, now=0) == 0
    accounts.close_session(honest)
    for number in range(1000):
        ticket_id = number.to_bytes(16, "big")
        accounts.close_session(accounts.open_session(ticket_id, 3600, now=0, origin=b"4abc"))
    assert len(accounts) == 100
    assert accounts.open_session(b"new", 3600, now=1, origin=b"4new").sessions == 1
    assert accounts.open_session(b"honest", 3600, now=1, origin=b"4xyz") is honest
    assert honest.open_stream(0, now=1) is None, "and what it has used is remembered"


def test_an_hours_requests_and_bytes_run_out() -> None:
    """What a reading page may ask for comes back little by little."""
    account = Account(Quota(requests_per_hour=2, answer_bytes_per_hour=100), 100, 0)
    assert account.open_request(0) == 0
    assert account.open_request(0) == 0
    assert account.open_request(0) is None
    assert account.streams == 2
    assert account.open_request(1800) is not None
    account.answer(200, 1800)
    assert account.open_request(3600) is None
    assert account.open_request(7200) is not None
