"""Drive Debian's Chromium, headless, without a program that receives all that its pages send.

Playwright makes the browser report every WebSocket message to it, payload included, also from
workers. For a page that relays, that is a second copy of all traffic, through four processes, and a
measurement would include it. This driver subscribes to the console only.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

from tests.rig.program import Program
from tests.rig.remote import PipeWire, Remote, RemoteError, RemoteTimeout, Wire, as_json
from tests.rig.selector import FIND, parse

WAIT_S: Final = 10.0
POLL_S: Final = 0.05
CONSOLE_LINES_LIMIT: Final = 1000
QUIT_S: Final = 5.0

MIDDLE: Final = """(selector, text) => {
  const box = (%s)(selector, text)?.getBoundingClientRect();
  return box ? [box.x + box.width / 2, box.y + box.height / 2] : null;
}"""


class QuietPage:
    """One tab with its own storage."""

    def __init__(self, remote: Remote, *, target: str, session: str) -> None:
        self._remote = remote
        self._target = target
        self._session = session
        self.console: collections.deque[str] = collections.deque(maxlen=CONSOLE_LINES_LIMIT)
        """Lines that the page wrote to its console, uncaught errors included."""

    async def goto(self, url: str, *, timeout_s: float = WAIT_S) -> None:
        """Open a page and wait until it is loaded."""
        end_s = time.monotonic() + timeout_s
        answer = await self._ask("Page.navigate", timeout_s, url=url)
        if error := answer.get("errorText"):
            raise RemoteError(f"{error} at {url}")
        left_s = end_s - time.monotonic()
        await self.wait_for_function("document.readyState === 'complete'", timeout_s=left_s)

    async def evaluate(self, expression: str, *, timeout_s: float = WAIT_S) -> Any:
        """Return the value of an expression, passed as JSON; a function is called, a promise
        awaited.

        Raises RemoteError with the page's message if it throws.
        """
        answer = await self._ask(
            "Runtime.evaluate",
            timeout_s,
            expression=as_json(expression),
            awaitPromise=True,
            returnByValue=True,
        )
        if thrown := answer.get("exceptionDetails"):
            raise RemoteError(thrown.get("exception", thrown).get("description", thrown["text"]))
        return json.loads(answer["result"]["value"]) if "value" in answer["result"] else None

    async def wait_for_function(self, expression: str, *, timeout_s: float = WAIT_S) -> None:
        """Wait until an expression, or the result of a function, is true."""
        await self._until(expression, timeout_s)

    async def inner_text(self, selector: str, *, timeout_s: float = WAIT_S) -> str:
        """Return the visible text of an element, as soon as it exists."""
        call = _call(f"(...words) => ({FIND})(...words)?.innerText", selector)
        return str(await self._until(f"{call} ?? null", timeout_s))

    async def click(self, selector: str, *, timeout_s: float = WAIT_S) -> None:
        """Click the middle of an element as a person would, as soon as it is shown."""
        x, y = await self._until(_call(MIDDLE % FIND, selector), timeout_s)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            await self._ask("Input.dispatchMouseEvent", timeout_s, type=kind, x=x, y=y, **button)

    async def close(self, *, timeout_s: float = WAIT_S) -> None:
        """Close the tab, as a person does."""
        await self._remote.ask("Target.closeTarget", timeout_s=timeout_s, targetId=self._target)

    def hear(self, method: str, params: dict[str, Any]) -> None:
        """Handle an event of the browser."""
        if method == "Runtime.consoleAPICalled":
            words = [str(each.get("value", each.get("description"))) for each in params["args"]]
            self.console.append(f"{params['type']}: {' '.join(words)}")
        elif method == "Runtime.exceptionThrown":
            thrown = params["exceptionDetails"]
            self.console.append(f"uncaught: {thrown.get('exception', {}).get('description')}")

    async def _until(self, expression: str, timeout_s: float) -> Any:
        """Return the value of an expression as soon as that value is true."""
        end_s = time.monotonic() + timeout_s
        while True:
            try:
                value = await self.evaluate(expression, timeout_s=timeout_s)
            except RemoteError as error:
                # While a page opens, its JavaScript context may be destroyed during a question.
                if "context" not in str(error):
                    raise
                value = None
            if value:
                return value
            if time.monotonic() > end_s:
                raise RemoteTimeout(f"not so within {timeout_s} s: {expression[-200:]}")
            await asyncio.sleep(POLL_S)

    async def _ask(self, method: str, timeout_s: float, **params: object) -> dict[str, Any]:
        return await self._remote.ask(method, timeout_s=timeout_s, session=self._session, **params)


class QuietChromium:
    """A headless Chromium for any number of pages; its profile is deleted when it ends."""

    def __init__(self, path: str, *flags: str, private: bool = True) -> None:
        """`path` is the program; `flags` are added to its command line.

        Each page has a private window of its own; without `private` all share the profile, as
        usual windows do. A private window makes no connection before a page needs it.
        """
        self._private = private
        self._path = path
        self._flags = flags
        self._stack = AsyncExitStack()
        self._pages: dict[str, QuietPage] = {}
        self._trace: list[dict[str, Any]] = []
        self._is_traced = asyncio.Event()
        """Set when the trace is complete."""
        self._remote: Remote
        self.version = ""
        """The version that Chromium reports."""
        self._program: Program

    @property
    def pid(self) -> int:
        """The process from which all of Chromium's processes descend."""
        return self._program.pid

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            profile = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="passerelle-chrome-", ignore_cleanup_errors=True)
            )
            wire = await self._start(stack, f"--user-data-dir={profile}")
            self._remote = await stack.enter_async_context(Remote(wire, self._hear))
            stack.push_async_callback(self._quit)
            answer = await self._remote.ask("Browser.getVersion")
            self.version = answer["product"].rpartition("/")[2]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def open(self) -> QuietPage:
        """Return a new, empty page."""
        where = await self._remote.ask("Target.createBrowserContext") if self._private else {}
        target = await self._remote.ask("Target.createTarget", url="about:blank", **where)
        attached = await self._remote.ask(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        session = attached["sessionId"]
        page = QuietPage(self._remote, target=target["targetId"], session=session)
        self._pages[session] = page
        await self._remote.ask("Runtime.enable", session=session)
        return page

    @asynccontextmanager
    async def traced(self, *categories: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Record what all pages and workers do, as Chromium's own trace events.

        The events are in the list once the `async with` is left.
        """
        self._trace.clear()
        self._is_traced.clear()
        config = {"includedCategories": [*categories], "excludedCategories": ["*"]}
        await self._remote.ask("Tracing.start", traceConfig=config)
        yield self._trace
        await self._remote.ask("Tracing.end")
        async with asyncio.timeout(WAIT_S):
            await self._is_traced.wait()

    async def _start(self, stack: AsyncExitStack, profile: str) -> Wire:
        """Start the program, which reads commands from descriptor 3 and answers on 4."""
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        read = stack.enter_context(os.fdopen(ours_in, "rb"))
        write = stack.enter_context(os.fdopen(ours_out, "wb"))
        words = (self._path, "--headless", "--remote-debugging-pipe", profile, *self._flags)
        # Debian's sh takes no descriptor above 9 here.
        shell = ("bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}')
        try:
            program = Program(*shell, *words, pass_fds=(theirs_in, theirs_out))
            await stack.enter_async_context(program)
            self._program = program
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        return await stack.enter_async_context(PipeWire.of(read, write))

    async def _quit(self) -> None:
        # Ask the browser to close; `Program` kills it if it does not. What its pages stored last is
        # in the profile once it has ended.
        with suppress(RemoteError, AssertionError):
            await self._remote.ask("Browser.close", timeout_s=QUIT_S)
            await self._program.wait(QUIT_S)

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method == "Tracing.dataCollected":
            self._trace += params["value"]
        elif method == "Tracing.tracingComplete":
            self._is_traced.set()
        elif page := self._pages.get(params["session"]):
            page.hear(method, params)


def _call(function: str, selector: str) -> str:
    return f"({function})(...{json.dumps(parse(selector))})"
