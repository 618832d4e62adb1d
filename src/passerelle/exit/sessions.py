"""The exit's sessions: who may start one, who may resume one, and what their streams do."""

from __future__ import annotations

import asyncio
import logging
import time

from passerelle.core.policy import Refused
from passerelle.errors import Failure, LinkCode, LinkLost, PeerError, StreamFailed
from passerelle.exit.config import ExitConfig
from passerelle.exit.datagrams import FlowTable, SessionFlows
from passerelle.io.dial import dial
from passerelle.io.dns import Resolver
from passerelle.io.splice import splice
from passerelle.io.stream import TunnelStream
from passerelle.io.tasks import TaskSet, race
from passerelle.io.tunnel import Tunnel
from passerelle.wire.control import Control
from passerelle.wire.frames import Hello
from passerelle.wire.tickets import TicketKind, verify

_log = logging.getLogger(__name__)


class SessionTable:
    """All sessions of one exit."""

    def __init__(self, config: ExitConfig) -> None:
        self._config = config
        self._sessions: dict[bytes, _ExitSession] = {}
        self._tasks = TaskSet("exit")
        self._resolver = Resolver()
        self.flows = FlowTable(config.policy, self._resolver, config.flow_idle_s)

    def __len__(self) -> int:
        """Return how many sessions are alive."""
        return len(self._sessions)

    def admit(self, hello: Hello) -> tuple[Tunnel, bool]:
        """Return the session a HELLO asks for, and whether it existed before.

        Raises PeerError(TICKET, UNKNOWN_SESSION or LIMIT).
        """
        verify(
            hello.ticket,
            self._config.ticket_keys,
            kind=TicketKind.CLIENT,
            exit_id=self._config.exit_id,
            now_s=time.time(),
        )
        session = self._sessions.get(hello.session_id)
        if session is not None:
            return session.tunnel, True
        if not hello.may_create:
            raise PeerError(LinkCode.UNKNOWN_SESSION, "no such session here")
        if len(self._sessions) >= self._config.sessions:
            raise PeerError(LinkCode.LIMIT, "this exit holds as many sessions as it can")
        session = _ExitSession(self, hello.session_id)
        self._sessions[hello.session_id] = session
        return session.tunnel, False

    def forget(self, session_id: bytes) -> None:
        """A session is over."""
        self._sessions.pop(session_id, None)

    def connect(self, stream: TunnelStream, host: str, port: int) -> None:
        """Serve one stream in the background."""
        self._tasks.spawn(self._serve(stream, host, port), "stream")

    async def _serve(self, stream: TunnelStream, host: str, port: int) -> None:
        dialling = dial(host, port, policy=self._config.policy, resolve=self._resolver)
        try:
            # A client that opens and resets without end gets no more dials than it has streams.
            connection = await race(dialling, until=stream.broken())
        except Refused as error:
            _log.debug("a destination was refused: %s", error.denial.value)
            stream.refuse(error.failure)
            return
        except StreamFailed as error:
            stream.refuse(error.failure)
            return
        if connection is None:
            return
        try:
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise
            stream.refuse(Failure.UNREACHABLE)
            return
        stream.accept()
        await splice(stream, reader, writer)

    async def close(self) -> None:
        """End all sessions and their connections."""
        for session in list(self._sessions.values()):
            session.tunnel.close()
        await self.flows.close()
        await self._tasks.close()
        self._resolver.close()


class _ExitSession:
    """One session's owner."""

    def __init__(self, table: SessionTable, session_id: bytes) -> None:
        self._table = table
        self._id = session_id
        self._flows = SessionFlows(table.flows)
        config = table._config
        offers_udp = config.policy.udp_ports != frozenset()
        self.tunnel = Tunnel(self, client=False, grace_s=config.grace_s, flows=offers_udp)

    def link_down(self, number: int, error: LinkLost) -> None:
        _log.info("link %d closed: %s", number, error)

    def link_leaving(self, number: int) -> None:
        """The client replaces it."""

    def link_control(self, number: int, message: Control) -> None:
        """A relay says nothing here that an exit acts on."""

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        try:
            self._table.connect(stream, host, port)
        except RuntimeError:  # the exit is closing
            stream.refuse(Failure.INTERNAL)

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        self._flows.requested(stream, host, port)

    def tunnel_ended(self, reason: LinkCode) -> None:
        self._table.forget(self._id)
