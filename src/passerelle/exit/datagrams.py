"""A UDP flow at the exit, from the client's CONNECT-UDP to the end of its socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from passerelle import limits
from passerelle.core.address.policy import Denial, DestinationRefused
from passerelle.core.quota import Account
from passerelle.errors import PasserelleError, StreamFailed
from passerelle.exit.connections import StreamEnding, until_multiple
from passerelle.io.net import udp
from passerelle.io.tasks import race
from passerelle.io.tunnel.flow import Flow
from passerelle.io.tunnel.stream import TunnelStream

FAREWELL_S = 5.0
"""Time in which the client must have taken the end of its flow."""

Dial = Callable[[str, int], Coroutine[Any, Any, socket.socket]]
"""Connects a UDP socket to a host and port, as the policy allows."""


class FlowConnection:
    """Joins a flow and a connected socket, as `SiteConnection` does a stream and TCP."""

    def __init__(
        self,
        stream: TunnelStream,
        account: Account,
        *,
        moved: Callable[[int, int], None],
        denied: Callable[[Denial], None],
        ended: Callable[[FlowConnection, StreamEnding], None],
    ) -> None:
        """`moved` gets bytes down and up, `denied` the policy's reason; `ended` is called once."""
        self._stream = stream
        self._account = account
        self._moved = moved
        self._denied = denied
        self._ended = ended
        self._is_over = False
        self._loop = asyncio.get_running_loop()
        self.began_s = self.active_s = self._owing_until_s = self._loop.time()
        """When the flow began, when something moved last, and until when the ticket's rate is used
        up, in the loop's time."""

    @property
    def held_bytes(self) -> int:
        """Memory beside the stream's own: one capsule that is not complete."""
        return limits.DATAGRAM_BYTES

    async def run(
        self,
        dial: Dial,
        host: str,
        port: int,
        *,
        refusal_s: float,
        idle_s: float,
        turn_s: float = 0.0,
    ) -> None:
        """Dial and copy both ways until the flow is over, or tell the client why dialling failed.

        `refusal_s` and `turn_s` are as for `SiteConnection.run`; after `idle_s` without a datagram
        of the client the flow ends. Cancelling breaks everything off.
        """
        ending = StreamEnding.BROKEN
        try:
            if turn_s:
                await race(asyncio.sleep(turn_s), until=self._stream.broken())
            ending = await self._run(dial, host, port, refusal_s, idle_s)
        finally:
            self.end(ending)

    def end(self, ending: StreamEnding) -> None:
        """Break everything off; the task that runs the flow ends by itself. Idempotent."""
        if not self._is_over:
            self._is_over = True
            self._stream.abort()
            self._ended(self, ending)

    async def _run(
        self, dial: Dial, host: str, port: int, refusal_s: float, idle_s: float
    ) -> StreamEnding:
        try:
            # A client that opens and resets without end gets no more look-ups than it has flows.
            connected = await race(dial(host, port), until=self._stream.broken())
        except DestinationRefused as error:
            self._denied(error.denial)
            await until_multiple(refusal_s, self.began_s)
            self._stream.refuse(error.failure)
            return StreamEnding.REFUSED
        except StreamFailed as error:
            self._stream.refuse(error.failure)
            return StreamEnding.FAILED
        if connected is None:
            return StreamEnding.BROKEN
        with connected:
            self._stream.accept()
            try:
                ended = await self._carry(connected, idle_s)
                # RFC 9298 §3.1: the request ends with its socket.
                self._stream.write_end()
                async with asyncio.timeout(FAREWELL_S):
                    await self._stream.flushed()
            except (PasserelleError, OSError):  # TimeoutError is an OSError
                return StreamEnding.BROKEN
        return StreamEnding.DONE if ended else StreamEnding.IDLE

    async def _carry(self, connected: socket.socket, idle_s: float) -> bool:
        """Copy both ways; return True if the client ended the flow, False if it left it idle.

        Raises PasserelleError when the stream is broken off, OSError when the peer is gone.
        """
        flow = Flow(self._stream)

        def readable() -> None:
            try:
                for payload in udp.receive(connected):
                    if self._pay(len(payload), 0):
                        flow.send(payload)
            except OSError:
                flow.abort()  # the upload, which waits on the flow, ends with it

        self._loop.add_reader(connected, readable)
        try:
            return bool(await race(self._upload(flow, connected), until=flow.idle(idle_s)))
        finally:
            self._loop.remove_reader(connected)

    async def _upload(self, flow: Flow, connected: socket.socket) -> bool:
        while payloads := await flow.receive():
            flow.touch()
            for payload in payloads:
                if self._pay(0, len(payload)):
                    udp.send(connected, payload)
        return True

    def _pay(self, down: int, up: int) -> bool:
        """Count a datagram; return False if it is beyond the ticket's rate and must be dropped."""
        now = self._loop.time()
        if now < self._owing_until_s:
            return False
        self.active_s = now
        self._moved(down, up)
        self._owing_until_s = now + self._account.spend(down + up, now)
        return True
