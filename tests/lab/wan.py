"""Simulated long-distance lines: a pair of TUN devices that delays, drops and limits packets."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.child import Child
from tests.lab.errors import LabError
from tests.lab.namespace import Namespace
from tests.lab.tools import call

SOURCE = Path(__file__).with_name("wan.c")
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")
CACHE = Path.home() / ".cache" / "passerelle" / "lab"
MTU_BYTES = 1500
BACKLOG_PACKETS = 10_000
"""The length of the TUN device's own queue, so large that only the simulated queue drops
packets."""


@dataclass(frozen=True, slots=True)
class Wan:
    """The properties of one direction of a line."""

    delay_ms: float = 0
    """One-way delay, without the time in the queue."""
    loss_pct: float = 0
    """The chance of each packet to be lost before the queue, in per cent: 0 to 100."""
    rate_mbit: float = 0
    """The rate in 10^6 bits of IP packets a second; 0 is unlimited."""
    queue_kb: float = 256
    """The queue before the rate limit, in units of 1,024 bytes; packets beyond it are dropped.
    Without a rate there is no queue."""
    jitter_ms: float = 0
    """More delay, drawn for each packet evenly from 0 to this, after the queue. No packet overtakes
    another by it."""
    reorder_pct: float = 0
    """The chance of each packet to change places with one of the twelve before it, where one that
    is due at most 5 ms earlier is still under way; 0 to 100."""
    duplicate_pct: float = 0
    """The chance of each packet to arrive twice; 0 to 100."""
    marked_loss_pct: float = 0
    """The chance of each RTP packet over IPv4 with the marker bit, the last of a video frame, to be
    lost besides `loss_pct`; 0 to 100."""

    def __post_init__(self) -> None:
        amounts = (self.delay_ms, self.jitter_ms, self.rate_mbit, self.queue_kb)
        chances = (
            *(self.loss_pct, self.reorder_pct),
            *(self.duplicate_pct, self.marked_loss_pct),
        )
        if min(amounts) < 0 or not all(0 <= chance <= 100 for chance in chances):
            raise ValueError(f"not a way for packets: {self}")


@dataclass(frozen=True, slots=True)
class Passage:
    """Counts of one direction of a line, since its start."""

    packets: int
    """Packets delivered."""
    bytes: int
    """Bytes delivered, IP headers included."""
    lost: int
    """Packets dropped by `loss_pct` and `marked_loss_pct`."""
    overflowed: int
    """Packets dropped because the queue was full."""
    overrun: int
    """Packets that the laboratory itself failed to carry; unless it is 0, a measurement is void."""


class Line:
    """A running line between namespaces `a` and `b`, whose devices have the given names.

    `there` is for packets from `a` to `b`, `back` for those from `b` to `a`. Equal seeds and equal
    packets give equal losses. The line ends by `close`, with this process, or after `lifetime_s`.
    """

    def __init__(
        self,
        a: Namespace,
        b: Namespace,
        *,
        device_a: str,
        device_b: str,
        there: Wan,
        back: Wan,
        seed: int,
        lifetime_s: float,
    ) -> None:
        stem = f"wan-{a.label}-{b.label}"
        self._final: tuple[Passage, Passage] | None = None
        self._child = Child(
            [str(program()), a.name, device_a, b.name, device_b, str(seed), str(lifetime_s)],
            out=a.directory / f"{stem}.out",
            err=a.directory / f"{stem}.err",
            dialogue=True,
        )
        self._expect(self._child.hear(), "ready")
        self.there = there
        self.back = back
        self.set(there=there, back=back)

    @property
    def pid(self) -> int:
        """The id of the program that carries the packets."""
        return self._child.pid

    def set(self, *, there: Wan | None = None, back: Wan | None = None) -> None:
        """Change either direction, for packets that enter from now on; a delay that became shorter
        lets none of them overtake those before."""
        if self._final is not None:
            raise LabError(
                "The wide-area line has ended; give the laboratory a longer `lifetime_s`"
            )
        self.there = there or self.there
        self.back = back or self.back
        for way, wan in enumerate((self.there, self.back)):
            self._expect(self._child.ask(_order(way, wan)), "ok")

    def counters(self) -> tuple[Passage, Passage]:
        """Return the counts from a to b and from b to a; also after `close`."""
        return self._final or _passages(self._child.ask("count"))

    def join(self, *, timeout_s: float) -> None:
        """Wait until the line ends by itself, or raise `LabError` after `timeout_s`."""
        self._child.wait(timeout_s=timeout_s)
        self.close()

    def close(self) -> None:
        """End the program, and with it both devices. Idempotent."""
        if self._final is None:
            self._child.hush()
            with contextlib.suppress(LabError):
                self._final = _passages(self._child.hear())
            self._child.stop()

    def _expect(self, answer: str, wanted: str) -> None:
        if answer != wanted:
            raise LabError(f"The wide-area line said {answer!r} instead of {wanted!r}")


def program() -> Path:
    """Return the compiled `wan.c`, one file for each version of the source."""
    version = hashlib.sha256(SOURCE.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]
    binary = CACHE / f"wan-{version}"
    if not binary.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as directory:
            fresh = Path(directory) / "wan"
            call("gcc", *FLAGS, "-o", str(fresh), str(SOURCE), timeout_s=60)
            fresh.replace(binary)  # atomic, as another run may be compiling too
    return binary


def _order(way: int, wan: Wan) -> str:
    times_ns = [round(ms * 1e6) for ms in (wan.delay_ms, wan.jitter_ms)]
    chances = (wan.loss_pct, wan.reorder_pct, wan.duplicate_pct, wan.marked_loss_pct)
    chances_ppm = [round(pct * 1e4) for pct in chances]
    limit = (wan.rate_mbit * 1e6, round(wan.queue_kb * 1024))
    return " ".join(map(str, ("set", way, *times_ns, *chances_ppm, *limit)))


def _passages(answer: str) -> tuple[Passage, Passage]:
    numbers = [int(word) for word in answer.split()]
    if len(numbers) != 10:
        raise LabError(f"The wide-area line said {answer!r} instead of its counters")
    return Passage(*numbers[:5]), Passage(*numbers[5:])
