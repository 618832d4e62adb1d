"""One link: copies messages between a client (WebRTC) and an exit (a WebSocket).

`widget/src/relay/link/link.ts` does the same on a page. Binary messages are the link's, and are
copied untouched and in order. Text messages are between one side and this program.

What comes from the exit is read no faster than the client takes it: the kernel then holds the exit
back. A DataChannel cannot be held back from here, so what the exit does not take waits, up to a
bound that an honest session's window keeps it below.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tasks import TaskSet, race
from passerelle.io.webrtc.chrome.remote import RemoteOffer, RemoteTransport
from passerelle.volunteer.person import Person
from passerelle.volunteer.rate import Rate
from passerelle.wire import control
from passerelle.wire.control import Lane, RelayDrain
from passerelle.wire.websocket import CLOSE_CODE_BASE

LINGER_S: Final = 5.0
"""Longest time in which the other side gets what was received from the one that closed."""
STUCK_S: Final = 30.0
"""A client that takes nothing for so long is given up: its exit waits for it."""
SILENT_S: Final = 5.0
"""A silent client may come back in this time; and whoever has not come so long after the answer may
never do."""
_CLOSE_S: Final = 1.0
_DRAIN: Final = control.encode(RelayDrain())

Connect = Callable[[], Awaitable[ClientWebSocketResponse]]


class LinkOwner(Protocol):
    """Has links."""

    def link_opened(self, link: Link) -> None:
        """Both sides of the link are open."""

    def link_presence(self, link: Link) -> None:
        """The client may be gone, or is there again."""

    def link_carried(self, size: int) -> None:
        """Bytes were handed to a side."""

    def lane_asked(self, link: Link, lane: Lane) -> None:
        """The client asks for one more link."""


class Link:
    """A link from the answer to its end: `run` carries it."""

    def __init__(
        self,
        owner: LinkOwner,
        person: Person,
        answer: RemoteOffer,
        connect: Connect,
        *,
        rate: Rate,
        is_patient: bool = False,
    ) -> None:
        """`answer` was accepted, and `connect` opens the exit's WebSocket or raises LinkLost.

        A patient link opens it only once the client is there.
        """
        self.person = person
        self.is_open = False
        """Whether both sides are open, so that somebody is being helped."""
        self.was_open = False
        self.reached: bool | None = None
        """Whether the exit was reached; None while that is not known."""
        self.exit_offended = False
        """Whether the exit sent what no honest one sends."""
        self._owner = owner
        self._answer = answer
        self._connect = connect
        self._rate = rate
        self._is_patient = is_patient
        self._client: RemoteTransport | None = None
        self._exit: ClientWebSocketResponse | None = None
        self._up: deque[bytes] = deque()
        """Messages that wait for the exit."""
        self._up_bytes = 0
        self._news = asyncio.Event()
        """Set when a message waits, or none will come."""
        self._sent = asyncio.Event()
        """Set when less waits for the client."""
        self._end: LinkCode | None = None
        """Why the link ends; None while it is in use."""
        self._over = asyncio.Event()
        self._client_is_gone = False
        self.is_here = True
        """Whether the client takes a place: not while it may be gone."""
        self._silence: asyncio.TimerHandle | None = None
        """Acts on a client that does not come, or is silent."""

    async def run(self, *, client_s: float) -> LinkCode:
        """Carry the link, of which the client comes within `client_s`; return why it ended.

        Both sides are closed then. Cancelling closes them at once.
        """
        if not self._is_patient:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(SILENT_S, self._presence, False)
        try:
            await race(self._reach(client_s), until=self._over.wait())
            await self._carry()
        except LinkLost as error:
            self.close(error.code)
        finally:
            self.is_open = False
            self._wait_no_more()
            await self._close(self._end if self._end is not None else LinkCode.INTERNAL)
        return self._end if self._end is not None else LinkCode.NORMAL

    def say(self, message: control.Control) -> None:
        """Send text to the client."""
        if self._client is not None:
            self._client.send_control(control.encode(message))

    def close(self, code: LinkCode) -> None:
        """End the link. Idempotent."""
        if self._end is None:
            self._end = code
        self.is_open = False
        self._news.set()
        self._over.set()

    async def drain(self, grace_s: float) -> None:
        """Ask both sides to stop using this link, and end it after `grace_s`. May be cancelled."""
        if self.is_open and self._client is not None and self._exit is not None:
            self._client.send_control(_DRAIN)
            with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._exit.send_str(_DRAIN)
                    await self._over.wait()
        self.close(LinkCode.DRAINING)

    # --- Receiver: the client's side ------------------------------------------------------------

    def message_received(self, message: bytes) -> None:
        """Queue a message for the exit."""
        self._up.append(message)
        self._up_bytes += len(message) + limits.MESSAGE_COST_BYTES
        is_open = self._exit is not None
        if self._up_bytes > (
            limits.RELAY_BUFFERED_BYTES if is_open else limits.RELAY_WAITING_BYTES
        ):
            self.close(LinkCode.LIMIT)
        self._news.set()

    def control_received(self, text: str) -> None:
        """Take what the client asks for."""
        try:
            message = control.decode(text)
        except PeerError as error:
            self.close(error.code)
            return
        if isinstance(message, Lane) and self._end is None:
            self._owner.lane_asked(self, message)

    def windows_changed(self) -> None:
        """Do nothing: the far ends decide how much is under way."""

    def transport_lost(self, error: LinkLost) -> None:
        """The client is gone, or broke a rule. What it said goes on to the exit."""
        self._client_is_gone = True
        if error.code is LinkCode.TRANSPORT:
            self._news.set()
            asyncio.get_running_loop().call_later(LINGER_S, self.close, LinkCode.NORMAL)
        else:
            self.close(error.code)

    # --- inside ---------------------------------------------------------------------------------

    async def _reach(self, client_s: float) -> None:
        """Open both sides. Raises LinkLost."""
        if self._is_patient:
            await self._reach_client(client_s)
            await self._reach_exit()
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reach_exit())
                group.create_task(self._reach_client(client_s))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None

    async def _reach_exit(self) -> None:
        try:
            self._exit = await self._connect()
        except LinkLost:
            self.reached = False
            raise
        self.reached = True

    async def _reach_client(self, client_s: float) -> None:
        transport = await self._answer.opened(timeout_s=client_s)
        self._client = transport
        transport.sent = self._sent.set
        transport.silence = self._silent
        transport.start(self)

    def _silent(self, is_silent: bool) -> None:
        """The engine hears nothing from the client any more, or hears it again."""
        if not self.was_open or self._end is not None:
            return
        self._presence(not is_silent)
        if is_silent:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(SILENT_S, self.close, LinkCode.TRANSPORT)

    def _presence(self, is_here: bool) -> None:
        self._wait_no_more()
        if is_here is not self.is_here:
            self.is_here = is_here
            self._owner.link_presence(self)

    def _wait_no_more(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    async def _carry(self) -> None:
        if self._end is not None:
            return
        self.is_open = self.was_open = True
        self._presence(True)
        self._owner.link_opened(self)
        async with TaskSet("link") as tasks:
            up = tasks.start(self._copy_up(), "up")
            down = tasks.start(self._copy_down(), "down")
            over = tasks.start(self._over.wait(), "end")
            await asyncio.wait((up, down, over), return_when=asyncio.FIRST_COMPLETED)
        self.close(LinkCode.NORMAL)

    async def _copy_up(self) -> None:
        """Copy to the exit until one of the two is gone and nothing waits."""
        assert self._exit is not None  # open
        while self._end is None:
            while self._up:
                message = self._up.popleft()
                self._up_bytes -= len(message) + limits.MESSAGE_COST_BYTES
                await self._pass(len(message))
                try:
                    await self._exit.send_bytes(message)
                except (ConnectionError, ClientError, RuntimeError):
                    return  # aiohttp raises RuntimeError for a socket that has closed
            if self._client_is_gone:
                return
            self._news.clear()
            if not self._up:
                await self._news.wait()

    async def _copy_down(self) -> None:
        """Copy to the client until the exit has closed or broken the rules."""
        assert self._exit is not None  # open
        assert self._client is not None
        burst, per_s = limits.LINK_ASIDES
        asides = Bucket(per_s, burst, _now())
        async for message in self._exit:
            if message.type is WSMsgType.BINARY:
                await self._pass(len(message.data))
                self._client.send(message.data)
                if self._client.queued_bytes > limits.RELAY_HIGH_WATER_BYTES:
                    await self._wait_for_client()
                continue
            if message.type is WSMsgType.ERROR or not asides.take(_now()):
                self.exit_offended = True
                self.close(LinkCode.LIMIT)
                return
            if message.type is WSMsgType.PING:
                await self._exit.pong(message.data)
            # An exit's text means nothing to a relay yet.

    async def _wait_for_client(self) -> None:
        """Wait until the client has taken most of what waits for it."""
        assert self._client is not None
        try:
            async with asyncio.timeout(STUCK_S):
                while self._client.queued_bytes > limits.RELAY_LOW_WATER_BYTES:
                    self._sent.clear()
                    await self._sent.wait()
        except TimeoutError:
            self.close(LinkCode.LIMIT)

    async def _pass(self, size: int) -> None:
        """Wait until `size` bytes may pass, and count them."""
        await self.person.rate.wait(size)
        await self._rate.wait(size)
        self._owner.link_carried(size)

    async def _close(self, code: LinkCode) -> None:
        """Close both sides: at once, or after a link's ordinary end with what was received."""
        try:
            if code is LinkCode.NORMAL and self._client is not None:
                self._client.close(code)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        await self._client.wait_closed()
        finally:
            await self._answer.close()
            if self._exit is not None:
                await _close_socket(self._exit, code)


async def _close_socket(socket: ClientWebSocketResponse, code: LinkCode) -> None:
    with contextlib.suppress(TimeoutError, ConnectionError, RuntimeError, ClientError):
        async with asyncio.timeout(_CLOSE_S):
            await socket.close(code=CLOSE_CODE_BASE + code)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group that is a lost link; another one otherwise."""
    found = errors.subgroup(LinkLost)
    inner = (found or errors).exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _now() -> float:
    return asyncio.get_running_loop().time()
