"""Measure how well a reader's links are told from video calls by times, sizes and directions."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
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
WORKS: Final = ("pages", "video", "download", "idle")
"""What readers do, one at a time: a machine that is too busy makes packets late."""
TALKS: Final = ("lively", "screen", "calm", "bounded", "large", "lively")
"""The kinds of the calls, one at a time."""
QUICK_TALKS: Final = TALKS[:4]
READER: Final = "client"
"""The host of a reader, or of a caller."""
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
        """Change the reader's line."""
        self.distant.star.lines[READER].set(there=wan, back=wan)

    def host(self, label: str) -> Namespace:
        """Return a host by its label."""
        return self.distant.star.hosts[label]

    def capture(self) -> Capture:
        """Capture what passes between router and reader, while the context lasts."""
        router = self.distant.star.router
        return self.distant.lab.capture(
            router, f"to-{READER}", "udp", first_bytes=flows.FIRST_BYTES
        )

    def keep(self, capture: Capture, path: str, subject: str, kind: str) -> None:
        """Describe the windows of the reader's flows, and remove the capture."""
        name = f"{subject}, {path}, {kind}, {next(self.numbers)}"
        volunteer = self.host("volunteer").address
        found = flows.flows(capture.packets(), self.host(READER).address, volunteer)
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


def _call(stage: Stage, caller: Calls, path: str, kind: str) -> None:
    """Capture a call."""
    name = f"call{next(stage.numbers)}"
    with stage.capture() as capture:
        caller.begin(name, kind)
        time.sleep(stage.seconds)
    caller.end(name)
    stage.keep(capture, path, CALLS, kind)


def _link(stage: Stage, subject: str, path: str, work: str) -> None:
    """Capture a reader."""
    world, site, host = stage.distant.world, stage.host("site").address, stage.host(READER)
    with stage.capture() as capture, ExitStack() as stack:
        reader = Client(host, world.invite, free_port(), *SUBJECTS[subject])
        reader.start()
        stack.callback(reader.child.stop)
        reader.linked()
        words = ("-m", "bench.reading", work, str(reader.port), site, str(world.site_port))
        options = ("--seconds", str(stage.seconds), "--seed", str(next(stage.numbers)))
        stack.callback(host.python(*words, *options).stop)
        time.sleep(stage.seconds)
        capture.stop()
        # The volunteer must learn of the end also where packets are lost.
        stage.bend(CLEAN)
    _free(stage)
    stage.keep(capture, path, subject, work)


def _free(stage: Stage) -> None:
    """Wait until the volunteer has noticed that the reader is gone."""
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
    return sum(passage.lost for passage in stage.distant.star.lines[READER].counters())


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
        stage = Stage(distant, QUICK_SECONDS if quick else SECONDS)
        # Calls and links would not choose it equally often.
        stage.host(READER).set_kernel("net.ipv6.conf.all.disable_ipv6", "1")
        with Calls(stage.host(READER), stage.host("volunteer")) as caller:
            for path in paths:
                for kind in QUICK_TALKS if quick else TALKS:
                    stage.bend(PATHS[path])
                    _call(stage, caller, path, kind)
                for subject, work in itertools.product(subjects, WORKS):
                    stage.bend(PATHS[path])
                    _link(stage, subject, path, work)
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
