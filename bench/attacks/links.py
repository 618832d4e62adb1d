"""What a hostile volunteer, or a stranger, takes from a reader whose other link is an honest one's.

Reader, honest and hostile volunteer are processes of their own. The honest one sends at an even
pace, first alone and then while the hostile one attacks.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from bench.attacks.reader import engine_names
from bench.attacks.volunteer import ATTACKS
from bench.command import say
from bench.errors import Unmeasured
from bench.machine import family_cpu_s, family_pss_bytes
from bench.report import Row, at_most
from passerelle import limits
from tests.lab import LabError
from tests.lab.child import Child

HONEST_MBIT_S = 8.0
LATE_S = 0.5
"""How late a byte may come and count: this machine's own pauses are no loss of rate."""
ATTACK_MBIT_S = 1.0
ALONE_S, QUICK_ALONE_S = 4.0, 1.0
ATTACK_S, QUICK_ATTACK_S = 10.0, 3.0
REFLECT_S = 2.0
"""How long answers are waited for: aioice sends half of its eight packets within it."""
WAIT_S = 20.0
"""How long a process may take to answer, beyond what was asked of it."""
WHOLE = 0.9
"""Share of what was sent from which on an honest link counts as sound."""
HONEST, HOSTILE = "honest", "hostile"
MIB = limits.MIB


class Party:
    """A process that obeys lines of JSON."""

    def __init__(self, *words: str) -> None:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.child = Child(
                [sys.executable, "-m", *words],
                out=folder / "out",
                err=folder / "err",
                dialogue=True,
            )
            self._folder = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.stop(grace_s=0.5)
        self._folder.close()

    def tell(self, **command: object) -> None:
        """Send a command whose answer is heard later."""
        assert self.child.process.stdin is not None
        self.child.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.child.process.stdin.flush()

    def hear(self, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Return the answer to the oldest command without one."""
        answer: dict[str, Any] = json.loads(self.child.hear(timeout_s=timeout_s))
        return answer

    def ask(self, **command: object) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.tell(**command)
        return self.hear()


class Stage:
    """A reader with an honest link, who goes from one attack to the next as long as he can."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._parties = ExitStack()
        self.reader: Party
        self.hostile: Party
        self._honest: Party

    def __enter__(self) -> Self:
        self._set()
        return self

    def __exit__(self, *_: object) -> None:
        self._parties.close()

    def _set(self) -> None:
        self.reader = self._parties.enter_context(Party("bench.attacks.reader", self._engine))
        self._honest = self._parties.enter_context(Party("bench.attacks.volunteer"))
        self.hostile = self._parties.enter_context(Party("bench.attacks.volunteer"))
        self.join(self._honest, HONEST)

    def reset(self) -> None:
        """Begin again with another reader."""
        self._parties.close()
        self._set()

    def join(self, volunteer: Party, link: str, *, media: bool = False, join: bool = True) -> None:
        """Link the reader to a volunteer, or have him try only."""
        offer = self.reader.ask(do="offer", link=link, media=media)
        answer = volunteer.ask(do="answer", media=media, join=join, **offer)
        self.reader.ask(do="connect", link=link, wait=join, **answer)

    def honest(self, seconds: float, attack: str = "") -> dict[str, Any]:
        """Have the honest volunteer send, and return what arrived meanwhile."""
        self.reader.ask(do="begin", link=HONEST, seconds=seconds + LATE_S)
        self._honest.tell(do="send", mbit_s=HONEST_MBIT_S, seconds=seconds)
        sent = {"bytes": 0}
        if attack:
            self.hostile.tell(do="attack", attack=attack, mbit_s=ATTACK_MBIT_S, seconds=seconds)
            sent = self.hostile.hear(seconds + WAIT_S)
        offered = self._honest.hear(seconds + WAIT_S)["bytes"]
        try:
            found = self.reader.ask(do="count", link=HONEST, size=offered)
        except LabError:
            say("the reader does not answer any more")
            found = {"bytes": 0, "silence_s": seconds}
        return {**found, "kept": found["bytes"] / offered, "sent": sent["bytes"]}


def measure(quick: bool) -> Iterator[Row]:
    """Yield the rows of all attacks on each engine."""
    for engine in engine_names():
        prefix = f"{engine}, "
        with Stage(engine) as stage:
            for attack in ATTACKS:
                say(attack)
                yield from _attacked(stage, attack, quick, prefix + attack)
            yield from _reflected(stage, f"{prefix}ICE, address never named")


def _attacked(stage: Stage, attack: str, quick: bool, name: str) -> Iterator[Row]:
    alone_s, attack_s = (QUICK_ALONE_S, QUICK_ATTACK_S) if quick else (ALONE_S, ATTACK_S)
    pid = stage.reader.child.pid
    stage.join(stage.hostile, HOSTILE, media=attack.startswith("SRTP"))
    before_s = family_cpu_s(pid)
    alone = stage.honest(alone_s)
    alone_cores = (family_cpu_s(pid) - before_s) / alone_s
    if alone["kept"] < WHOLE:
        raise Unmeasured("this machine is too busy for an honest link alone")
    memory, before_s = family_pss_bytes(pid), family_cpu_s(pid)
    found = stage.honest(attack_s, attack)
    kept = found["kept"] / alone["kept"]
    worked_s = family_cpu_s(pid) - before_s - alone_cores * attack_s
    grown = family_pss_bytes(pid) - memory
    if kept < WHOLE:
        stage.reset()
    yield Row(f"{name}: sent", found["sent"] / attack_s / 1000, "kB/s")
    yield Row(f"{name}: other link loses", max(0.0, 100 * (1 - kept)), "%", at_most(10))
    yield Row(f"{name}: other link's longest silence", 1000 * found["silence_s"], "ms", digits=0)
    yield Row(f"{name}: memory grows", max(0.0, grown / MIB), "MiB", at_most(8))
    yield Row(f"{name}: processor", 100 * max(0.0, worked_s) / attack_s, "% of a core", digits=0)


def _reflected(stage: Stage, name: str) -> Iterator[Row]:
    stage.join(stage.hostile, HOSTILE, join=False)
    found = stage.hostile.ask(do="reflect", seconds=REFLECT_S)
    yield Row(f"{name}: packets for one check", found["packets"], "", at_most(1), digits=0)
    yield Row(f"{name}: bytes for each byte", found["bytes"] / found["sent"], "", at_most(1))
