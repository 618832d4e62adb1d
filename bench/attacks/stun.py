"""Requests forged to a network's STUN server, `serve --stun-listen`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from bench.errors import Unmeasured
from bench.report import Row, Target, at_least, at_most, median
from tests.lab import Child, Lab, Namespace

SERVER: Final = "11.200.0.1"
PORT, STUN_PORT = 8080, 3478
PEOPLE: Final = "11.1.2.0/24"
EVERYWHERE: Final = "11.0.0.0/9"
SECONDS, QUICK_SECONDS = 20.0, 11.0
ALONE_S: Final = 3.0
FLOOD_PER_S: Final = 43_000
PAGES: Final = 20
PAGE_MS: Final = 50.0
START_S: Final = 60.0
CASES: Final = (
    ("100/s forged from their /24", PEOPLE, 100, at_least(95)),
    ("500/s forged from their /24", PEOPLE, 500, at_least(95)),
    ("43,000/s forged from everywhere", EVERYWHERE, FLOOD_PER_S, at_least(50)),
)


def measure(quick: bool) -> Iterator[Row]:
    """Yield what share of honest people's requests is answered, each sent once."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with Lab() as lab:
        host = lab.namespace("stun")
        # Every address is this host's own, so that nothing forged leaves it.
        host.ip("route", "add", "local", "11.0.0.0/8", "dev", "lo")
        _serve(host)
        yield _answered("alone", _peers(host, f"{PEOPLE} {ALONE_S} 0"), at_least(100))
        yield Row("broker: a page beside no flood", _page_ms(host), "ms")
        for name, network, per_s, target in CASES:
            child = _peers(host, f"{network} {seconds} {per_s}")
            if per_s == FLOOD_PER_S:
                page_ms = _page_ms(host)
                yield Row(f"broker: a page beside {name}", page_ms, "ms", at_most(PAGE_MS))
            yield _answered(name, child, target)


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


def _peers(host: Namespace, how: str) -> Child:
    """Start people and a forger; `how` are the last words of `bench.attacks.stunpeers`."""
    words = ("bench.attacks.stunpeers", f"{SERVER}:{STUN_PORT}", *how.split())
    return host.python("-m", *words)


def _page_ms(host: Namespace) -> float:
    """Return the median time in which the broker beside the STUN server answers."""
    words = ("--silent", "--output", "/dev/null", "--write-out", "%{time_total}")
    url = f"http://{SERVER}:{PORT}/healthz"
    return median([1000 * float(host.run("curl", *words, url).stdout) for _ in range(PAGES)])


def _answered(name: str, child: Child, target: Target) -> Row:
    found = child.result(timeout_s=SECONDS + START_S)
    share = 100 * found["answered"] / found["asked"]
    return Row(f"STUN: answered, {name}", share, "%", target)
