"""Limits at an exit for each client ticket, over all sessions that the ticket has opened.

A session belongs to the ticket in its first HELLO. An account stays until its ticket has expired,
so a client does not get a fresh allowance by ending its sessions and coming back.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.core.ledger import Ledger
from passerelle.core.origin import UNKNOWN
from passerelle.core.shares import ShareTable
from passerelle.errors import LinkCode, PeerError

BYTES_BURST_S = 2.0
"""A limited byte rate may be exceeded by this many seconds' worth of bytes, because pages come in
bursts."""

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of each client ticket."""

    sessions: int = 8
    """Sessions that exist at once. A client that lost a session starts another one while the lost
    one still waits at the exit, so more than one is needed."""
    streams: int = 512
    """Streams open at once, in all sessions of the ticket."""
    streams_per_session: int = limits.STREAMS_PER_SESSION
    """Streams open at once in each session; at most `limits.STREAMS_PER_SESSION`."""
    new_streams_per_s: float = 30.0
    """New streams and UDP flows a second, in the long run. Each goes to one destination, and one
    that comes too soon waits for its turn."""
    new_streams_burst: int = 400
    """New streams and UDP flows at once; a page of 400 pictures needs no turns."""
    bytes_per_s: float | None = None
    """Bytes a second, both directions of all streams together; None means no limit."""
    requests_per_hour: float = 20_000
    """Requests of reading pages, in the long run, and at once. A page of news takes a hundred."""
    answer_bytes_per_hour: float = 8 * 1024 * limits.MIB
    """Bytes of answers to these, in the long run, and at once: four hours of video."""


class Account:
    """The amount of each limit that one ticket uses."""

    __slots__ = (
        *("_answer_bytes", "_bytes", "_quota", "_requests", "_streams_new"),
        *("expires_s", "ledger", "origin", "sessions", "streams", "ticket_id"),
    )

    def __init__(
        self,
        quota: Quota,
        expires_s: float,
        now: float,
        *,
        ticket_id: bytes = b"",
        origin: bytes = UNKNOWN,
    ) -> None:
        """`expires_s` is when the ticket expires, in monotonic seconds like `now`; `origin`
        (`core.origin`) is whom the ticket's tags say that it counts for.
        """
        self._quota = quota
        self.ticket_id = ticket_id
        self.origin = origin
        self.expires_s = expires_s
        self.ledger = Ledger(now)
        """What all sessions of the ticket cost."""
        self.sessions = 0
        self.streams = 0
        self._streams_new = Bucket(quota.new_streams_per_s, quota.new_streams_burst, now)
        rate = quota.bytes_per_s
        self._bytes = None if rate is None else Bucket(rate, rate * BYTES_BURST_S, now)
        self._requests, self._answer_bytes = (
            Bucket(most / HOUR_S, most, now)
            for most in (quota.requests_per_hour, quota.answer_bytes_per_hour)
        )

    def open_stream(self, in_session: int, now: float) -> float | None:
        """Count one more stream or UDP flow, unless a limit forbids it; None: it does.

        Returns the seconds until its turn by the rate of new ones; a turn beyond
        `limits.STREAM_TURN_S` is none. `in_session` is how many streams its session already has.
        """
        quota = self._quota
        if self.streams >= quota.streams or in_session >= quota.streams_per_session:
            return None
        if self._streams_new.left(now) - 1 < -limits.STREAM_TURN_S * quota.new_streams_per_s:
            return None
        self.streams += 1
        return self._streams_new.spend(1, now)

    def close_stream(self) -> None:
        """Count one open stream or UDP flow fewer."""
        self.streams -= 1

    def open_request(self, now: float) -> float | None:
        """Count one more request of a reading page, which is an open stream, too.

        Returns what `open_stream` returns. None also means that the requests or the bytes of an
        hour are used up.
        """
        if self._answer_bytes.left(now) <= 0 or self._requests.left(now) < 1:
            return None
        turn_s = self.open_stream(0, now)
        if turn_s is not None:
            self._requests.spend(1, now)
        return turn_s

    def answer(self, size: int, now: float) -> float:
        """Count bytes of an answer; return how many seconds to wait before sending more."""
        self._answer_bytes.spend(size, now)
        return self.spend(size, now)

    def spend(self, size: int, now: float) -> float:
        """Count `size` bytes, and return how many seconds to wait before moving more."""
        return 0.0 if self._bytes is None else self._bytes.spend(size, now)


class Accounts:
    """The accounts of all tickets at one exit. Times are monotonic seconds.

    Accounts with a session are as many as sessions at most. Of the others, at most
    `limits.EXIT_ACCOUNTS` are remembered. Beyond that, a ticket of whoever has most gets a fresh
    allowance, which is little to somebody with so many.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._accounts: OrderedDict[bytes, Account] = OrderedDict()
        """Accounts by ticket id, the one used last at the end."""
        self._idle: ShareTable[bytes] = ShareTable(limits.EXIT_ACCOUNTS, oldest_first=True)
        """Ticket ids of the accounts without a session."""

    def __len__(self) -> int:
        """Return how many tickets have an account."""
        return len(self._accounts)

    def open_session(
        self, ticket_id: bytes, life_s: float, now: float, origin: bytes = UNKNOWN
    ) -> Account:
        """Count one more session of a ticket, and return the ticket's account.

        `life_s` is how long the ticket is still valid. Raises PeerError(LIMIT) when the ticket has
        as many sessions as it may have.
        """
        account = self._accounts.get(ticket_id)
        if account is None:
            self._sweep(now)
            account = Account(self._quota, now + life_s, now, ticket_id=ticket_id, origin=origin)
            self._accounts[ticket_id] = account
        self._accounts.move_to_end(ticket_id)
        if account.sessions >= self._quota.sessions:
            raise PeerError(LinkCode.LIMIT, "as many sessions as one ticket may have")
        account.sessions += 1
        self._idle.discard(ticket_id)
        return account

    def close_session(self, account: Account) -> None:
        """Count one session fewer."""
        account.sessions -= 1
        if account.sessions == 0:
            gone = self._idle.add(account.ticket_id, account.origin)
            if gone is not None:
                del self._accounts[gone]

    def _sweep(self, now: float) -> None:
        # Look at a bounded number of accounts, those unused for longest first. Each one is looked
        # at only a few times, because those that are still needed move to the end.
        for ticket_id in list(itertools.islice(self._accounts, limits.EXIT_ACCOUNTS_SWEPT)):
            account = self._accounts[ticket_id]
            if account.sessions == 0 and account.expires_s <= now:
                del self._accounts[ticket_id]
                self._idle.discard(ticket_id)
            else:
                self._accounts.move_to_end(ticket_id)
