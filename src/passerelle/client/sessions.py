"""The session that new streams open in, and what follows a session that leaves or ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from passerelle.client.exits import ExitHealth
from passerelle.client.pool import LinkPool
from passerelle.client.session import ClientSession
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.wire.control import Control

_log = logging.getLogger(__name__)


class Sessions:
    """The present session, and those whose exit goes away while their streams finish.

    There is always a present session, with links or without: one that leaves or ends is followed
    by a new one at once.
    """

    def __init__(
        self,
        links: LinkPool,
        exits: ExitHealth,
        *,
        exit_count: Callable[[], int],
        grace_s: float,
        changed: Callable[[], None],
    ) -> None:
        """`exit_count` tells how many exits the network has.

        `changed` is called when the present session is another one, or one of its links will end:
        it needs links then. `grace_s` as in `ClientSession`.
        """
        self._links = links
        self._exits = exits
        self._exit_count = exit_count
        self._grace_s = grace_s
        self._changed = changed
        self._linked = asyncio.Event()
        self._leaving: list[ClientSession] = []
        """Sessions whose exit goes away, and that have not ended."""
        self._closing = False
        self._present = self._new_session()

    def _new_session(self) -> ClientSession:
        return ClientSession(self, grace_s=self._grace_s)

    @property
    def present(self) -> ClientSession:
        """The session that new streams open in, and that links are made for."""
        return self._present

    @property
    def is_changing_exit(self) -> bool:
        """Whether the present session waits to begin at another exit.

        It must not begin at two: the links to this one that are being made fail first, or one of
        them is welcomed and it stays. More links to this exit would be in vain.
        """
        session = self._present
        waits = session.exit_seems_gone and session.may_change_exit
        return waits and bool(self._links.connecting(session))

    async def linked_tunnel(self) -> Tunnel:
        """Return the present session's tunnel once a link carries it.

        Data may follow HELLO, so the exit's WELCOME is not waited for. Cancelling changes nothing.
        """
        while not self._is_usable(self._present):
            self._linked.clear()
            await self._linked.wait()
        return self._present.tunnel

    def _is_usable(self, session: ClientSession) -> bool:
        # An exit may have forgotten a session that was without links for a while, so that nothing
        # new is opened in it before a link is welcomed again.
        return bool(self._links.up(session) if session.welcomed else session.tunnel.link_count)

    def interrupted(self) -> None:
        """Give all links up. A session in which nothing is open is followed by a new one.

        An exit may have forgotten it, and would say so only to the first new link.
        """
        for session in (*self._leaving, self._present):
            self._links.give_up(session, "this computer slept, or is in another network")
        if self._present.welcomed and not self._present.tunnel.stream_count:
            self._present.tunnel.close()

    def close(self) -> None:
        """End all sessions, at their exits too. Idempotent."""
        self._closing = True
        for session in (*self._leaving, self._present):
            session.tunnel.close()

    def exit_seems_gone(self) -> None:
        """Leave the present exit, unless a link to it is up or the network has no other exit.

        A session that no exit can have taken anything of moves, once no link to its exit is being
        made. Any other session ends, and a new one follows it.
        """
        session = self._present
        if self._closing or self._links.up(session) or self._exit_count() < 2:
            return
        session.exit_seems_gone = True
        if self.is_changing_exit:
            return
        _log.info("the exit cannot be reached; going to another one")
        self._exits.avoid(session.exit_id, time.monotonic())
        if session.may_change_exit:
            session.exit_id = None
            session.exit_seems_gone = False
        else:
            _close_soon(session)

    # --- SessionOwner ---------------------------------------------------------------------------

    def session_linked(self, session: ClientSession) -> None:
        """Let those who wait for a link go on."""
        self._linked.set()

    def links_changed(self) -> None:
        """Let those who wait for a link look again."""
        self._linked.set()

    def session_leaving(self, session: ClientSession) -> None:
        """Put a new session in place of one whose exit goes away; its open streams may finish."""
        if session is not self._present or self._closing:
            return
        _log.info("the exit goes away; moving to another one")
        self._exits.avoid(session.exit_id, time.monotonic())
        self._leaving.append(session)
        self._present = self._new_session()
        if not session.tunnel.stream_count:
            _close_soon(session)
        self._changed()

    def session_ended(self, session: ClientSession, reason: LinkCode) -> None:
        """Put a new session in place of one that is lost."""
        if session in self._leaving:
            self._leaving.remove(session)
        if session is self._present and not self._closing:
            _log.info("the session ended (%s); starting a new one", reason.name.lower())
            self._present = self._new_session()
            self._changed()

    def link_down(self, number: int, error: LinkLost) -> None:
        """Tell the pool of a link that ended, and leave the exit when several vanish at once."""
        link = self._links.link_down(number, error)
        if link is None or link.session is not self._present:
            return
        if error.code is LinkCode.TIMEOUT:
            self._exits.link_fell_silent()
        vanished = error.code is LinkCode.TRANSPORT
        if vanished and self._exits.link_vanished(link.path.volunteer, time.monotonic()):
            self.exit_seems_gone()

    def link_leaving(self, number: int) -> None:
        """Have the link replaced."""
        self._changed()

    def link_control(self, number: int, message: Control) -> None:
        """Hand a relay's answer for a lane to the pool."""
        self._links.relay_said(message)


def _close_soon(session: ClientSession) -> None:
    """Close a session in the next turn of the loop, because its tunnel may be calling just now."""
    asyncio.get_running_loop().call_soon(session.tunnel.close)
