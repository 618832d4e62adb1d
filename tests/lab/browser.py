"""Drive a real Chromium that runs inside a namespace.

Outside the namespace, `LabBrowser` starts `python -m tests.lab.browser` in it; that program drives
Chromium. The two exchange lines of JSON: `{"do": "click", "selector": "#on"}` is answered by
`{"value": …}` or `{"error": "…"}`, in order.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import Any, Protocol, Self

from tests.lab.child import Child
from tests.lab.errors import LabError
from tests.lab.namespace import Namespace
from tests.lab.tools import CHROMIUM
from tests.rig.chromium import QuietChromium

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Chromium's flags: root needs the first, and the others keep it from sending anything by
itself."""
IN_PROFILE = "in-profile"
"""A word before the flags: the pages are no private windows."""
Command = Callable[..., Awaitable[Any]]
START_S = 30.0
ANSWER_S = 10.0
END_S = 10.0
"""Longest time in which the browser writes down what its pages stored."""
LINE_BYTES_LIMIT = 1 << 24


class LabBrowser:
    """A headless Chromium with one page, in a namespace. Close it, or use it in a `with` statement.

    Every method blocks until the browser has answered, and raises `LabError` with the browser's
    message if it failed or if `timeout_s` passed. From a coroutine call the methods through
    `asyncio.to_thread`.
    """

    program = "tests.lab.browser"
    """The module that runs inside the namespace."""

    def __init__(self, namespace: Namespace, *flags: str) -> None:
        """Start Chromium with `FLAGS` and further `flags`; see `IN_PROFILE`."""
        words = ("-m", self.program, *flags)
        self._child: Child = namespace.python(*words, dialogue=True)
        self._read(START_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The id of the program that drives Chromium; Chromium's processes descend from it."""
        return self._child.pid

    def goto(self, url: str, *, timeout_s: float = ANSWER_S) -> None:
        """Open a page and wait until it is loaded; in a new tab if the last one was closed."""
        self._ask(timeout_s, do="goto", url=url)

    def shut(self, *, timeout_s: float = ANSWER_S) -> None:
        """Close the tab, as a person does; the next `goto` opens another."""
        self._ask(timeout_s, do="shut")

    def click(self, selector: str, *, timeout_s: float = ANSWER_S) -> None:
        """Click an element as a person would; shadow roots are searched too."""
        self._ask(timeout_s, do="click", selector=selector)

    def eval(self, expression: str, *, timeout_s: float = ANSWER_S) -> Any:
        """Return the value of a JavaScript expression; a function is called, a promise awaited."""
        return self._ask(timeout_s, do="eval", expression=expression)

    def wait(self, expression: str, *, timeout_s: float = ANSWER_S) -> None:
        """Wait until a JavaScript expression is true."""
        self._ask(timeout_s, do="wait", expression=expression)

    def text(self, selector: str, *, timeout_s: float = ANSWER_S) -> str:
        """Return the visible text of an element."""
        return str(self._ask(timeout_s, do="text", selector=selector))

    def console(self) -> list[str]:
        """Return the last lines of the page's console, uncaught errors included."""
        return list(self._ask(ANSWER_S, do="console"))

    def close(self) -> None:
        """End Chromium. Idempotent."""
        self._child.stop(grace_s=END_S)

    def _ask(self, timeout_s: float, **request: object) -> Any:
        # The program inside enforces the timeout. This side waits a little longer, to get its
        # message.
        line = json.dumps({**request, "timeout_ms": timeout_s * 1e3})
        return _value(self._child.ask(line, timeout_s=timeout_s + 5))

    def _read(self, timeout_s: float) -> Any:
        return _value(self._child.hear(timeout_s=timeout_s))


def _value(answer: str) -> Any:
    message = json.loads(answer)
    if "error" in message:
        raise LabError(f"The browser failed: {message['error']}")
    return message["value"]


class Page(Protocol):
    """The methods of a browser's tab that the commands need."""

    @property
    def console(self) -> Collection[str]:
        """Lines that the page wrote to its console."""

    async def goto(self, url: str, *, timeout_s: float) -> None:
        """See `LabBrowser.goto`; the other methods are those of `LabBrowser`, too."""

    async def click(self, selector: str, *, timeout_s: float) -> None: ...

    async def evaluate(self, expression: str, *, timeout_s: float) -> Any: ...

    async def wait_for_function(self, expression: str, *, timeout_s: float) -> None: ...

    async def inner_text(self, selector: str, *, timeout_s: float) -> str: ...

    async def close(self) -> None:
        """Close the tab."""


class Opener(Protocol):
    """The method of a browser that the commands need."""

    async def open(self) -> Page:
        """Return a new, empty tab with its own storage."""


class _Inside:
    """Runs commands on one page of a browser, and opens another page when that one is closed."""

    def __init__(self, browser: Opener) -> None:
        self._browser = browser
        self._page: Page | None = None

    async def obey(self, request: dict[str, Any]) -> object:
        """Run the command `request` within its time, and return the value to answer with."""
        command = request.pop("do")
        timeout_s = request.pop("timeout_ms") / 1e3
        if self._page is None:
            self._page = await self._browser.open()
        if command == "console":
            return list(self._page.console)
        if command == "shut":
            await self._page.close()
            self._page = None
            return None
        commands: dict[str, Command] = {
            "goto": self._page.goto,
            "click": self._page.click,
            "eval": self._page.evaluate,
            "wait": self._page.wait_for_function,
            "text": self._page.inner_text,
        }
        return await commands[command](*request.values(), timeout_s=timeout_s)


async def serve(browser: Opener, version: str) -> None:
    """Run the commands on standard input, a line each, until there are no more."""
    inside = _Inside(browser)
    requests = asyncio.StreamReader(limit=LINE_BYTES_LIMIT)
    protocol = asyncio.StreamReaderProtocol(requests)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    _answer(value=version)
    async for line in requests:
        try:
            value = await inside.obey(json.loads(line))
        # Whatever goes wrong, the outside waits for one line of answer.
        except Exception as error:
            _answer(error=f"{type(error).__name__}: {error}")
        else:
            _answer(value=value)


def _answer(**message: object) -> None:
    print(json.dumps(message), flush=True)


async def _run(flags: list[str]) -> None:
    private = flags[:1] != [IN_PROFILE]
    flags = flags if private else flags[1:]
    async with QuietChromium(CHROMIUM, *FLAGS, *flags, private=private) as browser:
        await serve(browser, browser.version)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1:]))
