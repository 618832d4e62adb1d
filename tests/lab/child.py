"""Child processes of the laboratory, whose output goes to files."""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.errors import LabError
from tests.lab.tools import ROOT, show

GONE_S = 5.0
"""How long a killed process may take to disappear."""
POLL_S = 0.01
"""The pause between two looks at a growing file."""


def kill(pid: int) -> None:
    """Kill a process, a child or not, and wait for its end; raise `LabError` if it stays."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        if not select.select([process], [], [], GONE_S)[0]:
            raise LabError(f"process {pid} was killed, and is still there after {GONE_S} s")
    finally:
        os.close(process)


class Child:
    """A running program with its own process group.

    Its standard error goes to the file `err`. Its standard output goes to the file `out`, or to a
    pipe if `dialogue` is set: the program then answers lines (see `ask`). A method that waits
    blocks the thread; from a coroutine call it through `asyncio.to_thread`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        out: Path,
        err: Path,
        dialogue: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.command = tuple(command)
        self.out = out
        self.err = err
        self._answers = b""
        with contextlib.ExitStack() as files:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE if dialogue else subprocess.DEVNULL,
                stdout=subprocess.PIPE if dialogue else files.enter_context(out.open("wb")),
                stderr=files.enter_context(err.open("wb")),
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process, which is also that of its group."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def text(self) -> str:
        """Return what the program has printed so far, standard error after standard output."""
        parts = [path.read_text(errors="replace") for path in (self.out, self.err) if path.exists()]
        return "".join(parts)

    def wait_for(self, words: str, *, timeout_s: float = 10) -> str:
        """Wait until the program has printed `words` to either output; return all that it has
        printed.

        Raises `LabError` if the program ends, or if `timeout_s` passes, before that.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            ended = not self.alive
            text = self.text()
            if words in text:
                return text
            if ended or time.monotonic() > deadline_s:
                how = "ended before it said" if ended else f"did not within {timeout_s} s say"
                raise LabError(f"`{show(self.command)}` {how} {words!r}; it said: {text[-2000:]}")
            time.sleep(POLL_S)

    def wait(self, *, timeout_s: float = 30) -> int:
        """Wait until the program ends by itself, and return its status, or raise `LabError`."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"`{show(self.command)}` did not end within {timeout_s} s") from None

    def result(self, *, timeout_s: float = 30) -> Any:
        """Wait for the program's end, and return the last line of its output, parsed as JSON.

        Raises `LabError` if the program failed or is late.
        """
        status = self.wait(timeout_s=timeout_s)
        lines = self.out.read_text().splitlines()
        if status != 0 or not lines:
            raise LabError(f"`{show(self.command)}` failed ({status}): {self.text()[-2000:]}")
        return json.loads(lines[-1])

    def ask(self, line: str, *, timeout_s: float = 10) -> str:
        """Send one line to a program started with `dialogue`, and return its answer."""
        assert self.process.stdin is not None, "started without dialogue"
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None
        return self.hear(timeout_s=timeout_s)

    def hear(self, *, timeout_s: float = 10) -> str:
        """Return the next line of a program started with `dialogue`, or raise `LabError`."""
        assert self.process.stdout is not None, "started without dialogue"
        deadline_s = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._answers:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise LabError(f"`{show(self.command)}` gave no answer within {timeout_s} s")
                data = os.read(self.process.stdout.fileno(), 1 << 16)
                if not data:
                    raise self._gone()
                self._answers += data
        line, _, self._answers = self._answers.partition(b"\n")
        return line.decode()

    def hush(self) -> None:
        """Close the standard input of a program started with `dialogue`, which should then end."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def stop(self, *, grace_s: float = 3, first: signal.Signals = signal.SIGTERM) -> None:
        """End the program and its group: first by the signal `first`, after `grace_s` by SIGKILL.

        A program started with `dialogue` first has `grace_s` to end because its input is closed.
        Idempotent.
        """
        if self.process.stdin is not None:
            self.hush()
            self._wait(grace_s)
        if self.alive:
            self.process.send_signal(first)
            self._wait(grace_s)
        # Its own children may outlive it; the group keeps its id while any of them lives.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _wait(self, grace_s: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)

    def _gone(self) -> LabError:
        text = self.err.read_text(errors="replace")[-2000:]
        return LabError(f"`{show(self.command)}` ended while it was needed; it said: {text}")
