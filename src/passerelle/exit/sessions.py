"""The exit's sessions: who may start or resume one, and what the streams in it may do."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from functools import partial

from passerelle import limits
from passerelle.core.ledger import REFUSAL_FRAMES
from passerelle.core.origin import tagged
from passerelle.core.quota import Account, Accounts
from passerelle.core.shares import ShareTable
from passerelle.errors import Failure, LinkCode, LinkLost, PeerError, StreamFailed
from passerelle.exit.config import ExitConfig
from passerelle.exit.connections import SiteConnection, StreamEnding
from passerelle.exit.counts import ExitMetrics
from passerelle.exit.datagrams import FlowConnection
from passerelle.io.net.dial import dial
from passerelle.io.net.dns import Resolver
from passerelle.io.net.udp import dial_udp
from passerelle.io.server.metrics import Metrics
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.fairturns import FairTurns
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.wire.control import Control
from passerelle.wire.frames import Hello
from passerelle.wire.tickets import TicketKind, verify

_log = logging.getLogger(__name__)

SWEEP_S = 1.0
"""Time between two looks at the lifetimes."""
SETTLE_S = 2.0
"""Longest time that a drained exit waits for its last bytes to be acknowledged."""
SETTLE_POLL_S = 0.02
QUIET_S = 2.0
"""Time without a byte after which a stream counts as at rest: a browser holds connections open for
minutes after the page is there, and a restart should not wait for those."""
QUIET_POLL_S = 0.05
LATE_STREAMS_S = 2.0
"""Time after the exit begins to drain in which new streams are still served: a client may have
asked for them before it could learn of the drain."""


class SessionTable:
    """All sessions of one exit."""

    def __init__(self, config: ExitConfig, counts: ExitMetrics | None = None) -> None:
        self._config = config
        self.counts = counts or ExitMetrics(Metrics())
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[bytes, _ExitSession] = {}
        self._accounts = Accounts(config.quota)
        self._tasks = TaskSet("exit")
        self._resolver = Resolver()
        self._turns = FairTurns(config.rate_bytes_s)
        self._draining_since_s: float | None = None
        self._calm = asyncio.Event()
        """Set when the last stream of a draining exit ends."""
        self._tasks.spawn(self._sweep(), "lifetimes")
        self.flows = TaskSet("exit/flows")
        """The tasks that serve UDP flows."""
        self.flow_shares: ShareTable[FlowConnection] = ShareTable(limits.EXIT_FLOWS)
        """The UDP flows, by whom they count for."""
        self._session_shares: ShareTable[_ExitSession] = ShareTable(config.sessions)

    @property
    def accounts(self) -> Accounts:
        """What each client ticket uses; the exit's gateway counts here, too."""
        return self._accounts

    @property
    def turns(self) -> FairTurns:
        """The line in which sessions and the gateway's readers wait to send."""
        return self._turns

    @property
    def resolver(self) -> Resolver:
        """What looks names up for the whole exit."""
        return self._resolver

    def __len__(self) -> int:
        """Return how many sessions are alive."""
        return len(self._sessions)

    @property
    def stream_count(self) -> int:
        """How many streams are open. A stream that is being connected counts."""
        return sum(len(session.connections) for session in self._sessions.values())

    @property
    def draining(self) -> bool:
        """Whether the exit starts no session any more."""
        return self._draining_since_s is not None

    def admit(self, hello: Hello) -> tuple[Tunnel, bool]:
        """Return the session a HELLO asks for, and whether it existed before.

        Raises PeerError(TICKET, UNKNOWN_SESSION, DRAINING or LIMIT).
        """
        try:
            return self._admit(hello)
        except PeerError as error:
            self.counts.hellos_refused.add(value=error.code.name.lower())
            raise

    def _admit(self, hello: Hello) -> tuple[Tunnel, bool]:
        now_s = time.time()
        ticket = verify(
            hello.ticket,
            self._config.ticket_keys,
            kind=TicketKind.CLIENT,
            exit_id=self._config.exit_id,
            now_s=now_s,
        )
        session = self._sessions.get(hello.session_id)
        if session is not None:
            return session.tunnel, True
        if not hello.may_create:
            raise PeerError(LinkCode.UNKNOWN_SESSION, "no such session here")
        if self.draining:
            raise PeerError(LinkCode.DRAINING, "this exit is going away")
        account = self._accounts.open_session(
            ticket.id, ticket.expires_s - now_s, self._loop.time(), tagged(ticket.tags)
        )
        session = _ExitSession(
            self, hello.session_id, account, config=self._config, turns=self._turns
        )
        gone = self._session_shares.add(session, account.origin)
        if gone is session:
            session.tunnel.close()
            raise PeerError(LinkCode.LIMIT, "this exit holds as many sessions as it can")
        if gone is not None:
            _log.info("a session of whoever had most ended: it gave way to another one")
            gone.tunnel.close()
        self._sessions[hello.session_id] = session
        return session.tunnel, False

    def forget(self, session: _ExitSession) -> None:
        """Forget a session that is over."""
        self._session_shares.discard(session)
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        self._accounts.close_session(session.account)

    def spawn(
        self, session: _ExitSession, stream: TunnelStream, host: str, port: int, turn_s: float
    ) -> None:
        """Serve one stream in the background, from `turn_s` seconds from now on.

        Raises RuntimeError when the exit is closing.
        """
        connection = SiteConnection(
            stream,
            session.account,
            moved=self.counts.moved,
            denied=self.counts.denied,
            ended=session.connection_ended,
        )
        connect = partial(self._connect, session.account.origin)
        work = connection.run(connect, host, port, refusal_s=self._config.refusal_s, turn_s=turn_s)
        self._tasks.spawn(work, "stream")
        session.connections.add(connection)

    def spawn_flow(
        self, session: _ExitSession, stream: TunnelStream, host: str, port: int, turn_s: float
    ) -> None:
        """Do as `spawn` does for a UDP flow.

        When there are too many flows, one of whoever has most ends.
        """
        flow = FlowConnection(
            stream,
            session.account,
            moved=self.counts.moved,
            denied=self.counts.denied,
            ended=session.connection_ended,
        )
        work = flow.run(
            partial(self._dial_udp, session.account.origin),
            host,
            port,
            refusal_s=self._config.refusal_s,
            turn_s=turn_s,
            idle_s=self._config.lifetimes.flow_idle_s,
        )
        self.flows.spawn(work, "flow")
        session.connections.add(flow)
        gone = self.flow_shares.add(flow, session.account.origin)
        if gone is not None:
            gone.end(StreamEnding.BROKEN)

    def takes_streams(self) -> bool:
        """Return whether new streams are served."""
        since_s = self._draining_since_s
        return since_s is None or self._loop.time() - since_s < LATE_STREAMS_S

    def calm(self) -> None:
        """Wake `drain` if the last stream has ended."""
        if self.draining and not self.stream_count:
            self._calm.set()

    async def drain(self) -> None:
        """Start no session, send clients elsewhere, and wait for open streams up to `drain_s`.

        Cancelling ends the waiting; the exit stays draining.
        """
        self._draining_since_s = self._loop.time()
        for session in list(self._sessions.values()):
            session.tunnel.drain()
        try:
            async with asyncio.timeout(self._config.lifetimes.drain_s):
                # Streams that clients asked for before they knew may still arrive for a moment.
                if self._sessions:
                    await asyncio.sleep(min(LATE_STREAMS_S, self._config.lifetimes.drain_s))
                while self.stream_count:
                    self._calm.clear()
                    await self._calm.wait()
        except TimeoutError:
            _log.info("some streams were still open after %g s", self._config.lifetimes.drain_s)

        await self._settle()

    async def finish(self) -> None:
        """Serve on, new sessions and streams too, until all are at rest; `drain_s` at most.

        This is for an exit that ends together with all others of its network: a client that it sent
        elsewhere would find nobody there. Cancelling ends the waiting.
        """
        longest_s = self._config.lifetimes.drain_s
        deadline_s = self._loop.time() + longest_s
        if not self._is_moving():
            return
        _log.info("streams are moving: the exit serves on until they rest, %g s at most", longest_s)
        while self._is_moving() and self._loop.time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(QUIET_POLL_S)

    def _is_moving(self) -> bool:
        quiet_since_s = self._loop.time() - QUIET_S
        return self._is_unsettled() or any(
            connection.active_s > quiet_since_s
            for session in self._sessions.values()
            for connection in session.connections
        )

    async def _settle(self) -> None:
        """Wait a moment for acknowledgements.

        CLOSE must not overtake the last bytes, which may be on another link.
        """
        deadline_s = self._loop.time() + SETTLE_S
        while self._loop.time() < deadline_s and self._is_unsettled():  # noqa: ASYNC110
            await asyncio.sleep(SETTLE_POLL_S)

    def _is_unsettled(self) -> bool:
        tunnels = (session.tunnel for session in self._sessions.values())
        return any(tunnel.link_count and not tunnel.settled for tunnel in tunnels)

    async def close(self) -> None:
        """End all sessions and their connections."""
        for session in list(self._sessions.values()):
            session.tunnel.close()
        await self.flows.close()
        await self._tasks.close()
        self._turns.close()
        await self._resolver.close()

    async def _connect(
        self,
        origin: bytes,
        host: str,
        port: int,
        protocol: Callable[[], asyncio.BufferedProtocol],
    ) -> None:
        connection = await dial(
            host,
            port,
            policy=self._config.policy,
            resolve=lambda name: self._resolver(name, origin),
        )
        try:
            await self._loop.create_connection(protocol, sock=connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise StreamFailed(Failure.UNREACHABLE) from None
            raise

    async def _dial_udp(self, origin: bytes, host: str, port: int) -> socket.socket:
        return await dial_udp(
            host,
            port,
            policy=self._config.policy,
            resolve=lambda name: self._resolver(name, origin),
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            for session in list(self._sessions.values()):
                session.sweep(now)
            self._shed()

    def _shed(self) -> None:
        """End the heaviest sessions until all together hold no more than they may."""
        held = {session: session.held_bytes for session in self._sessions.values()}
        excess = sum(held.values()) - self._config.held_bytes
        while excess > 0:
            session = max(held, key=lambda each: held[each])
            excess -= held.pop(session)
            _log.warning("the session that holds the most memory ended: all hold too much together")
            self.counts.sessions_shed.add()
            session.tunnel.close(LinkCode.LIMIT)


_Spawn = Callable[["_ExitSession", TunnelStream, str, int, float], None]


class _ExitSession:
    """Owns one session's tunnel and holds its streams to the ticket's quota and to lifetimes."""

    def __init__(
        self,
        table: SessionTable,
        session_id: bytes,
        account: Account,
        *,
        config: ExitConfig,
        turns: FairTurns,
    ) -> None:
        """`turns` is the line in which all sessions of the exit wait to send."""
        self._table = table
        self._lifetimes = config.lifetimes
        self._loop = asyncio.get_running_loop()
        self.id = session_id
        self.account = account
        self.connections: set[SiteConnection | FlowConnection] = set()
        self.tunnel = Tunnel(
            self,
            client=False,
            grace_s=config.lifetimes.grace_s,
            flows=config.policy.udp_ports != frozenset(),
            turns=turns,
            ledger=account.ledger,
        )
        self._began_s = self._busy_s = self._loop.time()

    # --- TunnelHandler --------------------------------------------------------------------------

    def link_down(self, number: int, error: LinkLost) -> None:
        _log.info("link %d closed: %s", number, error)

    def link_leaving(self, number: int) -> None:
        """Do nothing: the client replaces the link."""

    def link_control(self, number: int, message: Control) -> None:
        """Do nothing: an exit acts on nothing that a relay says."""

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        self._requested(self._table.spawn, stream, host, port)

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        flows = sum(isinstance(each, FlowConnection) for each in self.connections)
        refused = self._table.flow_shares.refuses(self.account.origin)
        if flows >= limits.FLOWS_PER_SESSION or refused:
            self._limit(stream, self._loop.time())
        else:
            self._requested(self._table.spawn_flow, stream, host, port)

    def request_malformed(self) -> None:
        """Count it as a new stream: it has cost as much."""
        now = self._loop.time()
        if self.account.open_stream(len(self.connections), now) is None:
            self.account.ledger.charge_idle(REFUSAL_FRAMES, now)
        else:
            self.account.close_stream()

    def _requested(self, spawn: _Spawn, stream: TunnelStream, host: str, port: int) -> None:
        now = self._loop.time()
        self._busy_s = now
        if not self._table.takes_streams():
            stream.refuse(Failure.SESSION_LOST)
        elif (turn_s := self.account.open_stream(len(self.connections), now)) is None:
            self._limit(stream, now)
        else:
            try:
                spawn(self, stream, host, port, turn_s)
            except RuntimeError:  # the exit is closing
                self.account.close_stream()
                stream.refuse(Failure.INTERNAL)

    def tunnel_leaving(self) -> None:
        """Do nothing: a client does not tell an exit to go away."""

    def tunnel_ended(self, reason: LinkCode) -> None:
        for connection in list(self.connections):
            connection.end(StreamEnding.BROKEN)
        self._table.forget(self)

    # --- limits ---------------------------------------------------------------------------------

    def _limit(self, stream: TunnelStream, now: float) -> None:
        """Refuse a stream beyond the quota.

        Raises PeerError(LIMIT), which ends the session, when it goes on asking for streams.
        """
        self._table.counts.streams_limited.add()
        stream.refuse(Failure.LIMIT)
        self.account.ledger.charge_idle(REFUSAL_FRAMES, now)

    def connection_ended(
        self, connection: SiteConnection | FlowConnection, ending: StreamEnding
    ) -> None:
        """Count a stream that is over, and note that the session was busy until now."""
        self.connections.discard(connection)
        if isinstance(connection, FlowConnection):
            self._table.flow_shares.discard(connection)
        self.account.close_stream()
        self._busy_s = self._loop.time()
        self._table.counts.streams.add(value=ending.value)
        self._table.calm()

    @property
    def held_bytes(self) -> int:
        """Memory that the session holds, sockets to sites included."""
        sites = sum(connection.held_bytes for connection in self.connections)
        return self.tunnel.held_bytes + sites

    def sweep(self, now: float) -> None:
        """End the session or those of its streams that were idle or lasted for too long."""
        lifetimes = self._lifetimes
        idle = not self.connections and now - self._busy_s > lifetimes.session_idle_s
        if idle or now - self._began_s > lifetimes.session_total_s:
            self.tunnel.close()
            return
        for connection in list(self.connections):
            if now - connection.active_s > lifetimes.stream_idle_s:
                connection.end(StreamEnding.IDLE)
            elif now - connection.began_s > lifetimes.stream_total_s:
                connection.end(StreamEnding.EXPIRED)
