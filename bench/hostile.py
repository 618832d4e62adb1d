"""What hostile peers cost: memory, processor time, and what honest people lose beside them."""

from __future__ import annotations

from collections.abc import Iterator

from bench.attacks import bus, stun
from bench.attacks import exit as exit_attacks
from bench.command import Measure, main, say
from bench.report import Row

MEANING = """
Each row is one attack on real sockets of this machine: the memory or processor time that it takes
from the attacked process, or what an honest peer keeps of its rate beside it. An honest peer is
measured first alone and then under attack, in the same run.
"""

PARTS: dict[str, Measure] = {
    "the bus": bus.measure,
    "a STUN server": stun.measure,
    "an exit": exit_attacks.measure,
}


def measure(quick: bool) -> Iterator[Row]:
    """Yield the rows of all attacks."""
    for name, part in PARTS.items():
        say(f"attacks on {name}")
        yield from part(quick)


if __name__ == "__main__":
    main("hostile", measure, MEANING)
