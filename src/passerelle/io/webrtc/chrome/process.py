"""Chrome's engine in a process of its own, which the client starts and outlives.

libwebrtc is C++ that strangers feed. A fault in it ends its process, and all links with it; a new
process is started, and the session goes on over new links.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from passerelle.core.backoff import Backoff
from passerelle.errors import EngineLost, LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.webrtc.chrome import orders
from passerelle.io.webrtc.chrome.library import IGNORED_SIGNALS, PROBE, NoEngine
from passerelle.io.webrtc.chrome.pipe import Pipe, pair
from passerelle.io.webrtc.chrome.remote import RemoteOffer
from passerelle.wire.description import Description

_log = logging.getLogger(__name__)

_MODULE: Final = "passerelle.io.webrtc.chrome.child"
COMMAND: Final = (sys.executable, "-P", "-m", _MODULE)
"""The process. Nothing is imported from the folder that the client is run in (`-P`)."""
RESTART_PAUSES_S: Final = (0.2, 30.0)
"""First and longest pause before a process that ended is started again."""
STABLE_S: Final = 60.0
"""After a run of this length, the next pause is the first one again."""
_GATHER_S: Final = 60.0
"""Longest time for an offer. The process loads the engine first, for long on a busy machine, and
may wait for a STUN server."""
_PREPARE_S: Final = 5.0
"""Longest time that a client waits for the engine before it opens its port."""
_ACCEPT_S: Final = 15.0
"""Longest time for an answer. The broker gives up sooner."""
_LINGER_S: Final = 0.5
"""How long a process may live after its socket is closed."""
_PROBE_S: Final = 60.0
_SECRETS: Final = "PASSERELLE_"
"""How the names of the environment's variables begin that are the client's alone."""


def probe(command: Sequence[str] = COMMAND) -> None:
    """Have a process try to load the engine. It takes some tenths of a second. Raises NoEngine."""
    try:
        tried = subprocess.run(  # noqa: S603 - our own program
            [*command, PROBE],
            stdin=DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            env=_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEngine(f"its process cannot be run ({type(error).__name__})") from error
    if tried.returncode:
        said = tried.stderr.strip().rpartition("\n")[2]
        raise NoEngine(said or f"its process {_end(tried.returncode)}")


class ProcessEngine:
    """Makes offers in a process that is started for the first one, and again when it has ended."""

    def __init__(self, *, call: bool = False, command: Sequence[str] = COMMAND) -> None:
        """With `call`, links look like video calls. `command` is the process's command line."""
        self._call = call
        self._command = command
        self._running: _Running | None = None
        self._starting = asyncio.Lock()
        self._tasks = TaskSet("engine")
        self._numbers = itertools.count(1)
        self._backoff = Backoff(*RESTART_PAUSES_S)
        self._next_at = 0.0
        """When the next process may be started."""

    @property
    def pid(self) -> int | None:
        """The process's id; None while none runs."""
        return self._running.process.pid if self._running is not None else None

    async def prepare(self) -> None:
        """Make an offer that leads nowhere, which starts the process and loads the engine.

        Where that does not come to an end soon, the first offer tries again. Cancelling gives it
        up.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PREPARE_S):
                offer = await self.gather(private=True)
                await offer.close()

    async def gather(
        self, stun: tuple[str, ...] = (), *, private: bool = False, media: bool = False
    ) -> RemoteOffer:
        """Do as `ChromeOffer.gather` does, however often the process ends meanwhile.

        Cancelling gives it up.
        """
        while True:
            try:
                running = await self._run()
            except OSError as error:
                self._pause(f"cannot be started ({type(error).__name__})")
                continue
            number = next(self._numbers)
            offer = RemoteOffer(running, number, private=private)
            running.add(number, offer)
            try:
                await offer.gather(stun, media=media, call=self._call, timeout_s=_GATHER_S)
            except LinkLost:
                # A process that makes no offer is of no use. One that is ending says itself why.
                if not running.is_over:
                    running.kill()
                await running.ended.wait()
            else:
                return offer

    async def accept(
        self, offer: Description, stun: tuple[str, ...] = (), *, private: bool = False
    ) -> RemoteOffer:
        """Return an answer to `offer`, as `ChromeAnswer.make` does. Raises LinkLost.

        Unlike an own offer it is not tried again, because its client waits a short time only.
        """
        try:
            running = await self._run()
        except OSError as error:
            self._pause(f"cannot be started ({type(error).__name__})")
            raise EngineLost(LinkCode.INTERNAL, "the engine cannot be started") from error
        number = next(self._numbers)
        answer = RemoteOffer(running, number, private=private)
        running.add(number, answer)
        await answer.accept(offer, stun, timeout_s=_ACCEPT_S)
        return answer

    async def close(self) -> None:
        """End the process and the links that are left. Idempotent."""
        await self._tasks.close()
        if self._running is not None:
            self._running.kill()
            await self._running.process.wait()

    async def _run(self) -> _Running:
        """Return the process that runs; start one where none does. Raises OSError.

        One that has just been started may have ended already.
        """
        async with self._starting:
            running = self._running
            if running is not None and running.is_over:
                await running.ended.wait()
                running = None
            if running is None:
                await asyncio.sleep(self._next_at - time.monotonic())
                ours, theirs = pair()
                with theirs, _signals_held():
                    try:
                        process = await asyncio.create_subprocess_exec(
                            *self._command,
                            stdin=theirs.fileno(),
                            stdout=DEVNULL,
                            env=_environment(),
                        )
                    except BaseException:
                        ours.close()
                        raise
                running = self._running = _Running(process)
                self._tasks.spawn(self._watch(running), "watch")
                pipe, loop = running.pipe, asyncio.get_running_loop()
                await loop.create_unix_connection(lambda: pipe, sock=ours)
            return running

    async def _watch(self, running: _Running) -> None:
        """Wait for the process's end, and have the next one wait if such ends are frequent."""
        began_at = time.monotonic()
        code = await running.process.wait()
        running.end()
        if time.monotonic() - began_at > STABLE_S:
            self._backoff.reset()
        self._running = None
        self._pause(_end(code))
        running.ended.set()

    def _pause(self, what: str) -> None:
        pause_s = self._backoff.next_s(random.random())  # noqa: S311  (jitter)
        self._next_at = time.monotonic() + pause_s
        _log.warning(
            "The process of Chrome's WebRTC %s. A new one is started in %.1f s.", what, pause_s
        )


