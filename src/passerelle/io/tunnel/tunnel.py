"""One end of a session at work: links below, streams above, and the clock.

`Tunnel` is the shell that both roles share. It feeds frames from links to the `Session`, lets the
`StreamTable` move bytes between session and streams, and sends what the session cuts over the
`LinkTable`. Bytes go down a little at a time: a stream's data leaves the stream's own queue only
when a link can take it, so a quiet stream never waits behind a busy one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from passerelle import limits
from passerelle.core.ledger import Ledger
from passerelle.core.tunnel.estimator import LinkEstimator
from passerelle.core.tunnel.rotation import UNLIMITED_BYTES
from passerelle.core.tunnel.session import Session
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tunnel.fairturns import FairTurns
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.linktable import LinkTable
from passerelle.io.tunnel.pace import Pace
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.io.tunnel.streamtable import RequestHandler, StreamTable
from passerelle.wire.control import Control
from passerelle.wire.frames import Close, Drain, Frame

_log = logging.getLogger(__name__)


class TunnelHandler(RequestHandler, Protocol):
    """Owns a tunnel."""

    def link_down(self, number: int, error: LinkLost) -> None:
        """A link ended; the session goes on."""

    def link_leaving(self, number: int) -> None:
        """A link will end soon, or nobody answers at its far end: get another."""

    def link_control(self, number: int, message: Control) -> None:
        """A link's relay says something."""

    def tunnel_leaving(self) -> None:
        """At the client: the exit will go away; open nothing new in this session. Called once."""

    def tunnel_ended(self, reason: LinkCode) -> None:
        """The session is over. Called once."""


