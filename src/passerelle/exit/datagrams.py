"""The exit's UDP flows: each a stream of the session and a connected socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from passerelle import limits
from passerelle.core.policy import Denial, Policy, Refused
from passerelle.errors import Failure, PasserelleError, StreamFailed
from passerelle.exit.connections import until_multiple
from passerelle.io import udp
from passerelle.io.dns import Resolve
from passerelle.io.flow import Flow
from passerelle.io.stream import TunnelStream
from passerelle.io.tasks import TaskSet, race

FAREWELL_S = 5.0
"""A client that does not hear within this time that its flow has ended is not waited for."""


class FlowTable:
    """All flows of one exit."""

    def __init__(
        self,
        policy: Policy,
        resolve: Resolve,
        idle_s: float,
        *,
        refusal_s: float,
        denied: Callable[[Denial], None],
    ) -> None:
        """`idle_s`: how long a flow may go unused. `denied` takes the policy's reasons; it is
        answered a multiple of `refusal_s` after the request.
        """
        self._refusal_s = refusal_s
        self._denied = denied
        self._policy = policy
        self._resolve = resolve
        self._idle_s = idle_s
        self._tasks = TaskSet("exit/flows", limit=limits.EXIT_FLOWS)

    def __len__(self) -> int:
        """Return how many flows there are."""
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether no more flows are taken."""
        return self._tasks.full

    def start(self, stream: TunnelStream, host: str, port: int) -> asyncio.Task[None]:
        """Serve one flow. Raises RuntimeError when the table is full or closed."""
        return self._tasks.start(self._serve(stream, host, port), "flow")

    async def close(self) -> None:
        """Break off all flows."""
        await self._tasks.close()

    async def _serve(self, stream: TunnelStream, host: str, port: int) -> None:
        began_s = asyncio.get_running_loop().time()
        dialling = udp.dial_udp(host, port, policy=self._policy, resolve=self._resolve)
        try:
            connected = await race(dialling, until=stream.broken())
        except StreamFailed as error:
            if isinstance(error, Refused):
                self._denied(error.denial)
                await until_multiple(self._refusal_s, began_s)
            stream.refuse(error.failure)
            return
        if connected is None:
            return
        with connected:
            stream.accept()
            flow = Flow(stream)
            try:
                await _carry(flow, connected, self._idle_s)
                # RFC 9298 §3.1: a socket that is closed ends its request.
                stream.write_end()
                async with asyncio.timeout(FAREWELL_S):
                    await stream.flushed()
            except (PasserelleError, OSError):  # TimeoutError is an OSError
                pass
            finally:
                flow.abort()


async def _carry(flow: Flow, connected: socket.socket, idle_s: float) -> None:
    """Copy both ways until the client ends the flow or leaves it idle.

    Raises PasserelleError when the stream is broken off, OSError when the peer is not there.
    """

    def readable() -> None:
        try:
            for payload in udp.receive(connected):
                flow.send(payload)
        except OSError:
            flow.abort()  # whoever reads from the flow hears it

    loop = asyncio.get_running_loop()
    loop.add_reader(connected, readable)
    try:
        await race(_upload(flow, connected), until=flow.idle(idle_s))
    finally:
        loop.remove_reader(connected)


async def _upload(flow: Flow, connected: socket.socket) -> None:
    while payloads := await flow.receive():
        flow.touch()
        for payload in payloads:
            udp.send(connected, payload)


class SessionFlows:
    """One session's share of an exit's flows."""

    def __init__(self, table: FlowTable) -> None:
        self._table = table
        self._count = 0

    def requested(self, stream: TunnelStream, host: str, port: int) -> None:
        """Serve a flow in the background, or refuse it."""
        if self._count >= limits.FLOWS_PER_SESSION or self._table.full:
            stream.refuse(Failure.LIMIT)
            return
        try:
            serving = self._table.start(stream, host, port)
        except RuntimeError:  # the exit is closing
            stream.refuse(Failure.INTERNAL)
            return
        self._count += 1
        serving.add_done_callback(self._ended)

    def _ended(self, _serving: asyncio.Task[None]) -> None:
        self._count -= 1
