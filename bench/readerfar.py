"""The reading page over a line of 100 ms, in network namespaces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

from bench.command import say
from bench.errors import Unmeasured
from bench.report import Row, at_least, at_most, median
from bench.world import LIFETIME_S, PING_PORT, PINGS, browse, check_lines, settle
from tests.lab import Lab, Star, Wan, traffic
from tests.lab.browser import IN_PROFILE, LabBrowser
from tests.lab.cast import START_S, turn_on

VOLUNTEERS: Final = ("volunteer", "other", "third")
PICTURE_KB: Final = (5, 20)
"""Sizes of a story's 20 pictures."""
WAY: Final = Wan(delay_ms=50.0)
WAIT_S: Final = 40.0
VISITS: Final = 7
QUICK_VISITS: Final = 3
STORIES: Final = 5
BROWSER_START_S: Final = 3.0
"""Time in which a browser that was just started is busy with itself."""
LINKS_S: Final = 4.0
LARGE_BYTES: Final = 3_000_000
KILL_AT: Final = LARGE_BYTES // 3
PARTS: Final = """
const site = () => document.querySelector('iframe[name=site]')?.contentDocument ?? document;
const pictures = () => [...site().images];
const isThere = (title) => site().querySelector('h1, h2')?.textContent.includes(title)
  && pictures().length > 0 && pictures().every((image) => image.naturalWidth > 0);
const until = async (check) => {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 4));
};
"""
"""JavaScript that looks at the site, framed by the reading page or not."""
PRESS: Final = (
    "(async () => {"
    + PARTS
    + """
  const [paint] = performance.getEntriesByName('first-contentful-paint');
  const begun = performance.now();
  document.querySelector('button.start').click();
  await until(() => isThere('bridge'));
  return { notice_ms: paint?.startTime ?? begun, site_ms: performance.now() - begun };
})()"""
)
THERE: Final = (
    "(async () => {" + PARTS + "await until(() => isThere('TITLE')); return performance.now(); })()"
)
CLICK: Final = (
    "(async () => {"
    + PARTS
    + """
  const begun = performance.now();
  site().querySelector('#next').click();
  await until(() => isThere('Story NUMBER'));
  return performance.now() - begun;
})()"""
)
FETCH: Final = """(async () => {
  const gaps = globalThis.progress = { bytes: 0, longest_ms: 0, isDone: false };
  let last = performance.now();
  const response = await document.querySelector('iframe[name=site]').contentWindow.fetch('/large');
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    const now = performance.now();
    if (gaps.bytes > 0) gaps.longest_ms = Math.max(gaps.longest_ms, now - last);
    last = now;
    if (done) break;
    gaps.bytes += value.length;
  }
  gaps.isDone = true;
})()"""


