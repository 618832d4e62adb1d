"""The links of one tunnel, and the timers after which a link, or a session without any, ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from passerelle.core.tunnel.estimator import LinkEstimator
from passerelle.core.tunnel.session import Session
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.link import SecureLink
from passerelle.wire.frames import Frame

LEAVING_S = 5.0
"""A link whose relay announced its end is closed after this time. Relays announce two seconds."""


class LinkTable:
    """Links by number. The table tells the session of each link that comes, drains or goes."""

    def __init__(
        self,
        session: Session,
        *,
        grace_s: float,
        dropped: Callable[[int, LinkLost], None],
        expired: Callable[[], None],
    ) -> None:
        """`dropped` is called with each link that has left the table, except by `end`.

        `expired` is called when the table has been empty for `grace_s`.
        """
        self._session = session
        self._grace_s = grace_s
        self._dropped = dropped
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._links: dict[int, SecureLink] = {}
        self._leaving: dict[int, asyncio.TimerHandle] = {}
        """Links whose relays announced their end, each with the timer that closes it."""
        self._expiry: asyncio.TimerHandle | None = None
        """Runs while the table is empty."""
        self._await_link()

    def __len__(self) -> int:
        """Return how many links there are, stalled and draining ones included."""
        return len(self._links)

    def add(self, link: SecureLink) -> LinkEstimator:
        """Add a link and return what the session measures of it.

        Raises PeerError(LIMIT) when the session has too many links.
        """
        self._session.add_link(link.number, self._loop.time())
        self._links[link.number] = link
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        return self._session.estimator(link.number)

    def drain(self, link: SecureLink) -> bool:
        """Send nothing new over a link whose relay announced its end; return whether that is news.

        A relay that stays is sent away after `LEAVING_S`.
        """
        number = link.number
        if self._links.get(number) is not link or number in self._leaving:
            return False
        self._leaving[number] = self._loop.call_later(
            LEAVING_S, self._dismiss, number, "the relay announced its end and stayed"
        )
        self._session.drain_link(number)
        return True

    def drop(self, number: int, error: LinkLost) -> None:
        """Remove a link that is over. What it held goes over the others. Idempotent."""
        if self._links.pop(number, None) is None:
            return
        if leaving := self._leaving.pop(number, None):
            leaving.cancel()
        self._session.remove_link(number, self._loop.time())
        if not self._links:
            self._await_link()
        self._dropped(number, error)

    def send(self, frames: list[tuple[int, Frame]]) -> None:
        """Send frames, each over the link whose number comes with it."""
        by_link: dict[int, list[Frame]] = {}
        for number, frame in frames:
            by_link.setdefault(number, []).append(frame)
        for number, batch in by_link.items():
            if link := self._links.get(number):
                link.send(batch)

    def broadcast(self, frame: Frame) -> None:
        """Send a frame over every link."""
        for link in tuple(self._links.values()):
            link.send([frame])

    def heed_windows(self) -> None:
        """Let links that know their path decide how much is under way on them."""
        for number, link in self._links.items():
            windows = link.windows(self._session.estimator(number).min_rtt_s)
            if windows is not None:
                self._session.set_windows(number, send=windows.send, receive=windows.receive)
                if windows.is_silent:
                    self._session.ask(number, self._loop.time())

    def tick(self) -> list[int]:
        """Let the session do what is due, and close the links that it finds dead.

        Return those that it finds silent for the first time.
        """
        for number in self._session.tick(self._loop.time()):
            self._dismiss(number, "the link fell silent")
        return self._session.fell_silent

    def end(self, reason: LinkCode, *, tell: bool) -> None:
        """Close all links and stop all timers; with `tell`, CLOSE ends the session at the far end.

        Each link's handler hears of it: at a client, a link that waits for its WELCOME is handled
        by a handshake for which somebody waits.
        """
        for timer in (self._expiry, *self._leaving.values()):
            if timer is not None:
                timer.cancel()
        links, self._links = self._links, {}
        for link in links.values():
            link.give_up(LinkLost(reason, "the session ended"), ends_session=tell)

    def _dismiss(self, number: int, reason: str) -> None:
        self._links[number].close(LinkCode.TIMEOUT)
        self.drop(number, LinkLost(LinkCode.TIMEOUT, reason))

    def _await_link(self) -> None:
        self._expiry = self._loop.call_later(self._grace_s, self._expired)
