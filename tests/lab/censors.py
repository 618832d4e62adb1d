"""Does the page come while somebody on the reader's path drops, cuts, delays or slows?

    python -m tests.lab.censors                     all of it, as a table
    python -m tests.lab.censors --only "1 Mbit/s"   one row
    python -m tests.lab.censors --renew             into docs/RELIABILITY.md

Each row is a laboratory of its own with a Chromium and a Firefox as volunteers, and each cell a
client that has just been started. `tests.lab.censor` has the rules.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from tests.lab import censor
from tests.lab.browser import LabBrowser
from tests.lab.cast import AGREE, ELEMENT, SNAPSHOT, START_S, SWITCH
from tests.lab.censor import Censor, Rule
from tests.lab.child import Child
from tests.lab.country import PROXY_PORT, Country
from tests.lab.errors import LabError
from tests.lab.firefox import LabFirefox
from tests.lab.lab import Lab
from tests.lab.tools import ROOT
from tests.lab.wan import Wan

DOCUMENT: Final = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- censors: begin -->", "<!-- censors: end -->"
Engine = Literal["chrome", "python"]
ENGINES: Final[tuple[Engine, ...]] = ("chrome", "python")
HEAD = (
    "| what is done to the reader's packets | " + " | ".join(f"`{name}`" for name in ENGINES) + " |"
    "\n" + "|---" * (1 + len(ENGINES)) + "|"
)
PAGE_S = 45.0
"""How long the first page is waited for."""
HOLD_S = 15.0
"""How long pages are opened after the first, one a second, beside a download."""
RATE: Final = 20_000
"""The rate of the download, in bytes a second."""
PEOPLE = 40
"""How many people each volunteer helps at once: one who is cut off is missed after a while only."""
CLEAN = Wan()


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done to the reader's packets."""

    rule: Rule | None = None
    wan: Wan = CLEAN
    """The reader's line, both ways."""
    options: tuple[str, ...] = ()
    """Further options of the client."""


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "nothing": Scenario(),
    "DTLS 1.2 answers dropped": Scenario(censor.dtls_1_2()),
    "flows with a Chromium's ClientHello (JA4) dropped after 2 s": Scenario(censor.one_hello()),
    "flows dropped whose first packet has the size of `python`'s": Scenario(censor.first_size()),
    "flows dropped whose first STUN request has the size of `python`'s": Scenario(
        censor.first_size(of_requests=True)
    ),
    "STUN with SOFTWARE dropped": Scenario(censor.foreign_software()),
    "DTLS without pictures or sound dropped after 5 s": Scenario(censor.only_calls()),
    "the same, the client with `--no-media`": Scenario(
        censor.only_calls(), options=("--no-media",)
    ),
    "UDP port 3478 dropped": Scenario(censor.no_stun_port()),
    "each flow dropped after 10 s": Scenario(censor.short_flows()),
    "20 % lost each way, round trip 300 ms": Scenario(wan=Wan(delay_ms=150, loss_pct=20)),
    "1 Mbit/s": Scenario(wan=Wan(rate_mbit=1, queue_kb=64)),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader saw."""

    page_s: float | None
    """Seconds from the client's start to the first page; None: it did not come."""
    slowest_s: float | None = None
    """The longest time that a later page took; None: one did not come."""
    is_whole: bool = False
    """Whether the download came to its end."""
    dropped: int | None = None
    """Packets that the censor dropped; None without a censor."""
    said: str = ""
    """What the client printed."""

    def cell(self) -> str:
        """Return it for the table."""
        dropped = "" if self.dropped is None else f"; {self.dropped} dropped"
        if self.page_s is None:
            return f"no page in {PAGE_S:.0f} s{dropped}"
        later = "some missing" if self.slowest_s is None else f"≤ {self.slowest_s:.1f} s"
        whole = "whole" if self.is_whole else "broken off"
        return f"{self.page_s:.1f} s; {later}; {whole}{dropped}"


class Censored:
    """A reader whose packets are judged, and volunteers who are on."""

    def __init__(self, country: Country) -> None:
        self.country = country
        self._reader = country.hosts["client"]

    def see(self, scenario: Scenario, engine: Engine, *, hold_s: float = HOLD_S) -> Seen:
        """Start a client, and open pages. Raises LabError."""
        star = self.country.star
        star.lines["client"].set(there=scenario.wan, back=scenario.wan)
        with ExitStack() as stack:
            stack.callback(star.lines["client"].set, there=CLEAN, back=CLEAN)
            at_work = None
            if scenario.rule is not None:
                at_work = stack.enter_context(Censor(star, "client", scenario.rule))
            began_s = time.monotonic()
            client = self.client(engine, *scenario.options)
            stack.callback(client.stop)
            client.wait_for("Proxy open", timeout_s=START_S)
            page_s = None
            slowest_s, is_whole = None, False
            if self._page(PAGE_S) is not None:
                page_s = time.monotonic() - began_s
                slowest_s, is_whole = self._go_on(hold_s)
            dropped = None if at_work is None else at_work.dropped
            return Seen(page_s, slowest_s, is_whole, dropped, client.text())

    def client(self, engine: Engine, *options: str) -> Child:
        """Start a client."""
        words = ("-m", "passerelle", "client", "-v", "--invite", self.country.invite, "--forget")
        listen = ("--listen", f"127.0.0.1:{PROXY_PORT}")
        return self._reader.python(*words, *listen, "--engine", engine, *options)

    def _go_on(self, hold_s: float) -> tuple[float | None, bool]:
        """Open pages beside a download; return the slowest one's time, and whether it was whole."""
        size = int(hold_s * RATE)
        words = _curl(self.country.site_url + f"bytes/{size}", hold_s + PAGE_S)
        download = self._reader.popen(*words, "--limit-rate", str(RATE))
        slowest_s: float | None = 0.0
        end_s = time.monotonic() + hold_s
        while (begun_s := time.monotonic()) < end_s:
            took_s = self._page(PAGE_S)
            slowest_s = None if None in (took_s, slowest_s) else max(took_s or 0, slowest_s or 0)
            time.sleep(max(0.0, begun_s + 1 - time.monotonic()))
        is_whole = download.process.wait(hold_s + PAGE_S) == 0
        return slowest_s, is_whole

    def _page(self, patience_s: float) -> float | None:
        """Open the page as a person who tries again does; return the seconds it took."""
        begun_s = time.monotonic()
        while (left_s := begun_s + patience_s - time.monotonic()) > 0:
            words = _curl(self.country.site_url, left_s)
            if self._reader.run(*words, timeout_s=left_s + 5, check=False).returncode == 0:
                return time.monotonic() - begun_s
            time.sleep(0.2)
        return None


