"""A link's first frames at the exit: HELLO in, WELCOME or REFUSED out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from passerelle.core.tunnel.estimator import LinkEstimator
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.limits import SESSION_WINDOW_BYTES
from passerelle.wire.control import Control
from passerelle.wire.frames import VERSION, Drain, Frame, Hello, Refused, Welcome


class Sessions(Protocol):
    """Where sessions are found."""

    def admit(self, hello: Hello) -> tuple[Tunnel, bool]:
        """Return the session a HELLO asks for, and whether it existed. Raises PeerError."""


def _nothing() -> None:
    pass


class ExitHandshake:
    """Handles a link until its client has said which session it belongs to."""

    def __init__(self, sessions: Sessions, done: Callable[[], None] = _nothing) -> None:
        self._sessions = sessions
        self.done = done
        """Called as soon as the client need not be waited for any more."""
        self.estimator: LinkEstimator | None = None
        """What the session measures of the link; None as long as the link has not joined one."""

    def link_ready(self, link: SecureLink) -> None:
        """The client speaks first."""

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Take HELLO, join the session, and hand what followed HELLO to it."""
        if isinstance(frames[0], Drain):
            self.link_draining(link)
            return
        try:
            tunnel = self._welcome(link, frames[0])
        except PeerError as error:
            link.send([Refused(error.code)])
            raise
        self.done()
        if frames[1:]:
            tunnel.link_frames(link, frames[1:])

    def link_windows(self, link: SecureLink) -> None:
        """Nothing is sent before the session has the link."""

    def link_draining(self, link: SecureLink) -> None:
        """A link that leaves before it was used is of no use."""
        link.close(LinkCode.DRAINING)
        self.done()

    def link_control(self, link: SecureLink, message: Control) -> None:
        """A relay says nothing here that an exit acts on."""

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """Nobody waits for it."""
        self.done()

    def _welcome(self, link: SecureLink, first: Frame) -> Tunnel:
        if not isinstance(first, Hello):
            raise PeerError(LinkCode.UNEXPECTED, "a link must begin with HELLO")
        if first.version != VERSION:
            raise PeerError(LinkCode.VERSION, f"link protocol version {first.version}")
        tunnel, resumed = self._sessions.admit(first)
        tunnel.acknowledged_to(first.received)
        self.estimator = tunnel.attach(link)
        # Nothing goes ahead of it: the session sends from the next turn of the loop on.
        link.send([Welcome(resumed, tunnel.received, SESSION_WINDOW_BYTES)])
        link.hand_over(tunnel)
        return tunnel
