"""The share of a session with one stream beside a session with fifty."""

from __future__ import annotations

from collections.abc import Iterator

from bench.command import main, say
from bench.exitload import LINK_S, answers, exit_load, tell
from bench.report import Row, at_least, median

MEANING = """
Two sessions at one `passerelle exit`, three links each on loopback, download at once: one with 50
streams, the other with one. share is what the single stream's session gets of both: 50 % is equal.
line: the exit's rate is set to 20 Mbit/s (`exit.rate_bytes_s`), so the line is what they share.
processor: no rate is set, and exit or machine are as busy as they get; each session's load is
a process of its own, whose own slowness counts against it. Medians of the runs.
"""
SECONDS = 6.0
QUICK_SECONDS = 3.0
RUNS = 3
MANY = 50
RATE_BYTES_S = 2_500_000
CASES = {"line": f"[exit]\nrate_bytes_s = {RATE_BYTES_S}\n", "processor": ""}


def measure(quick: bool) -> Iterator[Row]:
    """Yield the shares and rates of each case."""
    seconds, runs = (QUICK_SECONDS, 1) if quick else (SECONDS, RUNS)
    for name, settings in CASES.items():
        shares, rates = [], []
        with exit_load(settings) as here:
            loads = [here.load(1, 3) for _ in range(2)]
            for load in loads:
                load.hear(timeout_s=LINK_S)
            for _ in range(runs):
                for load, streams in zip(loads, (MANY, 1), strict=True):
                    tell([load], f"download {seconds} {streams}")
                many, one = answers(loads, timeout_s=seconds + LINK_S)
                shares.append(one / (many + one))
                rates.append((many + one) * 8 / seconds / 1e6)
                say(f"{name}: one of {MANY + 1} streams got {100 * shares[-1]:.0f} %")
        yield Row(f"{name} share of the single stream", 100 * median(shares), "%", at_least(40))
        yield Row(f"{name} both together", median(rates), "Mbit/s")


if __name__ == "__main__":
    main("fairness", measure, MEANING)
