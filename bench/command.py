"""The command line that all benchmarks share."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import NoReturn

from rich.console import Console

from bench.errors import Unmeasured
from bench.machine import this_machine
from bench.report import Report, Row
from tests.lab import LabError

MEASURED = 0
COULD_NOT = 1
INTERRUPTED = 130

Measure = Callable[[bool], Iterable[Row]]
"""Takes whether to be quick; yields the rows."""


def main(bench: str, measure: Measure, meaning: str) -> NoReturn:
    """Parse the options, measure, print, and end the process.

    `meaning` says for a person how the numbers were made and how to read them.
    """
    run(bench, measure, meaning, parser(bench, meaning).parse_args())


def parser(bench: str, meaning: str) -> argparse.ArgumentParser:
    """Return a parser of the options of all benchmarks; one may add options of its own."""
    made = argparse.ArgumentParser(prog=f"python -m bench.{bench}", description=meaning)
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--quick", action="store_true", help="fewer or shorter runs")
    return made


def run(bench: str, measure: Measure, meaning: str, options: argparse.Namespace) -> NoReturn:
    """Measure, print, and end the process, with options that were parsed already."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        report = Report(bench, this_machine(), list(measure(options.quick)))
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    except (Unmeasured, LabError) as error:
        say(f"bench.{bench} could not measure: {error}")
        sys.exit(COULD_NOT)
    if options.json:
        print(report.json())
    else:
        report.show(Console(), " ".join(meaning.split()))
    sys.exit(MEASURED)


def say(text: str) -> None:
    """Print how far the work is, on stderr: standard output is for the report."""
    print(text, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
