"""Finds out how fast bytes pass between this machine and an exit, before anybody is helped."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from passerelle import limits
from passerelle.core.speed import RateMeter, Speed, speed
from passerelle.errors import LinkCode, PeerError
from passerelle.io.tunnel.websocket import MESSAGE_LIMIT_BYTES, SUBPROTOCOL
from passerelle.wire import ratetest
from passerelle.wire.ratetest import Down, Got
from passerelle.wire.websocket import CLOSE_CODE_BASE

TEST_S: Final = 5.0
"""Longest time of a test."""
WAY_S: Final = 1.5
"""Longest time for each way."""
_CLOSE_S: Final = 0.5
_FILLING: Final = os.urandom(limits.RATE_TEST_MESSAGE_BYTES)


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured, in Mbit/s with one digit."""

    down_mbit: float
    """From the exit to here."""
    up_mbit: float | None
    """None where the other way is too slow already."""

    @property
    def speed(self) -> Speed:
        """What the connection is good for."""
        return speed(self.down_mbit, self.down_mbit if self.up_mbit is None else self.up_mbit)


class RateTest:
    """One test."""

    def __init__(self, http: aiohttp.ClientSession, bytes_each_way: int) -> None:
        self._http = http
        self._most = bytes_each_way
        self._received = 0
        self._sent = 0

    @property
    def moved_bytes(self) -> int:
        """Bytes that came and went, those included that may still be on their way."""
        return self._received + self._sent

    async def run(self, url: str, ticket: str) -> Rates | None:
        """Test at the exit; return None where it does not answer, or not as it should.

        It takes TEST_S at most. Cancelling breaks it off.
        """
        try:
            async with (
                asyncio.timeout(TEST_S),
                self._http.ws_connect(
                    url,
                    protocols=(SUBPROTOCOL, ticket),
                    max_msg_size=MESSAGE_LIMIT_BYTES,
                    compress=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                ) as socket,
            ):
                try:
                    return await self._measure(socket)
                except PeerError as error:
                    await socket.close(code=CLOSE_CODE_BASE + error.code)
        except (aiohttp.ClientError, OSError, RuntimeError):  # TimeoutError is an OSError
            pass
        return None

    async def _measure(self, socket: ClientWebSocketResponse) -> Rates | None:
        down_mbit = await self._down(socket)
        if down_mbit is None:
            return None
        if speed(down_mbit, down_mbit) is Speed.SLOW:
            return Rates(down_mbit, None)
        up_mbit = await self._up(socket)
        return None if up_mbit is None else Rates(down_mbit, up_mbit)

    async def _down(self, socket: ClientWebSocketResponse) -> float | None:
        await socket.send_str(ratetest.encode(Down(self._most)))
        meter = RateMeter(_now())
        try:
            async with asyncio.timeout(WAY_S):
                while self._received < self._most:
                    if await self._hear(socket) is None:
                        meter.take(self._received, _now())
                        await socket.send_str(ratetest.encode(Got(self._received)))
        except TimeoutError:
            pass
        return meter.mbit(_now())

    async def _up(self, socket: ClientWebSocketResponse) -> float | None:
        if self._received < self._most:
            # The answer to an empty message comes behind all that was still to come down.
            await socket.send_bytes(b"")
            while (got := await self._hear(socket)) is None:
                pass
            if got:
                raise PeerError(LinkCode.MALFORMED, "an exit got what was not sent")
        begun_s = _now()
        meter = RateMeter(begun_s)
        try:
            async with asyncio.timeout(WAY_S):
                while meter.bytes < self._most:
                    under_way = self._sent - meter.bytes
                    room = ratetest.allowance(meter.bytes, _now() - begun_s) - under_way
                    if self._sent < self._most and room > 0:
                        size = min(len(_FILLING), self._most - self._sent)
                        self._sent += size
                        await socket.send_bytes(_FILLING[:size])
                    elif (got := await self._hear(socket)) is not None:
                        if not meter.bytes <= got <= self._sent:
                            raise PeerError(LinkCode.MALFORMED, "an exit got what was not sent")
                        meter.take(got, _now())
        except TimeoutError:
            pass
        return meter.mbit(_now())

    async def _hear(self, socket: ClientWebSocketResponse) -> int | None:
        """Take one message; return what the exit says it got, None where it sent bytes.

        Raises PeerError, and ConnectionError when the WebSocket has ended.
        """
        message = await socket.receive()
        if message.type is WSMsgType.BINARY:
            self._received += len(message.data)
            if self._received > self._most:
                raise PeerError(LinkCode.LIMIT, "an exit sends more than it was asked for")
            return None
        if message.type is not WSMsgType.TEXT:
            raise ConnectionError("the WebSocket of a test has ended")
        said = ratetest.decode(message.data)
        if not isinstance(said, Got):
            raise PeerError(LinkCode.MALFORMED, "an exit asks for bytes")
        return said.bytes


def _now() -> float:
    return asyncio.get_running_loop().time()
