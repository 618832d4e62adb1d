"""One session at the client: its tunnel, and what is known of it at its exit."""

from __future__ import annotations

import secrets
from typing import Protocol

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.wire.control import Control
from passerelle.wire.frames import SESSION_ID_BYTES


class SessionOwner(Protocol):
    """Who brings links to sessions, and decides what follows one that leaves or ends."""

    def session_linked(self, session: ClientSession) -> None:
        """A link begins to carry the session."""

    def session_leaving(self, session: ClientSession) -> None:
        """The exit will go away: open nothing new in the session. Called once."""

    def session_ended(self, session: ClientSession, reason: LinkCode) -> None:
        """The session is over, and its streams have failed. Called once."""

    def link_down(self, number: int, error: LinkLost) -> None:
        """A link of a session ended; the session goes on."""

    def link_leaving(self, number: int) -> None:
        """A link of a session will end soon, or has fallen silent."""

    def link_control(self, number: int, message: Control) -> None:
        """The relay of a link says something."""


class ClientSession:
    """A session with one exit.

    It is the handler of its own tunnel, and tells its owner what the tunnel tells it.
    """

    def __init__(self, owner: SessionOwner, *, grace_s: float) -> None:
        """`grace_s`: the session outlives the loss of all its links for so long."""
        self.id = secrets.token_bytes(SESSION_ID_BYTES)
        """128 random bits that only the exit learns. The client chooses them and so need not wait
        for an answer before it sends HELLO and data."""
        self.tunnel = Tunnel(self, client=True, grace_s=grace_s)
        self.exit_id: str | None = None
        """The exit that holds the session; None until the first link is made."""
        self.exit_seems_gone = False
        """Whether it is to begin at another exit, once no link to this one is being made."""
        self.welcomed = False
        """Once true, an exit that does not know the session has lost it."""
        self.unanswered = False
        """Whether a link that had said HELLO ended without an answer: the exit may have acted."""
        self._owner = owner

    @property
    def may_change_exit(self) -> bool:
        """Whether no exit can have taken anything of the session: it may begin at another one."""
        return not (self.welcomed or self.unanswered)

    def attach(self, link: SecureLink) -> None:
        """Let `link` carry the session. Raises PeerError(LIMIT) when the session has too many."""
        self.tunnel.attach(link)
        self._owner.session_linked(self)

    # --- TunnelHandler --------------------------------------------------------------------------

    def link_down(self, number: int, error: LinkLost) -> None:
        """See `SessionOwner.link_down`."""
        self._owner.link_down(number, error)

    def link_leaving(self, number: int) -> None:
        """See `SessionOwner.link_leaving`."""
        self._owner.link_leaving(number)

    def link_control(self, number: int, message: Control) -> None:
        """See `SessionOwner.link_control`."""
        self._owner.link_control(number, message)

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Never called here: only the client of an HTTP/2 connection requests anything."""

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Never called here, as `stream_requested`."""

    def request_malformed(self) -> None:
        """Never called here, as `stream_requested`."""

    def tunnel_leaving(self) -> None:
        """See `SessionOwner.session_leaving`."""
        self._owner.session_leaving(self)

    def tunnel_ended(self, reason: LinkCode) -> None:
        """See `SessionOwner.session_ended`."""
        self._owner.session_ended(self, reason)
