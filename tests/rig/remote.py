"""Remote control of a browser: commands, their answers, and events.

Firefox speaks WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), Chromium its DevTools
protocol (https://chromedevtools.github.io/devtools-protocol/). Their messages have the same form,
and this module has only the part that the tests need.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import aiohttp

ANSWER_S = 30.0
MESSAGE_BYTES_LIMIT = 1 << 26
"""The longest message; a screenshot comes in one."""

Listener = Callable[[str, dict[str, Any]], None]


class RemoteError(AssertionError):
    """The browser refused a command or has ended; the message has the browser's words."""


class RemoteTimeout(RemoteError):
    """The browser did not answer in time."""


class Wire(Protocol):
    """A transport for the messages."""

    async def send(self, text: str) -> None:
        """Send one message. Raises ConnectionError when the browser has ended."""

    def received(self) -> AsyncIterator[str]:
        """Yield each message that comes, until the browser ends."""


class WebSocketWire:
    """A WebSocket, as Firefox offers it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator[Self]:
        """Connect during an `async with`."""
        async with (
            aiohttp.ClientSession(trust_env=False) as http,
            http.ws_connect(url, max_msg_size=MESSAGE_BYTES_LIMIT) as socket,
        ):
            yield cls(socket)

    async def send(self, text: str) -> None:
        """See `Wire.send`."""
        await self._socket.send_str(text)

    async def received(self) -> AsyncIterator[str]:
        """See `Wire.received`."""
        async for message in self._socket:
            yield message.data


class PipeWire:
    """Two pipes with a NUL after each message, as Chromium offers; nothing is on the network."""

    def __init__(self, reader: asyncio.StreamReader, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def of(cls, read: BinaryIO, write: BinaryIO) -> AsyncIterator[Self]:
        """Use the two ends of a pipe during an `async with`."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MESSAGE_BYTES_LIMIT)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), read
        )
        try:
            yield cls(reader, write)
        finally:
            transport.close()

    async def send(self, text: str) -> None:
        """See `Wire.send`. A command is small enough for the pipe to take it at once."""
        self._writer.write(text.encode() + b"\0")
        self._writer.flush()

    async def received(self) -> AsyncIterator[str]:
        """See `Wire.received`."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                yield (await self._reader.readuntil(b"\0"))[:-1].decode()


class Remote:
    """A connection to a browser during an `async with`."""

    def __init__(self, wire: Wire, hear: Listener) -> None:
        """`hear` is called with the name and the parameters of each event subscribed to."""
        self._wire = wire
        self._hear = hear
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read(), name="remote")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.cancel()

    async def ask(
        self, method: str, *, timeout_s: float = ANSWER_S, session: str = "", **params: object
    ) -> dict[str, Any]:
        """Return the browser's answer to a command.

        `session` names the page that the command is for, at Chromium. Raises RemoteError when the
        browser refuses or has ended, and RemoteTimeout when there is no answer in time.
        """
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        command: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        try:
            await self._wire.send(json.dumps(command))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise RemoteTimeout(f"no answer to {method} within {timeout_s} s") from None
        except ConnectionError:
            raise RemoteError(f"the browser was gone before {method}") from None
        finally:
            del self._asked[number]

    async def _read(self) -> None:
        async for message in self._wire.received():
            told = json.loads(message)
            if "id" not in told:
                self._hear(told["method"], {**told["params"], "session": told.get("sessionId", "")})
                continue
            answer = self._asked.get(told["id"])
            if answer is None or answer.done():
                continue
            if "result" in told:
                answer.set_result(told["result"])
            else:
                answer.set_exception(RemoteError(f"{told['error']} {told.get('message', '')}"))
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(RemoteError("the browser ended while it was needed"))


def as_json(expression: str) -> str:
    """Return an expression for the JSON of the value of `expression`.

    If that value is a function it is called; if it is a promise it is awaited.
    """
    return f"""(async () => {{
      const value = await ({expression});
      return JSON.stringify(typeof value === 'function' ? await value() : value);
    }})()"""
