"""What hostile peers cost: memory, processor time, and what honest people lose beside them."""

from __future__ import annotations

from collections.abc import Iterator

from bench.attacks import broker, bus, floods, links, page, stun
from bench.command import Measure, main, say
from bench.report import Row

MEANING = """
Each row is one attack on real sockets of this machine: the memory or processor time that it takes
from the attacked process, or what an honest peer keeps of its rate beside it. An honest peer is
measured first alone and then under attack, in the same run.
"""

PARTS: dict[str, Measure] = {
    "an exit": floods.measure,
    "a reader's links": links.measure,
    "what many share": broker.measure,
    "the bus": bus.measure,
    "a STUN server": stun.measure,
    "the page": page.measure,
}


def measure(quick: bool) -> Iterator[Row]:
    """Yield the rows of all attacks."""
    for name, part in PARTS.items():
        say(f"attacks on {name}")
        yield from part(quick)


if __name__ == "__main__":
    main("hostile", measure, MEANING)
