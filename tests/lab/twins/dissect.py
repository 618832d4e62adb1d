"""Captures, as `tshark` and `ndpiReader` read them."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.twins.packets import FIELDS, Endpoint, Link, links, parse

READ_S = 120.0
"""Longest time to read one capture on a busy machine."""
VERDICT_SUFFIX = ".csv"


def dissect(capture: Path, reader: str, volunteers: Iterable[str]) -> dict[str, list[Link]]:
    """Return the links in a capture between `reader` and each volunteer, by their addresses.

    Raises LabError where a program is missing or fails.
    """
    columns = [word for name in FIELDS for word in ("-e", name)]
    words = ("tshark", "-n", "-r", str(capture), "-Y", "udp && ip && !icmp", "-T", "fields")
    lines = _run(*words, "-E", "occurrence=a", "-E", "aggregator=,", *columns).splitlines()
    verdicts = _verdicts(capture)
    return {
        address: [replace(link, verdict=verdicts.get(link.flow, "")) for link in found]
        for address, found in links([*map(parse, lines)], reader, volunteers).items()
    }


def _verdicts(capture: Path) -> dict[frozenset[Endpoint], str]:
    """Return what `ndpiReader` takes each flow for."""
    path = capture.with_suffix(VERDICT_SUFFIX)
    _run("ndpiReader", "-q", "-i", str(capture), "-C", str(path))
    with path.open(encoding="utf-8", newline="") as file:
        return {
            frozenset(
                (
                    (row["src_ip"], int(row["src_port"])),
                    (row["dst_ip"], int(row["dst_port"])),
                )
            ): row["ndpi_proto"]
            for row in csv.DictReader(line.lstrip("#") for line in file)
        }


def _run(*words: str) -> str:
    ended = _start(words)
    if ended.returncode != 0:
        raise LabError(f"{words[0]} failed ({ended.returncode}): {ended.stderr[-1000:]}")
    return ended.stdout


def _start(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=READ_S, check=False)
    except FileNotFoundError:
        raise LabError(
            f"The twin test lacks the program {words[0]}. Run `make setup-test` as root, which "
            "installs it."
        ) from None
