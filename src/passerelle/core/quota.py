"""What one client ticket entitles to at an exit, over all sessions that it started.

A session belongs to the ticket of its first HELLO. Accounts outlive their sessions until the ticket
has expired, so that coming back does not make a fresh start.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.errors import LinkCode, PeerError

BYTES_BURST_S = 2.0
"""A rate limit lets through so many seconds' worth at once: pages come in bursts."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Bounds for each client ticket."""

    sessions: int = 8
    """Sessions alive at once. A client that lost one starts another while the old one waits."""
    streams: int = 512
    """Streams open at once, over all its sessions."""
    streams_per_session: int = limits.STREAMS_PER_SESSION
    """… and in each of them, at most `limits.STREAMS_PER_SESSION`."""
    new_streams_per_s: float = 30.0
    """New streams and UDP flows a second that it may go on opening, one destination each."""
    new_streams_burst: int = 200
    """… and at once: a page with everything on it."""
    bytes_per_s: float | None = None
    """Bytes a second, both directions of all its streams together; None: no limit."""


class Account:
    """What a ticket has used."""

    __slots__ = ("_bytes", "_quota", "_streams_new", "expires_s", "sessions", "streams")

    def __init__(self, quota: Quota, expires_s: float, now: float) -> None:
        """`expires_s`: when the ticket does, as `Accounts` counts time."""
        self._quota = quota
        self.expires_s = expires_s
        self.sessions = 0
        self.streams = 0
        self._streams_new = Bucket(quota.new_streams_per_s, quota.new_streams_burst, now)
        rate = quota.bytes_per_s
        self._bytes = None if rate is None else Bucket(rate, rate * BYTES_BURST_S, now)

    def open_stream(self, in_session: int, now: float) -> bool:
        """Count one more stream, if it may be opened beside `in_session` others of its session."""
        quota = self._quota
        if self.streams >= quota.streams or in_session >= quota.streams_per_session:
            return False
        if not self.may_start(now):
            return False
        self.streams += 1
        return True

    def may_start(self, now: float) -> bool:
        """Count the start of a stream or a UDP flow, if one may be started now."""
        return self._streams_new.take(now)

    def close_stream(self) -> None:
        """One stream fewer."""
        self.streams -= 1

    def spend(self, size: int, now: float) -> float:
        """Count bytes; return the seconds after which more may be moved."""
        return 0.0 if self._bytes is None else self._bytes.spend(size, now)


class Accounts:
    """The accounts of one exit, by ticket id. Times are monotonic seconds."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._accounts: OrderedDict[bytes, Account] = OrderedDict()
        """Those used last at the end."""

    def __len__(self) -> int:
        """Return how many tickets are remembered."""
        return len(self._accounts)

    def open_session(self, ticket_id: bytes, life_s: float, now: float) -> Account:
        """Return the ticket's account with one more session in it.

        `life_s` is how long the ticket is still good. Raises PeerError(LIMIT).
        """
        account = self._accounts.get(ticket_id)
        if account is None:
            self._make_room(now)
            account = Account(self._quota, now + life_s, now)
            self._accounts[ticket_id] = account
        self._accounts.move_to_end(ticket_id)
        if account.sessions >= self._quota.sessions:
            raise PeerError(LinkCode.LIMIT, "as many sessions as one ticket may have")
        account.sessions += 1
        return account

    def close_session(self, account: Account) -> None:
        """One session fewer."""
        account.sessions -= 1

    def _make_room(self, now: float) -> None:
        # From the oldest on, as far as they are over: each is looked at a few times in its life.
        for ticket_id in list(self._accounts)[: limits.EXIT_ACCOUNTS_SWEPT]:
            account = self._accounts[ticket_id]
            if account.sessions == 0 and account.expires_s <= now:
                del self._accounts[ticket_id]
            else:
                self._accounts.move_to_end(ticket_id)
        if len(self._accounts) >= limits.EXIT_ACCOUNTS:
            raise PeerError(LinkCode.LIMIT, "this exit remembers as many tickets as it can")
