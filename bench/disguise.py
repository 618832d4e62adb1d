"""Measure how well a reader's links are told from video calls by times, sizes and directions."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path as File
from typing import Final

from bench import command, flows, judge
from bench.calls import Calls
from bench.command import say
from bench.errors import Unmeasured
from bench.judge import Window
from bench.report import Row, at_least, at_most
from bench.world import Client, Distant, laboratory
from tests.lab import LabError, Namespace, Wan
from tests.lab.capture import Capture
from tests.rig.ports import free_port

MEANING = """
Each flow between a reader's and a volunteer's address is cut into windows of 10 s, 5 s apart. A
random forest learns to tell ours from those of real video calls between two Chromiums, which were
made in the same run on the same paths, and judges captures it has not seen: an AUC of 0.5 is a
guess, 1 is certainty. low and high are the ends of a bootstrap's 95 % interval over captures. The
row of calls against calls shows the method: it should be near 0.5. "marked" is the goodput of a
download while the path loses the last packet of each video frame with a chance of 15 %.
"""
CLEAN: Final = Wan()
PATHS: Final = {
    "one host": CLEAN,
    "50 ms": Wan(25),
    "100 ms 1 %": Wan(50, 1),
    "4 Mbit/s": Wan(20, rate_mbit=4, queue_kb=100),
}
QUICK_PATHS: Final = ("50 ms",)
CALLS: Final = "calls"
SUBJECTS: Final = {
    "chrome/call": ("--engine", "chrome", "--profile", "call"),
    "chrome/fast": ("--engine", "chrome"),
    "python/fast": ("--engine", "python"),
}
"""The options of `passerelle client` for each engine and profile."""
WORKS: Final = (("pages", "video"), ("download", "idle"))
"""What the two readers do; then they change over to the next pair."""
TALKS: Final = (("lively", "screen"), ("calm", "bounded"), ("large", "lively"))
"""The kinds of the two calls at a time."""
QUICK_TALKS: Final = TALKS[:2]
READERS: Final = ("client", "client2")
"""The hosts of two readers, or callers, at a time: each has a line of its own."""
SECONDS, QUICK_SECONDS = 40.0, 15.5
SHAPED_S, QUICK_SHAPED_S = 15.0, 5.0
SHAPED: Final = Wan(25)
MARKED: Final = Wan(25, marked_loss_pct=15)
SIGNS: Final = 12
"""How many features are told for each subject."""
FREE_S: Final = 20.0


@dataclass
class Stage:
    """The laboratory, and all windows that were made in it."""

    distant: Distant
    seconds: float
    windows: dict[str, list[Window]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def bend(self, wan: Wan) -> None:
        """Change the line of both readers."""
        for label in READERS:
            self.distant.star.lines[label].set(there=wan, back=wan)

    def host(self, label: str) -> Namespace:
        """Return a host by its label."""
        return self.distant.star.hosts[label]

    def captures(self, stack: ExitStack) -> list[Capture]:
        """Begin to capture what passes between router and readers, until the stack ends."""
        router = self.distant.star.router
        return [
            stack.enter_context(
                self.distant.lab.capture(
                    router, f"to-{label}", "udp", first_bytes=flows.FIRST_BYTES
                )
            )
            for label in READERS
        ]

    def keep(
        self, captures: Sequence[Capture], path: str, subject: str, kinds: Sequence[str]
    ) -> None:
        """Describe the windows of each reader's flows, and remove the captures."""
        volunteer = self.host("volunteer").address
        for label, capture, kind in zip(READERS, captures, kinds, strict=True):
            name = f"{subject}, {path}, {kind}, {next(self.numbers)}"
            found = flows.flows(capture.packets(), self.host(label).address, volunteer)
            capture.path.unlink()
            made = [
                Window(path, name, kind, flows.describe(window))
                for flow in found
                for window in flows.windows(flow)
            ]
            rates = ", ".join(
                f"{each.sizes[each.up].sum() * 8e-3 / max(1.0, each.times_s[-1]):.0f} up "
                f"{each.sizes[~each.up].sum() * 8e-3 / max(1.0, each.times_s[-1]):.0f} down "
                f"for {each.times_s[-1]:.0f} s"
                for each in found
            )
            say(f"{name}: {len(made)} windows, kbit/s: {rates}")
            self.windows.setdefault(subject, []).extend(made)


