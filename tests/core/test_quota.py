from __future__ import annotations

import pytest

from passerelle import limits
from passerelle.core.quota import Accounts, Quota
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
    assert account.open_stream(0, now=0)
    assert account.open_stream(1, now=0)
    assert not account.open_stream(2, now=0)  # the session's bound
    assert account.open_stream(0, now=0)
    assert not account.open_stream(1, now=0)  # the ticket's
    account.close_stream()
    assert account.open_stream(1, now=0)


def test_new_streams_are_paced() -> None:
    quota = Quota(streams=10**6, new_streams_per_s=10, new_streams_burst=20)
    account = Accounts(quota).open_session(TICKET, 60, now=0)
    opened = sum(account.open_stream(0, now=n / 100) for n in range(1000))
    assert opened == pytest.approx(20 + 10 * 10, abs=1)


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
    assert account.open_stream(0, now=0)
    account.close_stream()
    accounts.close_session(account)
    assert accounts.open_session(TICKET, 60, now=1) is account
    assert not account.open_stream(0, now=1)


def test_tickets_are_forgotten_when_they_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expired and without a session; never one in use. The table is bounded all the same."""
    monkeypatch.setattr(limits, "EXIT_ACCOUNTS", 3)
    accounts = Accounts(Quota())
    used = accounts.open_session(b"used", 1, now=0)
    idle = accounts.open_session(b"idle", 1, now=0)
    accounts.close_session(idle)
    accounts.open_session(b"good", 60, now=0)
    with pytest.raises(PeerError) as caught:
        accounts.open_session(b"more", 60, now=0.5)
    assert caught.value.code is LinkCode.LIMIT
    accounts.open_session(b"more", 60, now=2)
    assert len(accounts) == 3
    assert accounts.open_session(b"used", 60, now=2) is used