class _Running:
    """One run of the process, and the links in it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.is_over = False
        self.ended = asyncio.Event()
        """Set when the process is gone."""
        self.offers: dict[int, RemoteOffer] = {}
        self.pipe: Pipe[orders.FromProcess] = Pipe(
            orders.FromProcess,  # type: ignore[arg-type]
            ordered=self._take,
            message=self._message,
            ended=self.end,
        )

    def add(self, number: int, offer: RemoteOffer) -> None:
        """Know a link, which is lost at once if the process is over."""
        self.offers[number] = offer
        if self.is_over:
            offer.lose(_lost())

    def order(self, order: msgspec.Struct) -> None:
        """See `remote.Process`."""
        self.pipe.order(order)

    def send(self, link: int, message: bytes) -> None:
        """See `remote.Process`."""
        self.pipe.send(link, message)

    def forget(self, link: int) -> None:
        """See `remote.Process`."""
        self.offers.pop(link, None)

    def kill(self) -> None:
        """End the process, and lose its links. Idempotent."""
        self.end()
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def end(self) -> None:
        """Lose the links, and end the process if it does not end by itself. Idempotent."""
        if self.is_over:
            return
        self.is_over = True
        # asyncio loses the exit status of a process that it is told to kill after its end.
        asyncio.get_running_loop().call_later(_LINGER_S, self.kill)
        self.pipe.close()
        for offer in tuple(self.offers.values()):
            offer.lose(_lost())

    def _take(self, report: orders.FromProcess) -> None:
        if (offer := self.offers.get(report.link)) is not None:
            offer.take(report)

    def _message(self, link: int, message: bytes) -> None:
        if (offer := self.offers.get(link)) is not None:
            offer.message(message)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Have a process that is started here begin with `IGNORED_SIGNALS` blocked.

    A Ctrl-C would else end it with a traceback, in the time until it ignores signals by itself.
    """
    held = IGNORED_SIGNALS - signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def _lost() -> EngineLost:
    return EngineLost(LinkCode.INTERNAL, "the process of Chrome's WebRTC ended")


def _environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(_SECRETS)}


def _end(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
