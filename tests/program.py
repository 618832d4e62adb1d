"""Run the `passerelle` command as a program of its own, and see what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

_MARK = "PASSERELLE_TEST_MARK"


class Program:
    """A running command. Everything it starts carries a mark in its environment."""

    def __init__(self, process: asyncio.subprocess.Process, mark: str) -> None:
        self.process = process
        self._mark = f"{_MARK}={mark}".encode()
        self.output = ""
        """Both of its outputs, as far as they were read."""

    async def until(self, words: str) -> str:
        """Read until a line holds `words`; fail if the program ends before."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.output += line
            if words in line:
                return line
        raise AssertionError(f"{words!r} never came; the output was:\n{self.output}")

    async def ended(self) -> int:
        """Read the rest and return the exit code."""
        assert self.process.stdout is not None
        self.output += (await self.process.stdout.read()).decode()
        return await self.process.wait()

    def descendants(self) -> list[int]:
        """Return the ids of all processes that carry the mark, zombies aside."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except (OSError, ValueError):
                continue
        return found

    async def gone(self) -> None:
        """Return when nothing that carries the mark is left. The test's timeout is the limit."""
        while self.descendants():  # noqa: ASYNC110 (processes of others tell nobody)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def passerelle(
    arguments: Sequence[str], *, without: Sequence[str] = (), **environment: str
) -> AsyncIterator[Program]:
    """Start `passerelle` with `arguments`; whatever it left is killed in the end."""
    mark = secrets.token_hex(8)
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "passerelle",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**inherited, "COLUMNS": "100", _MARK: mark, **environment},
    )
    program = Program(process, mark)
    try:
        yield program
    finally:
        for number in program.descendants():
            os.kill(number, 9)
        await process.wait()
