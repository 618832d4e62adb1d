"""Readers who flood an exit, or have it hold more than they send."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from bench.command import say
from bench.errors import Unmeasured
from bench.exitload import LINK_S, ExitLoad, answers, exit_load, tell
from bench.host import ThisMachine
from bench.machine import cpu_s
from bench.report import Row, at_least, at_most, median
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.keyring import LINK_FILE, TICKET_FILE
from tests.lab import Child

KINDS = (
    "one-byte DATA",
    "empty DATA",
    "malformed CONNECT",
    "frames on a broken stream",
    "SETTINGS",
    "PING",
    "requests that are reset",
    "frames of the link: PING",
    "frames of the link: old DATA",
    "tiny messages",
)
LINKS = 3
WARM_S = 1.0
"""The first second of a flood is not judged: a burst is borne."""
SHARE_S, QUICK_SHARE_S = 3.0, 0.8
PAIRS, QUICK_PAIRS = 9, 3
PIECE_S = 0.35
"""Honest downloads alone and under attack take turns, so short that what else the machine does
meets both alike; the median pair counts."""
JOIN_S = 0.25
"""Time in which a flood begins again."""
PAYLOAD_BYTES, QUICK_PAYLOAD_BYTES = 256 << 10, 64 << 10
HELD_S = 120.0


def measure(quick: bool) -> Iterator[Row]:
    """Yield what each flood takes from an exit, and what it leaves to an honest reader."""
    yield from _held(QUICK_PAYLOAD_BYTES if quick else PAYLOAD_BYTES)
    with exit_load(quota="") as here:
        honest = here.load(1, LINKS)
        flooder = _flooder(here)
        for child in (honest, flooder):
            if child.hear(timeout_s=LINK_S) != "linked":
                raise Unmeasured("the load could not be linked")
        _rate(honest, 1.0)
        for kind in KINDS:
            share = _share(here, flooder, kind, QUICK_SHARE_S if quick else SHARE_S)
            pairs = range(QUICK_PAIRS if quick else PAIRS)
            kept = median([_kept(honest, flooder, kind) for _ in pairs])
            say(f"{kind}: {100 * share:.0f} % of a core, {100 * kept:.0f} % of the rate kept")
            yield Row(f"{kind}: exit's processor", 100 * share, "% of a core", at_most(25))
            yield Row(f"{kind}: honest rate kept", 100 * kept, "%", at_least(70))


def _flooder(here: ExitLoad) -> Child:
    pin = LinkIdentity.from_pem((here.state / LINK_FILE).read_bytes()).spki_sha256
    words = [here.url, str(here.state / TICKET_FILE), pin.hex(), str(here.site_port)]
    return here.host.python("-m", "bench.attacks.flooder", *words, dialogue=True)


def _rate(honest: Child, seconds: float) -> float:
    """Return the bytes a second that the honest reader downloads."""
    tell([honest], f"download {seconds} 1")
    return sum(answers([honest], timeout_s=seconds + LINK_S)) / seconds


def _share(here: ExitLoad, flooder: Child, kind: str, seconds: float) -> float:
    """Return the share of a core that a flood takes after its first second."""
    tell([flooder], f"attack {WARM_S + seconds} {kind}")
    time.sleep(WARM_S)
    before_s, start_s = cpu_s(here.exit.pid), time.monotonic()
    time.sleep(seconds)
    share = (cpu_s(here.exit.pid) - before_s) / (time.monotonic() - start_s)
    answers([flooder], timeout_s=LINK_S)
    return share


def _kept(honest: Child, flooder: Child, kind: str) -> float:
    """Return the share of its rate that an honest reader keeps under attack."""
    alone = _rate(honest, PIECE_S)
    if not alone:
        raise Unmeasured("the honest reader got nothing before the flood began")
    tell([flooder], f"attack {JOIN_S + PIECE_S} {kind}")
    time.sleep(JOIN_S)
    kept = _rate(honest, PIECE_S) / alone
    answers([flooder], timeout_s=LINK_S)
    return kept


def _held(payload_bytes: int) -> Iterator[Row]:
    worst = 0.0
    with ThisMachine() as host:
        for framing in ("1", "2", "1 4000"):
            words = ("-m", "bench.attacks.held", str(payload_bytes), *framing.split())
            held = json.loads(host.python(*words, dialogue=True).hear(timeout_s=HELD_S))
            say(f"upload in frames of {framing} bytes: {held:.1f} MiB for each MiB")
            worst = max(worst, held)
    yield Row("unread upload, worst framing", worst, "MiB for each MiB", at_most(3))
