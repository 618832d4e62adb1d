"""One volunteer's WebSocket with a reading page's requests on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from aiohttp import WSMsgType, web

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.core.gateway.pathmeter import PathMeter
from passerelle.core.gateway.requests import (
    Arrived,
    Cancelled,
    Credited,
    LinkRequests,
    Pinged,
    Ponged,
    Refused,
)
from passerelle.errors import LinkCode, PeerError
from passerelle.exit.gateway.gateway import AnswerStopped, Gateway
from passerelle.exit.gateway.turns import Reader
from passerelle.io.tasks import TaskSet
from passerelle.wire.gatewayframes import (
    FRAME_HEADER_BYTES,
    LINK_ID,
    Reset,
    decode,
    encode_ping,
    encode_pong,
    encode_reset,
)
from passerelle.wire.websocket import CLOSE_CODE_BASE

_CLOSE_TIMEOUT_S = 2.0
_WATCH_S = 5.0
"""Time between two looks at whether a link is idle."""
_SMALL_WAITING = 2 * limits.GATEWAY_REQUESTS
"""Resets and PONGs that wait for a volunteer who reads nothing: more end the link."""


class GatewayLink:
    """Carries requests and answers for the length of `run`."""

    def __init__(
        self, gateway: Gateway, socket: web.WebSocketResponse, abort: Callable[[], None] | None
    ) -> None:
        """`socket` has no `autoping`. `abort` breaks the connection off below aiohttp."""
        self._gateway = gateway
        self._socket = socket
        self._abort = abort
        self._loop = asyncio.get_running_loop()
        self._requests = LinkRequests()
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._credited: dict[int, asyncio.Event] = {}
        self._tasks = TaskSet("gateway/link")
        self._small = 0
        """Resets and PONGs that wait to be sent."""
        burst, per_s = limits.LINK_ASIDES
        self._asides = Bucket(per_s, burst, self._loop.time())
        burst, per_s = limits.GATEWAY_PINGS
        self._pings = Bucket(per_s, burst, self._loop.time())
        self.path = PathMeter()
        """What the way to the reader carries."""
        self._active_s = self._loop.time()
        self._closing = asyncio.Event()
        self.ended = LinkCode.TRANSPORT
        """Why the link ended."""
        self.received_bytes = 0
        """Bytes of messages from the reader."""
        self.sent_bytes = 0
        """Bytes of messages towards the reader."""
        self.asked = False
        """Whether a request has come."""

    def close(self, code: LinkCode) -> None:
        """Break off all answers and end the link. Idempotent."""
        if not self._closing.is_set():
            self.ended = code
            self._closing.set()

    async def run(self, first_s: float) -> None:
        """Carry messages until the WebSocket ends; the first request must come in `first_s`.

        Cancelling breaks it off.
        """
        try:
            async with self._tasks as tasks:
                reader = tasks.start(self._read(), "reader")
                tasks.spawn(self._watch(first_s), "watch")
                closing = tasks.start(self._closing.wait(), "closing")
                await asyncio.wait((reader, closing), return_when=asyncio.FIRST_COMPLETED)
            if self._closing.is_set():
                await self._say_goodbye()
        finally:
            if self._abort is not None:
                self._abort()

    async def _say_goodbye(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._socket.close(code=CLOSE_CODE_BASE + self.ended)
        except (ConnectionError, TimeoutError, RuntimeError):
            return

    async def _watch(self, first_s: float) -> None:
        idle_s = self._gateway.settings.link_idle_s
        await asyncio.sleep(min(first_s, idle_s))
        if not self.asked:
            self.close(LinkCode.TIMEOUT)
        began_s: dict[int, float] = {}
        while not self._closing.is_set():
            now_s = self._loop.time()
            began_s = {each: began_s.get(each, now_s) for each in self._requests.arriving}
            for number, since_s in began_s.items():
                if now_s - since_s > limits.GATEWAY_ARRIVAL_S:
                    self._requests.give_up(number)
                    self._reset(number, Reset.LIMIT)
            if self._requests.is_idle and self._loop.time() - self._active_s > idle_s:
                self.close(LinkCode.TIMEOUT)
            await asyncio.sleep(min(_WATCH_S, idle_s))

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is WSMsgType.BINARY:
                    self._take(message.data)
                    continue
                if not self._asides.take(self._loop.time()):
                    raise PeerError(LinkCode.LIMIT, "too many messages beside the link's own")
                if message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is WSMsgType.ERROR:
                    break
        except PeerError as error:
            self.close(error.code)
        except (ConnectionError, RuntimeError):
            return  # aiohttp raises RuntimeError for a socket that closed meanwhile

    def _take(self, message: bytes) -> None:
        self.received_bytes += len(message)
        self._active_s = self._loop.time()
        frame = decode(message)
        event = None if frame is None else self._requests.receive(frame)
        match event:
            case Arrived(number, sealed):
                self.asked = True
                self._begin(number, sealed)
            case Refused(number):
                self._reset(number, Reset.LIMIT)
            case Cancelled(number):
                self._answers[number].cancel()
            case Credited(number) if number == LINK_ID:
                for credited in self._credited.values():
                    credited.set()
            case Credited(number):
                self._credited[number].set()
            case Pinged(mark):
                if not self._pings.take(self._active_s):
                    raise PeerError(LinkCode.LIMIT, "too many PINGs")
                self._send_small(encode_pong(mark))
            case Ponged(mark):
                self.path.answered(mark, self._active_s)

    def _begin(self, number: int, sealed: bytes) -> None:
        if self._gateway.draining:
            self._requests.close(number)
            self._reset(number, Reset.DRAINING)
            return
        self._credited[number] = asyncio.Event()
        answering = self._gateway.answer(number, sealed, _Reply(self, number))
        task = self._tasks.start(answering, "answer")
        self._answers[number] = task
        task.add_done_callback(partial(self._answered, number))

    def _answered(self, number: int, task: asyncio.Task[None]) -> None:
        self._requests.close(number)
        self._active_s = self._loop.time()
        del self._answers[number]
        del self._credited[number]
        if not task.cancelled() and task.exception() is not None:
            # The task's set has logged it.
            self._reset(number, Reset.BROKEN)

    def _reset(self, number: int, code: Reset) -> None:
        self._gateway.counts.resets.add(value=code.name.lower())
        self._send_small(encode_reset(number, code))

    def _send_small(self, frame: bytes) -> None:
        """Send a frame that waits for no credit."""
        if self._tasks.closed:
            return
        if self._small >= _SMALL_WAITING:
            self.close(LinkCode.LIMIT)
            return
        self._small += 1
        self._tasks.spawn(self._write_small(frame), "small frame")

    async def _write_small(self, frame: bytes) -> None:
        with suppress(AnswerStopped):
            await self._write(frame)
        self._small -= 1

    async def _send(self, number: int, frame: bytes, reader: Reader | None) -> None:
        size = len(frame) - FRAME_HEADER_BYTES
        try:
            async with asyncio.timeout(self._gateway.settings.stalled_s):
                while self._requests.room(number) <= 0:
                    credited = self._credited[number]
                    credited.clear()
                    await credited.wait()
                self._requests.spend(number, size)
                if reader is not None:
                    await reader.turn(size)
                await self._write(frame)
                mark = self.path.due(self.sent_bytes, self._loop.time())
                if mark is not None:
                    await self._write(encode_ping(mark))
        except TimeoutError:
            self._reset(number, Reset.BROKEN)
            raise AnswerStopped from None
        self._gateway.counts.bytes.by_value[""] += size
        wait_s = 0.0 if reader is None else reader.account.answer(size, self._loop.time())
        # The other answers of this link have their turn.
        await asyncio.sleep(wait_s)

    async def _write(self, frame: bytes) -> None:
        self.sent_bytes += len(frame)
        try:
            await self._socket.send_bytes(frame)
        except (ConnectionError, RuntimeError):
            raise AnswerStopped from None


class _Reply:
    """Takes one request's answer to the link; see `gateway.Reply`."""

    __slots__ = ("_link", "_number")

    def __init__(self, link: GatewayLink, number: int) -> None:
        self._link = link
        self._number = number

    async def send(self, frame: bytes, reader: Reader | None) -> None:
        await self._link._send(self._number, frame, reader)

    def reset(self, code: Reset) -> None:
        self._link._reset(self._number, code)
