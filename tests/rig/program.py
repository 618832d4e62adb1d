"""Run `passerelle` commands as child processes, which end with the test that started them."""

from __future__ import annotations

import asyncio
import collections
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PASSERELLE = (sys.executable, "-m", "passerelle")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

RECENT: collections.deque[Program] = collections.deque(maxlen=12)
"""The programs started last, for the report of a failed test."""


class Program:
    """One child process whose output is read line by line."""

    def __init__(self, *command: str, pass_fds: Sequence[int] = ()) -> None:
        """The child inherits the file descriptors `pass_fds` under the same numbers."""
        self._pass_fds = pass_fds
        self._command = command
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self.lines: list[str] = []
        """All lines that the program has printed."""
        self._times_s: list[float] = []

    def __str__(self) -> str:
        state = "running" if self.returncode is None else f"ended with {self.returncode}"
        return f"{' '.join(self._command)} ({state})"

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or None while the process runs."""
        assert self._process is not None
        return self._process.returncode

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, pass_fds=self._pass_fds
        )
        self._reader = asyncio.create_task(self._read())
        RECENT.append(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def type(self, text: str) -> None:
        """Write `text` to the program's standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        await self._process.stdin.drain()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal `how`, and wait for the program's end; kill it if it takes too long."""
        assert self._process is not None
        assert self._reader is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._reader

    async def say(self, line: str) -> None:
        """Write a line to the program's standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def end(self) -> int:
        """Close the program's standard input, and return its exit code when it ends."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self.wait()

    def forget(self) -> None:
        """Drop the lines printed so far."""
        self.lines.clear()
        self._times_s.clear()

    def story(self, most: int) -> str:
        """Return the last `most` lines, each with the second of Unix time at which it came."""
        told = zip(self._times_s[-most:], self.lines[-most:], strict=True)
        return "\n".join(f"{when_s % 10_000:8.3f} {line}" for when_s, line in told)

    async def wait(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Return the exit code of a program that ends by itself."""
        assert self._process is not None
        assert self._reader is not None
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._reader)
                return await self._process.wait()
        except TimeoutError:
            raise AssertionError(f"{self}: not over after {timeout_s} s") from None

    async def expect(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> re.Match[str]:
        """Return the first match of `pattern` in what the program has printed or will print."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._more.clear()
                    if found := re.search(pattern, "\n".join(self.lines)):
                        return found
                    if self._reader is not None and self._reader.done():
                        break
                    await self._more.wait()
        except TimeoutError:
            pass
        raise AssertionError(f"never printed {pattern!r}:\n" + "\n".join(self.lines))

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())
            self._times_s.append(time.time())
            self._more.set()
        self._more.set()


def serve(state: Path, host: str, port: int, *more: str) -> Program:
    """Return `passerelle serve` with broker and exit at one port of `host`."""
    url = f"http://{host}:{port}"
    return Program(
        *PASSERELLE,
        "serve",
        "--state",
        str(state),
        "--listen",
        f"{host}:{port}",
        "--url",
        url,
        *more,
    )


async def invite_of(server: Program) -> str:
    """Return the invite that a server prints."""
    return (await server.expect(r"https?://\S+/#[\w-]{43}")).group()


def client(invite: str, port: int, *more: str) -> Program:
    """Return `passerelle client` at a local port."""
    return Program(
        *PASSERELLE,
        *("client", "--invite", invite, "--listen", f"127.0.0.1:{port}"),
        # State that one client stored must change neither other tests nor the account's own state.
        *(() if "--state" in more else ("--forget",)),
        *more,
    )
