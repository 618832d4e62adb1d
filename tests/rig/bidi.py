"""WebDriver BiDi over one WebSocket: commands, their answers, and events.

The protocol is that of https://www.w3.org/TR/webdriver-bidi/; only what the tests need is here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp

ANSWER_S = 30.0
MESSAGE_BYTES_LIMIT = 1 << 26
"""A screenshot comes in one message."""

Listener = Callable[[str, dict[str, Any]], None]


class BidiError(AssertionError):
    """The browser refused a command, or is gone; the message has its words."""


class BidiTimeout(BidiError):
    """The browser did not do it in time."""


class Bidi:
    """A session with a browser, for the length of an `async with`."""

    def __init__(self, url: str, hear: Listener) -> None:
        """`hear` is called with the name and the parameters of each event subscribed to."""
        self._url = url
        self._hear = hear
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._stack = AsyncExitStack()
        self._socket: aiohttp.ClientWebSocketResponse
        self.version = ""
        """The browser's."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
            self._socket = await stack.enter_async_context(
                http.ws_connect(self._url, max_msg_size=MESSAGE_BYTES_LIMIT)
            )
            reader = asyncio.create_task(self._read(), name="bidi")
            stack.callback(reader.cancel)
            session = await self.ask("session.new", capabilities={})
            self.version = session["capabilities"]["browserVersion"]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def ask(
        self, method: str, *, timeout_s: float = ANSWER_S, **params: object
    ) -> dict[str, Any]:
        """Return the browser's answer to a command; raise BidiError if it has none to give."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            await self._socket.send_json({"id": number, "method": method, "params": params})
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise BidiTimeout(f"no answer to {method} within {timeout_s} s") from None
        except ConnectionError:
            raise BidiError(f"the browser was gone before {method}") from None
        finally:
            del self._asked[number]

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if told["type"] == "event":
                self._hear(told["method"], told["params"])
                continue
            answer = self._asked.get(told["id"])
            if answer is None or answer.done():
                continue
            if told["type"] == "success":
                answer.set_result(told["result"])
            else:
                answer.set_exception(BidiError(f"{told['error']}: {told['message']}"))
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(BidiError("the browser ended while it was needed"))