def _calls(stage: Stage, callers: Sequence[Calls], path: str, kinds: Sequence[str]) -> None:
    """Capture two calls at a time."""
    name = f"call{next(stage.numbers)}"
    with ExitStack() as stack:
        captures = stage.captures(stack)
        for caller, kind in zip(callers, kinds, strict=True):
            caller.begin(name, kind)
        time.sleep(stage.seconds)
    for caller in callers:
        caller.end(name)
    stage.keep(captures, path, CALLS, kinds)


def _links(stage: Stage, subject: str, path: str, works: Sequence[str]) -> None:
    """Capture two readers at a time."""
    world, site = stage.distant.world, stage.host("site").address
    readers: list[Client] = []
    with ExitStack() as stack:
        captures = stage.captures(stack)
        for label in READERS:
            readers.append(Client(stage.host(label), world.invite, free_port(), *SUBJECTS[subject]))
            readers[-1].start()
            stack.callback(readers[-1].child.stop)
        for label, reader, work in zip(READERS, readers, works, strict=True):
            reader.linked()
            words = ("-m", "bench.reading", work, str(reader.port), site, str(world.site_port))
            options = ("--seconds", str(stage.seconds), "--seed", str(next(stage.numbers)))
            stack.callback(stage.host(label).python(*words, *options).stop)
        time.sleep(stage.seconds)
        for capture in captures:
            capture.stop()
        # The volunteer must learn of the end also where packets are lost.
        stage.bend(CLEAN)
    _free(stage)
    stage.keep(captures, path, subject, works)


def _free(stage: Stage) -> None:
    """Wait until the volunteer has noticed that the readers are gone."""
    stage.distant.world.volunteer.wait(
        "document.querySelector('passerelle-switch').snapshot.people === 0", timeout_s=FREE_S
    )


def _shaped(stage: Stage, subject: str, seconds: float) -> Iterator[Row]:
    """Yield the goodput with and without the loss of marked packets."""
    rates = []
    for wan, label in ((SHAPED, "unharmed"), (MARKED, "marked")):
        stage.bend(wan)
        client = stage.distant.world.prepare(*SUBJECTS[subject])
        client.start()
        try:
            client.linked()
            lost = _lost(stage)
            found = stage.distant.world.run(client, "down", timeout_s=90, seconds=seconds)
            rates.append(found["bytes"] * 8 / found["seconds"] / 1e6)
            say(f"{subject}, {label}: {_lost(stage) - lost} packets lost")
        except LabError as error:
            say(f"{subject}, {label}: {error}")
            rates.append(0.0)
        stage.bend(CLEAN)
        client.child.stop()
        _free(stage)
        yield Row(f"{subject}, {label}, goodput", rates[-1], "Mbit/s")
    yield Row(f"{subject}, marked / unharmed", rates[1] / max(0.01, rates[0]), "", at_least(0.5), 2)


def _lost(stage: Stage) -> int:
    return sum(passage.lost for passage in stage.distant.star.lines[READERS[0]].counters())


