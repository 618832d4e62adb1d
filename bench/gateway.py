"""Measure what the gateway of one exit worker on one core can answer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.command import main, say
from bench.errors import Unmeasured
from bench.exitload import LINK_S, PYTHON, QUOTA, START_S, answers, tell
from bench.host import ThisMachine
from bench.machine import cpu_s, rss_bytes
from bench.report import Row, at_least
from passerelle.gatewayfile import GatewayFile
from passerelle.keyring import TICKET_FILE, Keyring
from passerelle.wire.gatewaykeys import configurations
from tests.lab import Child
from tests.rig.certificate import Certificate
from tests.rig.ports import free_port

MEANING = """
One `passerelle exit` worker in site mode, pinned to the first core; the publisher's site (HTTPS)
and readers are other processes. Readers seal and open each message as a page does, on WebSockets
on loopback, without a browser. shared: a story of 5.6 KB that the site lets all readers share.
own: the same story, asked of the site each time. film: answers of 64 MB. On a machine with two
cores site and readers share the other one and are the bottleneck; so "per core" says what the
worker would answer with a core of its own: the count divided by the processor time that it used.
"""
SECONDS = 8.0
QUICK_SECONDS = 3.0
LOADS = 2
READERS = 8
AT_ONCE = 4
SITE = "localhost"
EXIT_ID = "exit-1"
SETTINGS = """
requests_per_hour = 1_000_000_000
answer_bytes_per_hour = 1_000_000_000_000_000
sessions = 100
"""


@dataclass(frozen=True, slots=True)
class GatewayLoad:
    """A running exit with a gateway, and the processes that load it."""

    exit: Child
    loads: list[Child]


@contextmanager
def gateway_load() -> Iterator[GatewayLoad]:
    """Run an exit on the first core, its publisher's site, and readers."""
    with ThisMachine() as host:
        state = host.directory / "state"
        Keyring.open_or_create(state)
        seed = GatewayFile(state, create=True).seed(time.time())
        (_, today) = configurations(seed, EXIT_ID, 2)
        certificate = Certificate.make(host.directory)
        site_port, port = free_port(), free_port()
        config = host.directory / "exit.toml"
        config.write_text(
            f'[policy]\nmode = "site"\nsites = ["{SITE}"]\nports = [{site_port}]\n'
            f'allow = ["127.0.0.0/8"]\n[gateway]\nroots = "{certificate.pem}"\n{QUOTA}{SETTINGS}'
        )
        words = [str(site_port), str(certificate.pem), str(certificate.key)]
        host.python("-m", "bench.gatewaysite", *words).wait_for("ready", timeout_s=START_S)
        words = ["-m", "passerelle", "exit", "--state", str(state), "--config", str(config)]
        words += ["--listen", f"127.0.0.1:{port}"]
        pinned = ["taskset", "-c", "0"] if shutil.which("taskset") else []
        child = host.popen(*pinned, *PYTHON, *words)
        child.wait_for("serves", timeout_s=START_S)
        words = [f"ws://127.0.0.1:{port}/v1/link", str(state / TICKET_FILE), EXIT_ID, today.hex()]
        words += [f"https://{SITE}:{site_port}", str(READERS)]
        loads = [
            host.python("-m", "bench.gatewayload", *words, dialogue=True) for _ in range(LOADS)
        ]
        for load in loads:
            if load.hear(timeout_s=LINK_S) != "linked":
                raise Unmeasured("the readers could not be linked")
        yield GatewayLoad(child, loads)


def measure(quick: bool) -> Iterator[Row]:
    """Yield answers a second and bits a second, each by core."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with gateway_load() as here:
        for name, path in (("shared", "/shared"), ("own", "/own")):
            count, _, took_s, used_s = _load(here, path, seconds, AT_ONCE)
            target = at_least(1000)
            yield Row(f"small answers, {name}", count / took_s, "1/s")
            yield Row(f"small answers, {name}, per core", count / used_s, "1/s", target)
        _, size, took_s, used_s = _load(here, "/film", seconds, 1)
        say(f"{size / 1e9:.2f} GB in {took_s:.1f} s, {used_s:.1f} s of processor time")
        yield Row("film", size * 8 / took_s / 1e6, "Mbit/s")
        yield Row("film per core", size * 8 / used_s / 1e6, "Mbit/s", at_least(500))
        yield Row("memory", rss_bytes(here.exit.pid) / 1e6, "MB")


def _load(
    here: GatewayLoad, path: str, seconds: float, at_once: int
) -> tuple[int, int, float, float]:
    """Return answers, bytes, and the seconds that passed and that the worker used."""
    tell(here.loads, f"{seconds / 4} {path} {at_once}")
    answers(here.loads, timeout_s=seconds + LINK_S)
    before_s, start_s = cpu_s(here.exit.pid), time.monotonic()
    tell(here.loads, f"{seconds} {path} {at_once}")
    found = answers(here.loads, timeout_s=seconds + LINK_S)
    took_s, used_s = time.monotonic() - start_s, cpu_s(here.exit.pid) - before_s
    return sum(found[::2]), sum(found[1::2]), took_s, used_s


if __name__ == "__main__":
    main("gateway", measure, MEANING)
