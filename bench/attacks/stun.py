"""Requests forged to a network's STUN server, `serve --stun-listen`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from bench.errors import Unmeasured
from bench.report import Row, Target, at_least
from tests.lab import Lab, Namespace

SERVER: Final = "11.200.0.1"
PORT, STUN_PORT = 8080, 3478
PEOPLE: Final = "11.1.2.0/24"
EVERYWHERE: Final = "11.0.0.0/9"
SECONDS, QUICK_SECONDS = 20.0, 11.0
ALONE_S: Final = 3.0
START_S: Final = 60.0
CASES: Final = (
    ("100/s forged from their /24", PEOPLE, 100, at_least(95)),
    ("500/s forged from their /24", PEOPLE, 500, at_least(95)),
    ("43,000/s forged from everywhere", EVERYWHERE, 43_000, at_least(50)),
)


def measure(quick: bool) -> Iterator[Row]:
    """Yield what share of honest people's requests is answered, each sent once."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with Lab() as lab:
        host = lab.namespace("stun")
        # Every address is this host's own, so that nothing forged leaves it.
        host.ip("route", "add", "local", "11.0.0.0/8", "dev", "lo")
        _serve(host)
        yield _answered(host, "alone", f"{PEOPLE} {ALONE_S} 0", at_least(100))
        for name, network, per_s, target in CASES:
            yield _answered(host, name, f"{network} {seconds} {per_s}", target)


def _serve(host: Namespace) -> None:
    server = host.python(
        *("-m", "passerelle", "serve", "--state", str(host.directory / "state")),
        *("--url", f"http://{SERVER}:{PORT}", "--listen", f"{SERVER}:{PORT}"),
        *("--stun-listen", f"{SERVER}:{STUN_PORT}"),
    )
    end_s = time.monotonic() + START_S
    while "Invite for readers" not in server.text():
        if not server.alive or time.monotonic() > end_s:
            raise Unmeasured("the servers did not start")
        time.sleep(0.1)


def _answered(host: Namespace, name: str, how: str, target: Target) -> Row:
    """Return what share was answered; `how` are the last words of `bench.attacks.stunpeers`."""
    words = ("bench.attacks.stunpeers", f"{SERVER}:{STUN_PORT}", *how.split())
    found = host.python("-m", *words).result(timeout_s=SECONDS + START_S)
    share = 100 * found["answered"] / found["asked"]
    return Row(f"STUN: answered, {name}", share, "%", target)
