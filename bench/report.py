"""The report of a benchmark: rows of numbers, some with a target, as a table or as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import Machine


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that a value should keep."""

    bound: float
    at_most: bool

    def met(self, value: float) -> bool:
        """Whether `value` keeps the bound."""
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


def at_most(bound: float) -> Target:
    """Return the target of `bound` or less."""
    return Target(bound, at_most=True)


def at_least(bound: float) -> Target:
    """Return the target of `bound` or more."""
    return Target(bound, at_most=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One number."""

    name: str
    value: float
    unit: str
    target: Target | None = None
    digits: int = 1
    """Decimals that are shown; the target is judged on the value so rounded."""

    @property
    def rounded(self) -> float:
        """The value as it is shown."""
        return round(self.value, self.digits)

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        return None if self.target is None else self.target.met(self.rounded)

    def plain(self) -> dict[str, Any]:
        """Return the row as JSON shows it."""
        return {
            "name": self.name,
            "value": self.rounded,
            "unit": self.unit,
            "target": None if self.target is None else str(self.target),
            "ok": self.ok,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of one benchmark, and the machine it ran on."""

    bench: str
    machine: Machine
    rows: Sequence[Row]

    def json(self) -> str:
        """Return the report as one line of JSON."""
        rows = [row.plain() for row in self.rows]
        return json.dumps({"bench": self.bench, "machine": asdict(self.machine), "rows": rows})

    def show(self, console: Console, meaning: str) -> None:
        """Print the report for a person; `meaning` says how to read it."""
        table = Table(title=f"bench.{self.bench}", title_justify="left", title_style="bold")
        table.add_column("what")
        table.add_column("value", justify="right")
        table.add_column("unit")
        table.add_column("target")
        table.add_column("")
        for row in self.rows:
            target = "" if row.target is None else str(row.target)
            verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[row.ok]
            value = f"{row.rounded:.{row.digits}f}"
            table.add_row(row.name, value, row.unit, target, verdict)
        console.print(table)
        console.print(meaning, highlight=False)
        console.print(f"Measured on {self.machine}", highlight=False, style="dim")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of `values` do not exceed (nearest rank)."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)