def _judged(windows: dict[str, list[Window]]) -> Iterator[Row]:
    """Yield how well each subject is told from calls, and say by what."""
    real = windows.get(CALLS, [])
    say(f"{CALLS}: {judge.counted(real)}")
    try:
        mean, least, most = judge.control(real)
    except ValueError as error:
        raise Unmeasured(f"too few calls: {error}") from error
    yield Row("calls against calls", mean, "AUC", at_most(0.6), 2)
    say(f"calls against calls: from {least:.2f} to {most:.2f} in {judge.HALVES} halvings")
    for subject in SUBJECTS:
        ours = windows.get(subject, [])
        if not ours:
            continue
        say(f"{subject}: {judge.counted(ours)}")
        verdict = judge.judge(real, ours)
        target = at_most(0.65) if subject.endswith("/call") else None
        yield Row(f"{subject} against calls", verdict.auc, "AUC", target, 2)
        yield Row(f"{subject} against calls, low", verdict.low, "AUC", digits=2)
        yield Row(f"{subject} against calls, high", verdict.high, "AUC", digits=2)
        yield Row(f"{subject}, windows judged", sum(verdict.windows), "", digits=0)
        told = ", ".join(f"{kind} {value:.2f}" for kind, value in verdict.kinds.items())
        say(f"{subject}: AUC {verdict.auc:.2f}; by what is read: {told}. What tells it most:")
        for sign in judge.signs(real, ours)[:SIGNS]:
            say(f"  {sign}")


def measure(options: argparse.Namespace, quick: bool) -> Iterator[Row]:
    """Make calls and links on each path, judge them, and shape downloads."""
    paths = options.only or (QUICK_PATHS if quick else tuple(PATHS))
    subjects = [each for each in SUBJECTS if each in (options.subject or SUBJECTS)]
    with laboratory(up=CLEAN, down=CLEAN) as distant:
        distant.star.host(READERS[1], up=CLEAN)
        stage = Stage(distant, QUICK_SECONDS if quick else SECONDS)
        for label in READERS:
            # Calls and links would not choose it equally often.
            stage.host(label).set_kernel("net.ipv6.conf.all.disable_ipv6", "1")
        with ExitStack() as stack:
            callers = [
                stack.enter_context(Calls(stage.host(label), stage.host("volunteer")))
                for label in READERS
            ]
            for path in paths:
                for kinds in QUICK_TALKS if quick else TALKS:
                    stage.bend(PATHS[path])
                    _calls(stage, callers, path, kinds)
                for subject, works in itertools.product(subjects, WORKS):
                    stage.bend(PATHS[path])
                    _links(stage, subject, path, works)
        seconds = QUICK_SHAPED_S if quick else SHAPED_S
        for subject in subjects if options.shape else ():
            yield from _shaped(stage, subject, seconds)
        distant.check()
    yield from _judged(_joined(options.windows, stage.windows))


def _joined(file: File | None, made: dict[str, list[Window]]) -> dict[str, list[Window]]:
    """Add the windows to those in a file, if there is one, and return all."""
    if file is None:
        return made
    joined: dict[str, list[Window]] = {}
    sitting = str(time.time_ns())
    with file.open("a", encoding="utf-8") as lines:
        for subject, windows in made.items():
            for window in windows:
                plain = asdict(window) | {"capture": f"{window.capture}, {sitting}"}
                lines.write(json.dumps([subject, plain]) + "\n")
    for line in file.read_text(encoding="utf-8").splitlines():
        subject, plain = json.loads(line)
        joined.setdefault(subject, []).append(Window(**plain))
    return joined


def main() -> None:
    """Parse the options and measure."""
    parser = command.parser("disguise", MEANING)
    parser.add_argument("--only", action="append", choices=PATHS, metavar="PATH", help="this path")
    words = "only these readers"
    parser.add_argument("--subject", action="append", choices=SUBJECTS, metavar="NAME", help=words)
    parser.add_argument("--no-shape", dest="shape", action="store_false", help="AUC only")
    words = "judge the windows of earlier runs too, and add this run's"
    parser.add_argument("--windows", type=File, metavar="FILE", help=words)
    options = parser.parse_args()
    command.run("disguise", partial(measure, options), MEANING, options)


if __name__ == "__main__":
    main()
