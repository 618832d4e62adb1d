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


class SessionSource(Protocol):
    """Finds or starts the session that a HELLO asks for."""

    def admit(self, hello: Hello) -> tuple[Tunnel, bool]:
        """Return the session, and whether it existed before. Raises PeerError."""


class ExitHandshake:
    """Handles a link until its client has said which session it belongs to."""

    def __init__(self, sessions: SessionSource, done: Callable[[], None]) -> None:
        """`done` is called when the handshake is over, whichever way, and may be called again."""
        self._sessions = sessions
        self._done = done
        self.estimator: LinkEstimator | None = None
        """What the session measures of the link; None as long as the link has not joined one."""

    def link_ready(self, link: SecureLink) -> None:
        """Wait: the client sends the first frame."""

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Take HELLO, attach the link to its session, and hand on the frames after HELLO."""
        if isinstance(frames[0], Drain):
            self.link_draining(link)
            return
        try:
            tunnel = self._welcome(link, frames[0])
        except PeerError as error:
            link.send([Refused(error.code)])
            raise
        self._done()
        if frames[1:]:
            tunnel.link_frames(link, frames[1:])

    def link_windows(self, link: SecureLink) -> None:
        """Ignore windows: nothing is sent before the session has the link."""

    def link_draining(self, link: SecureLink) -> None:
        """Close the link: its volunteer leaves before the link was used."""
        link.close(LinkCode.DRAINING)
        self._done()

    def link_control(self, link: SecureLink, message: Control) -> None:
        """Ignore control messages: before HELLO an exit acts on none."""

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """End the handshake."""
        self._done()

    def _welcome(self, link: SecureLink, first: Frame) -> Tunnel:
        if not isinstance(first, Hello):
            raise PeerError(LinkCode.UNEXPECTED, "a link must begin with HELLO")
        if first.version != VERSION:
            raise PeerError(LinkCode.VERSION, f"link protocol version {first.version}")
        tunnel, resumed = self._sessions.admit(first)
        try:
            tunnel.acknowledged_to(first.received)
            self.estimator = tunnel.attach(link)
        except PeerError:
            if not resumed:
                tunnel.close()  # or it would wait for a first link as if it had lost one
            raise
        # Nothing goes ahead of it: the session sends from the next turn of the loop on.
        link.send([Welcome(resumed, tunnel.received, SESSION_WINDOW_BYTES)])
        link.hand_over(tunnel)
        return tunnel