def _curl(url: str, patience_s: float) -> tuple[str, ...]:
    proxy = ("-x", f"socks5h://127.0.0.1:{PROXY_PORT}", "--noproxy", "")
    return (
        "curl",
        "-q",
        "-sS",
        "--fail",
        "-m",
        f"{patience_s:.1f}",
        "-o",
        "/dev/null",
        *proxy,
        url,
    )


@contextmanager
def censored(lab: Lab, *kinds: type[LabBrowser]) -> Iterator[Censored]:
    """Yield a reader, with a volunteer of each kind of browser."""
    country = Country(lab, line=CLEAN)
    labels = ("volunteer", "volunteer2")[: len(kinds)]
    for label in labels:
        if label not in country.hosts:
            country.star.host(label)
    for label in ("client", *labels):
        country.hosts[label].set_kernel("net.ipv6.conf.all.disable_ipv6", "1")
    country.start()
    with ExitStack() as stack:
        for label, kind in zip(labels, kinds, strict=True):
            browser = stack.enter_context(country.browser(label, kind=kind))
            browser.eval(f"() => {ELEMENT}.setAttribute('people', '{PEOPLE}')")
            browser.click(SWITCH, timeout_s=START_S)
            browser.click(AGREE, timeout_s=START_S)
            browser.wait(f"['waiting', 'helping'].includes({SNAPSHOT}.phase)", timeout_s=START_S)
        yield Censored(country)


# --- the program --------------------------------------------------------------------------------


def rows(names: Sequence[str], engines: Sequence[Engine]) -> Iterator[tuple[str, dict[str, Seen]]]:
    """Yield what was seen of each scenario, by engine. Raises LabError."""
    for name in names:
        with Lab() as lab, censored(lab, LabBrowser, LabFirefox) as here:
            seen: dict[str, Seen] = {}
            for engine in engines:
                seen[engine] = here.see(SCENARIOS[name], engine)
                print(f"{name}, {engine}: {seen[engine].cell()}", file=sys.stderr, flush=True)
        yield name, seen


def table(found: Mapping[str, str]) -> str:
    """Return the table of rows, by the names of their scenarios, in the order of `SCENARIOS`."""
    return "\n".join((HEAD, *(found[name] for name in SCENARIOS if name in found)))


def row(name: str, seen: Mapping[str, Seen]) -> str:
    """Return one row of the table."""
    return "| " + " | ".join((name, *(seen[engine].cell() for engine in ENGINES))) + " |"


def written(document: str) -> dict[str, str]:
    """Return the rows that a document has, by the names of their scenarios. Raises ValueError."""
    _, begin, rest = document.partition(BEGIN)
    made, end, _ = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} with an {END} behind it")
    lines = made.strip().splitlines()[2:]
    return {line.removeprefix("| ").partition(" | ")[0]: line for line in lines}


def renewed(document: str, found: Mapping[str, str]) -> str:
    """Return a document in which the rows of `found` are new. Raises ValueError."""
    made = table({**written(document), **found})
    return document.partition(BEGIN)[0] + f"{BEGIN}\n{made}\n{END}" + document.partition(END)[2]


def main() -> None:
    """Parse the options, look, and print or write down what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.censors", description=__doc__)
    only = "look at this row only (may be given more than once)"
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=only)
    engine = "run this engine only; nothing is written then"
    parser.add_argument("--engine", choices=ENGINES, help=engine)
    parser.add_argument("--verbose", action="store_true", help="print what each client said")
    parser.add_argument("--renew", action="store_true", help=f"write into {DOCUMENT.name}")
    options = parser.parse_args()
    engines = [options.engine] if options.engine else ENGINES
    try:
        for name, seen in rows(options.only or [*SCENARIOS], engines):
            if options.verbose:
                print(*(f"--- {each}\n{seen[each].said}" for each in seen), sep="\n")
            if options.engine:
                continue
            print(row(name, seen), flush=True)
            if options.renew:
                text = renewed(DOCUMENT.read_text(encoding="utf-8"), {name: row(name, seen)})
                DOCUMENT.write_text(text, encoding="utf-8")
    except LabError as error:
        sys.exit(f"It could not be tried: {error}")


if __name__ == "__main__":
    main()
