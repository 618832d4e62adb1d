"""Tests of volunteers' rates at the exit: bounded, counted apart from people's bytes, and refused
while people need the exit.

A volunteer asks before it helps anybody (`wire.ratetest`). Nothing of a test reaches a site.
"""

from __future__ import annotations

import asyncio
import enum
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from aiohttp import WSMessage, WSMsgType, web

from passerelle import limits, serverlimits
from passerelle.core.bucket import Bucket
from passerelle.core.originrates import OriginRates
from passerelle.errors import LinkCode, PeerError
from passerelle.io.server.metrics import Metrics
from passerelle.wire import ratetest
from passerelle.wire.ratetest import Down, Got
from passerelle.wire.websocket import CLOSE_CODE_BASE

_CLOSE_S: Final = 1.0
_FILLING: Final = os.urandom(limits.RATE_TEST_MESSAGE_BYTES)
"""What binary messages hold: random, so that nothing on the way makes it shorter."""


class Outcome(enum.Enum):
    """What became of a volunteer's wish to test its rate."""

    ENDED = "ended"
    """The volunteer ended it, or its connection broke."""
    LATE = "late"
    """It took too long."""
    BROKEN = "broken"
    """The volunteer broke the rules."""
    REFUSED = "refused"
    """The exit was busy, or the volunteer's network had tested enough."""


class RateTests:
    """The tests at one exit. It must be made inside a running event loop."""

    def __init__(
        self, metrics: Metrics, *, is_busy: Callable[[], bool], spend: Callable[[int], None]
    ) -> None:
        """`is_busy` says whether people need the exit; `spend` counts bytes towards its rate."""
        self._is_busy = is_busy
        self._spend = spend
        self._loop = asyncio.get_running_loop()
        self._running = 0
        burst, per_s = serverlimits.RATE_TESTS_RATE
        self._all = Bucket(per_s, burst, self._loop.time())
        self._networks = OriginRates(serverlimits.RATE_TEST_NETWORKS)
        self._outcomes = metrics.counter(
            "exit_rate_tests",
            "Tests of volunteers' rates, by how they ended.",
            label="outcome",
            values=[outcome.value for outcome in Outcome],
        )
        self._bytes = metrics.counter(
            "exit_rate_test_bytes",
            "Bytes of tests of volunteers' rates: down is towards volunteers.",
            label="direction",
            values=("down", "up"),
            exact=True,
        )

    def admits(self, asker: bytes) -> bool:
        """Count a test of the origin `asker`, and return whether it may begin."""
        now = self._loop.time()
        may = (
            self._running < serverlimits.RATE_TESTS
            and not self._is_busy()
            and self._all.left(now) >= 1
            and self._networks.take(asker, serverlimits.RATE_TESTS_OF_NETWORK, now)
            and self._all.take(now)
        )
        if not may:
            self._outcomes.add(value=Outcome.REFUSED.value)
        return may

    async def serve(self, socket: web.WebSocketResponse, abort: Callable[[], None] | None) -> None:
        """Serve one test, which `admits` let in, and break its connection off in the end.

        `socket` has no `autoping`. `abort` breaks the connection off below aiohttp. Cancelling ends
        the test.
        """
        outcome = Outcome.ENDED
        self._running += 1
        try:
            async with asyncio.timeout(serverlimits.RATE_TEST_S):
                await _Test(socket, self._moved).run()
        except TimeoutError:
            outcome = Outcome.LATE
        except PeerError as error:
            outcome = Outcome.BROKEN
            with suppress(ConnectionError, TimeoutError, RuntimeError):
                async with asyncio.timeout(_CLOSE_S):
                    await socket.close(code=CLOSE_CODE_BASE + error.code)
        except (ConnectionError, RuntimeError):
            pass  # aiohttp raises RuntimeError for a socket that closed meanwhile.
        finally:
            self._running -= 1
            self._outcomes.add(value=outcome.value)
            if abort is not None:
                abort()

    def _moved(self, down: int, up: int) -> None:
        self._bytes.by_value["down"] += down
        self._bytes.by_value["up"] += up
        self._spend(down)


class _Test:
    """One test at the exit."""

    def __init__(self, socket: web.WebSocketResponse, moved: Callable[[int, int], None]) -> None:
        self._socket = socket
        self._moved = moved
        self._wanted = 0
        """Bytes to send in all."""
        self._sent = 0
        self._begun_s = 0.0
        """When bytes were asked for."""
        self._acknowledged = 0
        self._received = 0

    async def run(self) -> None:
        """Answer until the volunteer ends it. Raises PeerError, ConnectionError, RuntimeError."""
        messages = 0
        async for message in self._socket:
            messages += 1
            if messages > limits.RATE_TEST_MESSAGES:
                raise PeerError(LinkCode.LIMIT, "too many messages of a test")
            await self._take(message)
            await self._send()

    async def _take(self, message: WSMessage) -> None:
        match message.type:
            case WSMsgType.BINARY:
                self._received += len(message.data)
                self._moved(0, len(message.data))
                if self._received > limits.RATE_TEST_BYTES:
                    raise PeerError(LinkCode.LIMIT, "too many bytes of a test")
                self._wanted = self._sent
                await self._socket.send_str(ratetest.encode(Got(self._received)))
            case WSMsgType.TEXT:
                self._hear(ratetest.decode(message.data))
            case WSMsgType.PING:
                await self._socket.pong(message.data)
            case _:
                pass

    def _hear(self, said: ratetest.RateMessage) -> None:
        if isinstance(said, Down):
            if self._wanted or self._received:
                raise PeerError(LinkCode.UNEXPECTED, "a second request in a test")
            self._wanted = said.bytes
            self._begun_s = _now()
        else:
            if not self._acknowledged <= said.bytes <= self._sent:
                raise PeerError(LinkCode.MALFORMED, "a test acknowledges what was not sent")
            self._acknowledged = said.bytes

    async def _send(self) -> None:
        """Send what may be on its way. The socket waits for a volunteer that reads slowly."""
        while self._sent < self._wanted:
            under_way = self._sent - self._acknowledged
            if under_way >= ratetest.allowance(self._acknowledged, _now() - self._begun_s):
                return
            size = min(len(_FILLING), self._wanted - self._sent)
            self._sent += size
            self._moved(size, 0)
            await self._socket.send_bytes(_FILLING[:size])


def _now() -> float:
    return asyncio.get_running_loop().time()