class Tunnel:
    """One end of one session, its links and its streams.

    It is a `LinkHandler`: a handshake that has found the session attaches the link, and then hands
    the link over to the tunnel. It is a `TurnTaker` where an exit's sessions send in turns.
    """

    def __init__(
        self,
        handler: TunnelHandler,
        *,
        client: bool,
        grace_s: float,
        flows: bool = True,
        turns: FairTurns | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        """`grace_s` is how long the session outlives the loss of all its links.

        `flows` says, at the exit, whether UDP is offered. `turns` gives the turns in which this
        session and others send what their streams have, and receive; with None, this session does
        both at any time. What the far side costs is charged to `ledger`, with None to one of its
        own.
        """
        self._handler = handler
        self._client = client
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self._session = Session()
        self._links = LinkTable(
            self._session, grace_s=grace_s, dropped=self._dropped, expired=self._expired
        )
        ledger = ledger or Ledger()
        self._streams = StreamTable(
            self._session, handler, self._schedule, client=client, flows=flows, ledger=ledger
        )
        self._pace = None if turns is None else Pace(ledger, turns.rounds, self._session)
        self._exit_leaves = False
        """At the client: whether the exit has said that it will go away."""
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._schedule()

    @property
    def ended(self) -> bool:
        """Whether the session is over."""
        return self._ended

    @property
    def received(self) -> int:
        """Offset up to which everything has arrived, for HELLO and WELCOME."""
        return self._session.received

    @property
    def ready_links(self) -> int:
        """How many links can take new data."""
        return len(self._session.ready_links)

    @property
    def link_count(self) -> int:
        """How many links carry the session, stalled and draining ones included."""
        return len(self._links)

    @property
    def held_bytes(self) -> int:
        """Memory that the session and its streams hold, for the far side or for the near one."""
        return self._session.held_bytes + self._streams.held_bytes

    @property
    def settled(self) -> bool:
        """Whether the far end has everything that streams have handed down."""
        return self._session.settled

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def is_ready(self, number: int) -> bool:
        """Whether a link can take new data."""
        return number in self._session.ready_links

    def is_silent(self, number: int) -> bool:
        """Whether nobody answers at the far end of a link."""
        return self._session.is_silent(number)

    # --- streams, at the client -----------------------------------------------------------------

    def open(self, host: str, port: int) -> TunnelStream:
        """Ask the exit for a connection. Raises StreamFailed."""
        return self._streams.open(host, port)

    def open_flow(self, host: str, port: int) -> TunnelStream:
        """Ask the exit for a UDP flow, which is carried as capsules. Raises StreamFailed."""
        return self._streams.open_flow(host, port)

    async def offers_flows(self) -> bool:
        """Wait until the exit has said whether it carries UDP, and return its answer.

        Raises StreamFailed(SESSION_LOST). Cancelling changes nothing.
        """
        return await self._streams.offers_flows()

    # --- links ----------------------------------------------------------------------------------

    def attach(self, link: SecureLink) -> LinkEstimator:
        """Send over a link from now on; return what is measured of it, also after its end.

        The link's handler stays the same: hand the link over to the tunnel when its handshake is
        done. Raises PeerError(LIMIT) when the session has too many links.
        """
        estimator = self._links.add(link)
        link.pace = self._pace
        self._schedule()
        return estimator

    def acknowledged_to(self, offset: int) -> None:
        """Take the far end's in-order offset from its HELLO or WELCOME. Raises PeerError."""
        self._session.acknowledged_to(offset, self._loop.time())
        self._schedule()

    def limit_window(self, window_bytes: int) -> None:
        """Send no further ahead than the far end's WELCOME allows."""
        self._session.limit_window(window_bytes)

    def drain(self) -> None:
        """At the exit: ask the client to go elsewhere. Links and streams stay as they are."""
        self._links.broadcast(Drain())

    # --- LinkHandler ----------------------------------------------------------------------------

    def link_ready(self, link: SecureLink) -> None:
        """Do nothing: a link is ready before it is attached."""

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Take frames from a link. Raises PeerError, which closes that link only."""
        now = self._loop.time()
        try:
            for frame in frames:
                if isinstance(frame, Close) and frame.ends_session:
                    self._end(frame.code)
                    return
                if isinstance(frame, Drain):
                    self._take_drain(link)
                else:
                    self._session.receive(link.number, frame, now)
        except PeerError as error:
            self._links.drop(link.number, LinkLost(error.code, error.reason))
            raise
        finally:
            if not self._ended:
                self._deliver(now)
                self._schedule()

    def link_draining(self, link: SecureLink) -> None:
        """Send nothing new over a link whose relay announced its end."""
        if self._links.drain(link):
            self._handler.link_leaving(link.number)
            self._schedule()

    def link_windows(self, link: SecureLink) -> None:
        """Send what a link's window may have room for now."""
        self._schedule()

    def link_control(self, link: SecureLink, message: Control) -> None:
        """Tell the owner what a relay says."""
        self._handler.link_control(link.number, message)

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """Send what the link held over the others."""
        self._links.drop(link.number, error)

    def _take_drain(self, link: SecureLink) -> None:
        """Take DRAIN: a client means the link by it, an exit means itself."""
        if not self._client:
            self.link_draining(link)
        elif not self._exit_leaves:
            self._exit_leaves = True
            self._handler.tunnel_leaving()

    def _dropped(self, number: int, error: LinkLost) -> None:
        self._handler.link_down(number, error)
        self._schedule()

    def _deliver(self, now: float) -> None:
        try:
            self._streams.deliver(now)
        except PeerError as error:
            _log.info("a session ended: %s", error)
            self._end(error.code, tell=True)

    # --- down -----------------------------------------------------------------------------------

    def resume(self, quantum_bytes: int) -> None:
        """Send up to `quantum_bytes` of the streams' bytes: it is this tunnel's turn."""
        self._flush(quantum_bytes)

    def _schedule(self) -> None:
        """Flush once, after everything else that happens in this turn of the event loop."""
        if not self._flush_due and not self._ended:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self, turn_bytes: int = 0) -> None:
        """Send what can be sent now. Without a turn of `turn_bytes`, one is asked for."""
        self._flush_due = False
        if self._ended:
            return
        pace = self._pace
        if pace is not None:
            pace.begin()
        self._send(turn_bytes)
        if pace is not None:
            pace.sent()

    def _send(self, turn_bytes: int) -> None:
        if self._session.unsent_bytes > limits.UNSENT_MOST_BYTES:
            # Only answers to what the far side asks get past `Session.room`. A far side whose
            # answers pile up asks and does not listen.
            self._end(LinkCode.LIMIT, tell=True)
            return
        now = self._loop.time()
        self._links.heed_windows()
        self._streams.rotation.begin_turn(turn_bytes or self._ask_for_turn())
        while True:
            self._streams.fill()
            frames = self._session.transmit(now)
            if not frames:
                break
            self._links.send(frames)
        self._end_turn()
        self._arm(now)

    def _ask_for_turn(self) -> int:
        """Return how many bytes streams may send at once; after 0, `resume` is called in time."""
        if self._turns is None:
            return UNLIMITED_BYTES
        return self._turns.ask(self) if self._wants_to_send() else 0

    def _end_turn(self) -> None:
        rotation = self._streams.rotation
        if self._turns is not None and rotation.turn_bytes:
            self._turns.spend(rotation.spent_bytes)
            if rotation.exhausted and self._wants_to_send():
                self._turns.wait(self)

    def _wants_to_send(self) -> bool:
        return bool(self._streams.rotation) and self._session.room > 0

    def _arm(self, now: float) -> None:
        """Have `_tick` called at the session's deadline, or earlier where a timer runs already."""
        deadline = self._session.deadline()
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(max(deadline, now), self._tick)

    def _tick(self) -> None:
        self._timer = None
        for number in self._links.tick():
            self._handler.link_leaving(number)
        self._schedule()

    # --- the end --------------------------------------------------------------------------------

    def close(self, reason: LinkCode = LinkCode.NORMAL) -> None:
        """End the session here and at the far end, which is told the reason. Idempotent."""
        self._end(reason, tell=True)

    def _expired(self) -> None:
        self._end(LinkCode.TIMEOUT)

    def _end(self, reason: LinkCode, *, tell: bool = False) -> None:
        if self._ended:
            return
        self._ended = True
        if self._turns is not None:
            self._turns.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        self._links.end(reason, tell=tell)
        self._streams.end()
        self._handler.tunnel_ended(reason)
