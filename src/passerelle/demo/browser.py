"""A Chromium of our own, driven by the DevTools protocol over a pipe.

A pipe rather than a port: no other program can reach it, and a Chromium whose pipe closes ends
by itself, so none is left behind even if this process is killed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from passerelle.browser import chromium_arguments, find_chromium, missing_browser_message
from passerelle.errors import LocalError
from passerelle.io.tasks import TaskSet

ANSWER_TIMEOUT_S: Final = 20.0
"""A browser that answers no command of the DevTools protocol within this time hangs."""
POLL_S: Final = 0.02
"""Pause between two looks at something that a page does not announce."""
ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Longest answer of the browser, which is a screenshot of a large window."""
END_TIMEOUT_S: Final = 3.0
"""Time that a browser gets to end by itself before it is killed."""

_LOWEST_SPARE_HANDLE = 10
"""Pipes are moved up to here at least, because the shell moves them to handles 3 and 4."""


class Browser:
    """One running Chromium with one page; `launch` makes it."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: _Pipe) -> None:
        self._process = process
        self._pipe = pipe
        self._session = ""

    async def attach(self) -> None:
        """Take hold of the window's first page."""
        while True:
            found = await self._pipe.call("Target.getTargets", {})
            for target in found["targetInfos"]:
                if target["type"] == "page":
                    attached = await self._pipe.call(
                        "Target.attachToTarget", {"targetId": target["targetId"], "flatten": True}
                    )
                    self._session = attached["sessionId"]
                    return
            await asyncio.sleep(POLL_S)

    async def navigate(self, url: str) -> None:
        """Open `url`, and return once the page has loaded.

        Raises LocalError when the browser cannot open it.
        """
        went = await self._page("Page.navigate", url=url)
        if reason := went.get("errorText"):
            raise LocalError(f"The browser could not open {url}: {reason}.")
        await self.until("document.readyState === 'complete'")

    async def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression in the page, promises awaited.

        Runs as if the visitor had just touched the page. Raises LocalError when it throws.
        """
        found = await self._page(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if details := found.get("exceptionDetails"):
            thrown = details.get("exception", {}).get("description", details.get("text"))
            raise LocalError(f"The demo's script failed in the browser: {thrown}")
        return found["result"].get("value")

    async def until(self, script: str) -> None:
        """Return once a JavaScript expression is true in the page. The caller sets a deadline."""
        while not await self.evaluate(f"Boolean({script})"):  # noqa: ASYNC110 (pages do not tell)
            await asyncio.sleep(POLL_S)

    async def screenshot(self) -> bytes:
        """Return what the window shows, as PNG."""
        found = await self._page("Page.captureScreenshot", format="png")
        return base64.b64decode(found["data"])

    async def wait_closed(self) -> None:
        """Return when the browser has ended, for instance because its window was closed."""
        await self._pipe.closed.wait()

    async def _page(self, method: str, **parameters: object) -> dict[str, Any]:
        return await self._pipe.call(method, parameters, session=self._session)

    async def end(self) -> None:
        """Close the browser and wait until all of its processes are gone."""
        try:
            with contextlib.suppress(LocalError, TimeoutError):
                async with asyncio.timeout(END_TIMEOUT_S):
                    await self._pipe.call("Browser.close", {})
                    await self._process.wait()
        finally:
            # The browser leads a process group, which has all its children: it was started in a
            # session of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def launch(*, headless: bool, extra: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Run a Chromium with an empty profile for the length of an `async with`.

    Raises LocalError when there is none, or when it does not start. Leaving, also by
    cancellation, ends all its processes and removes its profile.
    """
    program = find_chromium()
    if program is None:
        raise LocalError(missing_browser_message())
    profile = Path(tempfile.mkdtemp(prefix="passerelle-demo-"))
    try:
        arguments = [*chromium_arguments(headless=headless, profile=profile), *extra]
        async with _pipe_to(program, arguments) as (process, pipe):
            browser = Browser(process, pipe)
            try:
                await _attach(browser, program)
                yield browser
            finally:
                await browser.end()
    finally:
        await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)


async def _attach(browser: Browser, program: Path) -> None:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await browser.attach()
    except (TimeoutError, LocalError) as error:
        raise LocalError(
            f"{program} does not start. Try it by hand; another browser can be named with "
            "PASSERELLE_CHROMIUM=/path/to/chrome."
        ) from error


class _Pipe:
    """Commands and answers of the DevTools protocol: JSON, each ended by a zero byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self.closed = asyncio.Event()

    async def call(
        self, method: str, parameters: dict[str, object], *, session: str = ""
    ) -> dict[str, Any]:
        """Return the browser's answer. Raises LocalError."""
        if self.closed.is_set():
            raise _closed_error()
        self._number = number = self._number + 1
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(msgspec.json.encode(message) + b"\0")
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                found: dict[str, Any] = await answer
        finally:
            del self._waiting[number]
        if "error" in found:
            raise LocalError(f"The browser refused {method}: {found['error'].get('message')}.")
        return found["result"]  # type: ignore[no-any-return]

    async def read(self) -> None:
        """Hand answers out until the browser closes its end."""
        try:
            while True:
                text = await self._reader.readuntil(b"\0")
                message = msgspec.json.decode(text[:-1], type=dict[str, Any])
                answer = self._waiting.get(message.get("id", 0))
                if answer is not None and not answer.done():
                    answer.set_result(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed.set()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_closed_error())


def _closed_error() -> LocalError:
    return LocalError("The volunteer's browser was closed. Start the demo again.")


@asynccontextmanager
async def _pipe_to(
    program: Path, arguments: Sequence[str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, _Pipe]]:
    commands, to_browser = (_move_up(handle) for handle in os.pipe())
    from_browser, answers = (_move_up(handle) for handle in os.pipe())
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            # The browser reads commands from handle 3 and writes answers to handle 4. Not `<&`:
            # Debian's sh duplicates handles of one digit only.
            f'exec "$@" 3</dev/fd/{commands} 4>/dev/fd/{answers}',
            "sh",
            str(program),
            "--remote-debugging-pipe",
            *arguments,
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(commands, answers),
            start_new_session=True,
        )
    finally:
        os.close(commands)
        os.close(answers)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=ANSWER_BYTES)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_browser, "rb", 0)
    )
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(to_browser, "wb", 0)
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    pipe = _Pipe(reader, writer)
    async with TaskSet("browser") as tasks:
        tasks.spawn(pipe.read(), "answers")
        try:
            yield process, pipe
        finally:
            writer.close()


def _move_up(handle: int) -> int:
    """Return `handle` moved above the handles that the shell sets."""
    moved = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, _LOWEST_SPARE_HANDLE)
    os.close(handle)
    return moved
