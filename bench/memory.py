"""Measure how much memory others need when a reader stops reading."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench import world
from bench.command import say
from bench.crowd import Crowd, crowd
from bench.errors import Unmeasured
from bench.machine import family_pss_bytes, renderers, rss_bytes
from bench.report import Row, at_most
from bench.world import Client, Engine
from passerelle import limits

MEANING = """
An application reads an endless download at full speed for some seconds, then stops reading and
keeps its connection; three volunteers, each a real Chromium, carry it. grown is the highest
resident memory from then on, less that of the same process after a first, finished download: so
interpreter, libraries and what the allocator keeps are not in it. Each bound is the sum of the
named limits (passerelle/limits.py) that hold for that party with three links, in MiB, and of 16 MiB
for allocators and collectors that keep freed memory. A relay page counts with all renderers of its
browser; of three volunteers the one that grew most is shown. A client counts with the process of
Chrome's engine, each with its share of the pages that others have, too. idle is all of a client's
memory with its three links before anything was transferred.
"""
RELAYS = 3
READ_S = 5.0
STALL_S = 30.0
QUICK_STALL_S = 8.0
WARM_BYTES = 64 << 20
QUICK_WARM_BYTES = 16 << 20
LINK_S = 60.0
SLACK_S = 120.0
POLL_S = 0.1
KEPT_BYTES = 16 * limits.MIB
"""Memory that allocators and the garbage collector keep after it was freed."""
CLIENT_BYTES = (
    limits.STREAM_WINDOW_CAP_BYTES  # unread by the application
    + limits.SESSION_WINDOW_BYTES  # out of order
    + RELAYS * limits.TRANSPORT_QUEUE_BYTES  # each SCTP association's receive window
    + KEPT_BYTES
)
EXIT_BYTES = (
    limits.SESSION_WINDOW_BYTES  # sent and not acknowledged
    + limits.STREAM_SEND_BYTES  # read from the site and not sent
    + limits.UNSENT_MOST_BYTES
    + RELAYS * limits.TRANSPORT_QUEUE_BYTES
    + KEPT_BYTES
)
BUFFERED_BYTES = 8 * limits.MIB
"""Data on the way to one side of a relay, before the relay closes the link
(widget/src/core/limits.ts)."""
RELAY_BYTES = 2 * BUFFERED_BYTES + KEPT_BYTES


@dataclass(slots=True)
class Party:
    """A process or group of processes whose memory is watched."""

    name: str
    bound_bytes: int
    used: Callable[[], int]
    before: int = 0
    peak: int = field(default=0)

    @property
    def grown_mib(self) -> float:
        """The highest value since `begin`, less the value at `begin`."""
        return max(0, self.peak - self.before) / limits.MIB

    def begin(self) -> None:
        """Take the memory in use now as the reference."""
        self.before = self.peak = self.used()

    def look(self) -> None:
        """Note the memory in use now."""
        self.peak = max(self.peak, self.used())


def measure(quick: bool, engine: Engine) -> Iterator[Row]:
    """Yield how much each party grew."""
    warm_bytes, stall_s = (QUICK_WARM_BYTES, QUICK_STALL_S) if quick else (WARM_BYTES, STALL_S)
    with crowd([None] * RELAYS, engine) as place:
        client = place.world.client()
        place.await_helping(RELAYS, timeout_s=LINK_S)
        world.settle()
        yield Row(
            "client idle, 3 links", family_pss_bytes(client.child.pid) / 1e6, "MB", at_most(90)
        )
        parties = list(_parties(place, client))
        place.world.run(client, "down", timeout_s=SLACK_S, bytes=warm_bytes)
        world.settle()
        for party in parties:
            party.begin()
        _stall(place, client, parties, stall_s)
    for party in parties:
        say(f"{party.name}: {party.before / limits.MIB:.0f} MiB, then + {party.grown_mib:.1f}")
    relays = [party for party in parties if party.name.startswith("relay")]
    worst = max(relays, key=lambda party: party.grown_mib)
    for party in (*(each for each in parties if each not in relays), worst):
        bound = at_most(party.bound_bytes / limits.MIB)
        yield Row(f"{party.name.partition(' ')[0]} grown", party.grown_mib, "MiB", bound)
        yield Row(f"{party.name.partition(' ')[0]} before", party.before / limits.MIB, "MiB")


def _parties(place: Crowd, client: Client) -> Iterator[Party]:
    yield Party("client", CLIENT_BYTES, lambda: family_pss_bytes(client.child.pid))
    yield Party("exit", EXIT_BYTES, lambda: rss_bytes(place.world.server.pid))
    for relay in place.relays:
        pages = renderers(relay.browser.pid)
        if not pages:
            raise Unmeasured(f"Chromium of {relay.label} has no renderer process")
        yield Party(
            f"relay {relay.label}",
            RELAY_BYTES,
            # Take the renderers that exist now: one that starts later belongs to another page.
            lambda pages=tuple(pages): sum(map(rss_bytes, pages)),  # type: ignore[misc]
        )


def _stall(place: Crowd, client: Client, parties: list[Party], stall_s: float) -> None:
    app = place.world.app(client, "stall", interval=READ_S, seconds=stall_s)
    app.wait_for("stalled", timeout_s=READ_S + SLACK_S)
    while app.alive:
        for party in parties:
            party.look()
        time.sleep(POLL_S)
    read = app.result()["bytes"]
    if read < limits.STREAM_WINDOW_CAP_BYTES:
        raise Unmeasured(f"the application got only {read} bytes before it stopped reading")
    say(f"read {read / limits.MIB:.0f} MiB, then stopped for {stall_s:.0f} s")


if __name__ == "__main__":
    world.main("memory", measure, MEANING)
