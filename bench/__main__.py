"""Run every benchmark, one after the other: `python -m bench [--quick] [--json]`."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from bench.command import COULD_NOT, INTERRUPTED, MEASURED, say
from bench.world import Engine, add_engine

PROGRAMS = (
    *("tunnel", "connect", "overhead", "latency", "network", "disguise"),
    *("failover", "aggregate", "memory"),
    *("exit", "fairness", "gateway", "reader"),
    *("broker", "brokers", "matching"),
    *("widget", "volunteer", "hostile"),
)
ENGINED = PROGRAMS[:8]
"""Those with clients, whose WebRTC stack can be chosen."""
LIMIT_S = 3600.0
STOP_S = 60.0


def main() -> NoReturn:
    """Run all benchmarks; exit with 1 if one of them could not measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON array of all reports")
    parser.add_argument("--quick", action="store_true", help="fewer or shorter runs")
    add_engine(parser)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        reports = {
            name: _run(name, quick=options.quick, engine=options.engine) for name in PROGRAMS
        }
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    if options.json:
        print(json.dumps([report for report in reports.values() if report is not None]))
    else:
        _show(reports)
    sys.exit(MEASURED if all(reports.values()) else COULD_NOT)


def _run(name: str, *, quick: bool, engine: Engine) -> dict[str, Any] | None:
    """Run one program and return its report, or None if it could not measure."""
    say(f"— bench.{name}")
    command = [sys.executable, "-m", f"bench.{name}", "--json", *(["--quick"] if quick else [])]
    if engine is not None and name in ENGINED:
        command += ["--engine", engine]
    # The program gets a new session, so that Ctrl-C reaches it only once, through this process.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        say(f"bench.{name} took over {LIMIT_S:.0f} s and was ended")
        return None
    finally:
        _stop(process)
    if process.returncode != MEASURED:
        return None
    report: dict[str, Any] = json.loads(output)
    return report


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _show(reports: dict[str, dict[str, Any] | None]) -> None:
    table = Table(title="All benchmarks", title_justify="left", title_style="bold")
    for column in ("bench", "what", "value", "unit", "target", ""):
        table.add_column(column, justify="right" if column == "value" else "left")
    for name, report in reports.items():
        if report is None:
            table.add_row(name, "[red]could not measure; see above[/]")
            continue
        for row in report["rows"]:
            verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[row["ok"]]
            value = f"{row['value']:g}"
            table.add_row(name, row["name"], value, row["unit"], row["target"] or "", verdict)
        table.add_section()
    Console().print(table)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