class FarReader:
    """A newspaper, its network and two volunteers close together; a reader far away."""

    def __init__(
        self,
        lab: Lab,
        stack: ExitStack,
        *,
        firefox: bool = False,
        way: Wan = WAY,
        volunteers: Sequence[str] = VOLUNTEERS,
    ) -> None:
        """`way` is the reader's line in each direction. With `firefox` the reader has that."""
        self._stack = stack
        self.star: Star = lab.star("server", *volunteers)
        self.star.host("reader", up=way, down=way)
        server = self.star.hosts["server"]
        words = ("-m", "bench.readerhost", server.address, str(lab.directory))
        said = server.python(*words).wait_for("ready", timeout_s=START_S)
        self.places: dict[str, str] = json.loads(said.partition("ready ")[2].splitlines()[0])
        secure = (self.places["mirror"], self.places["publisher"], self.places["broker"])
        self._counters = {label: self.star.count(label, "reader") for label in volunteers}
        for label in volunteers:
            browser = stack.enter_context(browse(self.star.hosts[label], *secure))
            browser.goto(self.places["publisher"], timeout_s=START_S)
            turn_on(browser)
        self._secure = secure
        self._firefox = firefox
        self.reader: LabBrowser = stack.enter_context(self._new_reader())

    def _carried(self, label: str) -> int:
        """Return the bytes that a volunteer has sent to the reader."""
        return self.star.counter(self._counters[label]).bytes

    def carried(self) -> int:
        """Return the bytes that all volunteers have sent to the reader."""
        return sum(map(self._carried, self._counters))

    def rtt_ms(self) -> float:
        """Return the measured round trip of small UDP packets between reader and volunteer."""
        hosts = self.star.hosts
        echo = traffic.start(hosts["volunteer"], "echo", hosts["volunteer"].address, PING_PORT)
        try:
            words = (hosts["volunteer"].address, PING_PORT, PINGS, 2.0)
            times = traffic.start(hosts["reader"], "ping", *words).result()["rtt_ms"]
        finally:
            echo.stop()
        if not times:
            raise Unmeasured("no packet came back between reader and volunteer")
        return median(times)

    def first(self) -> tuple[float, float]:
        """Open the page in an empty profile, and press; return the ms before and after that."""
        self.reader.goto(self.places["mirror"], timeout_s=WAIT_S)
        self.reader.wait("!!document.querySelector('button.start')", timeout_s=WAIT_S)
        found = self.reader.eval(PRESS, timeout_s=WAIT_S)
        return found["notice_ms"], found["site_ms"]

    def again(self) -> float:
        """Open the page once more in the same tab; return the ms until the site is there."""
        self.reader.goto(self.places["mirror"], timeout_s=WAIT_S)
        return float(self.reader.eval(THERE.replace("TITLE", "bridge"), timeout_s=WAIT_S))

    def stories(self, kb: int, count: int) -> list[float]:
        """Go from story to story in the reading page that is open; return the ms of each."""
        self.reader.eval(f"passerelle.go(new URL('/long/{kb}/0', location).href)")
        site = "document.querySelector('iframe[name=site]').contentDocument"
        there = f"{site}?.querySelector('#next')?.href.endsWith('/long/{kb}/1')"
        self.reader.wait(f"!!{there}", timeout_s=WAIT_S)
        self.reader.eval(THERE.replace("TITLE", "Story 0"), timeout_s=WAIT_S)
        return [
            float(self.reader.eval(CLICK.replace("NUMBER", str(at)), timeout_s=WAIT_S))
            for at in range(1, count + 1)
        ]

    def direct(self, kb: int, count: int) -> list[float]:
        """Go from story to story at the site itself; return the ms of each from its navigation."""
        self.reader.goto(f"{self.places['direct']}/long/{kb}/0", timeout_s=WAIT_S)
        found = []
        for at in range(1, count + 1):
            self.reader.eval("document.querySelector('#next').click()")
            self.reader.wait(f"location.pathname === '/long/{kb}/{at}'", timeout_s=WAIT_S)
            there = THERE.replace("TITLE", f"Story {at}")
            found.append(float(self.reader.eval(there, timeout_s=WAIT_S)))
        return found

    def leave(self) -> None:
        """End the reader's browser, and start another one with an empty profile."""
        self.reader.close()
        self.reader = self._stack.enter_context(self._new_reader())
        settle(BROWSER_START_S)

    def _new_reader(self) -> LabBrowser:
        host = self.star.hosts["reader"]
        if self._firefox:
            return browse(host, *self._secure, firefox=True)
        secure = f"--unsafely-treat-insecure-origin-as-secure={','.join(self._secure)}"
        return LabBrowser(host, IN_PROFILE, secure, "--ignore-certificate-errors")

    def silenced(self) -> dict[str, Any]:
        """Fetch the large file, and cut off the volunteer that carries it; return what came."""
        before = {label: self._carried(label) for label in self._counters}
        self.reader.eval(f"void {FETCH}")
        self.reader.wait(f"globalThis.progress?.bytes > {KILL_AT}", timeout_s=WAIT_S)
        carried = {label: self._carried(label) - before[label] for label in self._counters}
        self.star.silence(max(carried, key=carried.__getitem__))
        self.reader.wait("globalThis.progress.isDone", timeout_s=WAIT_S)
        return dict(self.reader.eval("globalThis.progress"))


def measure(quick: bool, *, firefox: bool = False) -> Iterator[Row]:
    """Yield the rows of a reader behind 100 ms."""
    visits = QUICK_VISITS if quick else VISITS
    name = "100 ms, Firefox: " if firefox else "100 ms: "
    with Lab(lifetime_s=LIFETIME_S) as lab, ExitStack() as stack:
        far = FarReader(lab, stack, firefox=firefox)
        rtt_ms = far.rtt_ms()
        firsts, laters = [], []
        for _ in range(visits):
            firsts.append(far.first())
            laters.append(far.again())
            far.leave()
        say(f"{name}first visits {firsts}, later {laters}")
        yield Row(f"{name}round trip, measured", rtt_ms, "ms")
        first_s = median([site for _, site in firsts]) / 1e3
        yield Row(f"{name}first story, first visit", first_s, "s", at_most(1.5), 2)
        notice_s = median([notice for notice, _ in firsts]) / 1e3
        yield Row(f"{name}… the notice before it", notice_s, "s", None, 2)
        later_ms = median(laters)
        yield Row(f"{name}first story, later visits", later_ms / 1e3, "s", None, 2)
        yield Row(f"{name}first story, later visits", later_ms / rtt_ms, "round trips", at_most(10))
        yield from _stories(far, rtt_ms, name, firefox=firefox)
        far.first()
        settle(LINKS_S)
        found = far.silenced()
        yield Row(
            f"{name}3 MB file, volunteer killed",
            found["bytes"] / LARGE_BYTES,
            "of it",
            at_least(1),
            3,
        )
        yield Row(f"{name}… longest gap", found["longest_ms"] / 1e3, "s", at_most(2), 2)
        check_lines(far.star)


def _stories(far: FarReader, rtt_ms: float, name: str, *, firefox: bool) -> Iterator[Row]:
    far.first()
    # The links that come a little later are there by then.
    settle(LINKS_S)
    through = {kb: far.stories(kb, STORIES) for kb in PICTURE_KB}
    far.leave()
    say(f"{name}stories {through}")
    # It takes no certificate that nobody vouches for.
    direct = {} if firefox else {kb: far.direct(kb, STORIES) for kb in PICTURE_KB}
    far.leave()
    say(f"{name}directly {direct}")
    for kb, times in through.items():
        yield Row(f"{name}next story, 20 pictures of {kb} KB", median(times), "ms", digits=0)
        if kb in direct:
            yield Row(f"{name}… over HTTP/2 from the site", median(direct[kb]), "ms", digits=0)
            more = (median(times) - median(direct[kb])) / rtt_ms
            yield Row(f"{name}… more than over HTTP/2", more, "round trips", at_most(2))
