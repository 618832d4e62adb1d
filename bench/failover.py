"""Measure what an application notices when volunteers leave in the middle of its transfer."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench import steady, world
from bench.command import say
from bench.crowd import Crowd, Ending, Relay, crowd
from bench.errors import Unmeasured
from bench.report import Row, at_least, at_most, median, percentile
from bench.world import Client, Engine
from tests.lab import Child, LabError

MEANING = """
A transfer of a steady 8 Mbit/s through several volunteers, each a real Chromium in a network
namespace of its own; the client holds three links. Again and again one of the volunteers that carry
it, taken by chance, ends: its tab is closed, all its packets silently vanish (nftables), or its
switch is turned off. A new one comes for it, so that at least two others carry all the time.
A gap is how long the receiving application went without a byte, less the 5 ms between two pieces
of the sender; counted is the longest in the two seconds (six for vanishing) after each ending.
undisturbed is the longest in the two seconds before: what this machine adds by itself. intact is
the share of transfers whose SHA-256 is that of what was sent.
"""
RELAYS = 5
LINKED = 3
"""The number of links that a client keeps; all but one of them are spare."""
RATE = 1_000_000
"""The rate in bytes a second."""
BYTES = 50_000_000
QUICK_BYTES = 16_000_000
ENDINGS = 20
QUICK_ENDINGS = 4
WATCHED_S = {Ending.CLOSED: 2.0, Ending.VANISHED: 6.0, Ending.SWITCHED_OFF: 2.0}
TARGETS = {
    Ending.CLOSED: at_most(250),
    Ending.VANISHED: at_most(1000),
    Ending.SWITCHED_OFF: at_most(50),
}
BEFORE_S = 2.0
RELINK_S = 60.0
SLACK_S = 60.0
MOST_BROKEN = 3
COMMANDS = {"down": "pull", "up": "push"}


@dataclass(slots=True)
class Found:
    """The measurements for one way of ending and one direction."""

    gaps_ms: list[float] = field(default_factory=list)
    """The longest gap after each ending."""
    before_ms: list[float] = field(default_factory=list)
    """The longest gap before each ending."""
    intact: list[bool] = field(default_factory=list)
    """Whether each transfer arrived unchanged."""


class Trial:
    """Transfers in one direction, with one way of ending."""

    def __init__(self, place: Crowd, client: Client, direction: str, how: Ending, size: int):
        self._place = place
        self._client = client
        self._command = COMMANDS[direction]
        self._name = f"{direction} {how.value}"
        self._how = how
        self._size = size
        self._digest = steady.digest(size)
        self._last_s = size / RATE - WATCHED_S[how] - 1.0
        """The latest moment for a volunteer to leave, from the start; later it could not be
        watched."""
        self._endings_s: list[float] = []
        self._relayed: dict[Relay, int] = {}
        self.found = Found()

    def run(self, endings: int) -> Found:
        """Make transfers until `endings` volunteers have left during one."""
        while len(self.found.gaps_ms) < endings:
            self._transfer(endings - len(self.found.gaps_ms))
            if len(self.found.intact) - sum(self.found.intact) > MOST_BROKEN:
                raise Unmeasured(f"{self._name}: transfers break again and again")
        return self.found

    def _transfer(self, endings: int) -> None:
        app = self._place.world.app(self._client, self._command, bytes=self._size, rate=RATE)
        self._endings_s = []
        try:
            start_s = time.monotonic()
            world.settle(BEFORE_S)
            while len(self._endings_s) < endings and time.monotonic() - start_s < self._last_s:
                if not self._end_one(app, start_s + self._last_s):
                    break
            result = app.result(timeout_s=self._size / RATE + SLACK_S)
        except LabError as error:
            say(f"{self._name}: the transfer failed: {error}")
            self.found.intact.append(False)
            return
        finally:
            app.stop()
        self._judge(result)

    def _end_one(self, app: Child, last_s: float) -> bool:
        """End a volunteer that carries, watch what follows, and have another come."""
        linked = self._place.await_helping(LINKED, timeout_s=RELINK_S)
        world.settle(BEFORE_S)
        relay = self._carrier(linked)
        if not app.alive or time.monotonic() > last_s:
            return False
        self._endings_s.append(time.monotonic())
        relay.end(self._how)
        world.settle(WATCHED_S[self._how])
        relay.restore()
        self._relayed.pop(relay, None)
        return True

    def _carrier(self, linked: list[Relay]) -> Relay:
        """Return a random one of those that have relayed something since the last call."""
        before, self._relayed = self._relayed, {relay: relay.bytes() for relay in linked}
        active = [relay for relay in linked if self._relayed[relay] > before.get(relay, 0)]
        return random.choice(active or linked)

    def _judge(self, result: dict[str, Any]) -> None:
        whole = result["sha256"] == self._digest
        self.found.intact.append(whole)
        if not whole:
            say(f"{self._name}: {result['bytes']} of {self._size} bytes came, or not as sent")
        watched_s = WATCHED_S[self._how]
        for end_s in self._endings_s:
            gap_ms = _longest_ms(result["gaps"], end_s, end_s + watched_s)
            self.found.gaps_ms.append(gap_ms)
            self.found.before_ms.append(_longest_ms(result["gaps"], end_s - BEFORE_S, end_s))
        count, last = len(self.found.gaps_ms), self.found.gaps_ms[-len(self._endings_s) :]
        say(f"{self._name} {count}: {', '.join(f'{gap:.0f}' for gap in last)} ms")


def _longest_ms(gaps: list[tuple[float, float]], start_s: float, end_s: float) -> float:
    """Return the longest gap that lies at least partly between two moments, less the pace."""
    lengths = (length for begun_s, length in gaps if start_s - length < begun_s < end_s)
    return 1e3 * max(0.0, max(lengths, default=0.0) - steady.PACE_S)


def measure(quick: bool, engine: Engine) -> Iterator[Row]:
    """Yield the gaps for each way of ending and each direction."""
    size, endings = (QUICK_BYTES, QUICK_ENDINGS) if quick else (BYTES, ENDINGS)
    with crowd([None] * RELAYS, engine) as place:
        client = place.world.client()
        for direction in COMMANDS:
            for how in Ending:
                found = Trial(place, client, direction, how, size).run(endings)
                yield from _rows(f"{direction} {how.value}", found, how)


def _rows(name: str, found: Found, how: Ending) -> Iterator[Row]:
    yield Row(f"{name} gap p95", percentile(found.gaps_ms, 0.95), "ms", TARGETS[how])
    yield Row(f"{name} gap p50", median(found.gaps_ms), "ms")
    yield Row(f"{name} gap longest", max(found.gaps_ms), "ms")
    yield Row(f"{name} undisturbed p95", percentile(found.before_ms, 0.95), "ms")
    yield Row(f"{name} endings", len(found.gaps_ms), "")
    intact = sum(found.intact) / len(found.intact)
    yield Row(f"{name} intact", intact, "", at_least(1), digits=3)


if __name__ == "__main__":
    world.main("failover", measure, MEANING)
