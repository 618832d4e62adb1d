"""A real Chromium inside a namespace, driven from outside.

Outside, `LabBrowser` starts `python -m tests.lab.browser` in the namespace; inside, that program
drives Chromium through Playwright. They talk in lines of JSON: `{"do": "click", "selector": "#on"}`
is answered by `{"value": …}` or `{"error": "…"}`, in order.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.lab.child import Child
from tests.lab.errors import LabError
from tests.lab.namespace import Namespace
from tests.lab.tools import CHROMIUM

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Root needs the first; the others keep Chromium from talking to anybody by itself."""
START_S = 30.0
ANSWER_S = 10.0
CONSOLE_LINES_LIMIT = 1000
LINE_BYTES_LIMIT = 1 << 24


class LabBrowser:
    """A headless Chromium with one page, in a namespace. Close it, or use it in a `with` statement.

    Every method blocks until the browser has answered, and raises `LabError` with the browser's
    words if it failed or `timeout_s` passed. From a coroutine call them through
    `asyncio.to_thread`.
    """

    program = "tests.lab.browser"
    """The module that runs inside."""

    def __init__(self, namespace: Namespace, *flags: str) -> None:
        """Start Chromium, with `flags` after the laboratory's own."""
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
        """The id of the program that drives Chromium, and from which all of it descends."""
        return self._child.pid

    def goto(self, url: str, *, timeout_s: float = ANSWER_S) -> None:
        """Open a page, in a new tab if the last one was shut, and wait until it is loaded."""
        self._ask(timeout_s, do="goto", url=url)

    def shut(self, *, timeout_s: float = ANSWER_S) -> None:
        """Close the tab, as a person does; the next `goto` opens another."""
        self._ask(timeout_s, do="shut")

    def click(self, selector: str, *, timeout_s: float = ANSWER_S) -> None:
        """Click an element, as a person would (shadow roots are searched too)."""
        self._ask(timeout_s, do="click", selector=selector)

    def eval(self, expression: str, *, timeout_s: float = ANSWER_S) -> Any:
        """Return the value of a JavaScript expression or function, of a promise when it is kept."""
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
        self._child.stop()

    def _ask(self, timeout_s: float, **request: object) -> Any:
        # The inside keeps the time; the outside waits a little longer, for its words.
        line = json.dumps({**request, "timeout_ms": timeout_s * 1e3})
        return _value(self._child.ask(line, timeout_s=timeout_s + 5))

    def _read(self, timeout_s: float) -> Any:
        return _value(self._child.hear(timeout_s=timeout_s))


def _value(answer: str) -> Any:
    message = json.loads(answer)
    if "error" in message:
        raise LabError(f"The browser failed: {message['error']}")
    return message["value"]


class Inside(Protocol):
    """What obeys inside."""

    async def obey(self, request: dict[str, Any]) -> object:
        """Do what `request` says within its time, and return the value to answer with."""
        ...


class _Inside:
    """The commands, on the one page."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self._browser = browser
        self._console: list[str] = []
        self._show(page)

    def _show(self, page: Page) -> None:
        self._page = page
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._note(f"uncaught: {error}"))

    async def obey(self, request: dict[str, Any]) -> object:
        commands: dict[str, Callable[..., Awaitable[object]]] = {
            "goto": self._goto,
            "shut": self._page.close,
            "click": self._page.click,
            "eval": self._page.evaluate,
            "wait": self._wait,
            "text": self._page.inner_text,
            "console": self._read_console,
        }
        command = commands[request.pop("do")]
        timeout_ms = request.pop("timeout_ms")
        self._page.set_default_timeout(timeout_ms)
        # An expression's promise has no time limit of Playwright's.
        async with asyncio.timeout(timeout_ms / 1e3 + 1):
            return await command(**request)

    async def _goto(self, url: str) -> None:
        if self._page.is_closed():
            self._show(await self._browser.new_page())
        await self._page.goto(url)

    async def _wait(self, expression: str) -> None:
        await self._page.wait_for_function(expression)

    async def _read_console(self) -> list[str]:
        return self._console

    def _on_console(self, message: ConsoleMessage) -> None:
        self._note(f"{message.type}: {message.text}")

    def _note(self, line: str) -> None:
        print(line, file=sys.stderr)
        self._console = [*self._console, line][-CONSOLE_LINES_LIMIT:]


async def serve(inside: Inside, version: str) -> None:
    """Obey line by line until there are no more."""
    requests = asyncio.StreamReader(limit=LINE_BYTES_LIMIT)
    protocol = asyncio.StreamReaderProtocol(requests)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    _answer(value=version)
    async for line in requests:
        try:
            value = await inside.obey(json.loads(line))
        # Whatever goes wrong, the outside must get its one line.
        except Exception as error:
            _answer(error=f"{type(error).__name__}: {error}")
        else:
            _answer(value=value)


def _answer(**message: object) -> None:
    print(json.dumps(message), flush=True)


async def _run(flags: list[str]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], timeout=START_S * 1e3
        )
        await serve(_Inside(browser, await browser.new_page()), browser.version)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1:]))
