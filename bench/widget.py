"""What the switch costs a page and its visitor: bytes, requests, main-thread time, memory."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench.command import main, say
from bench.report import Row, at_most, median
from bench.visitor import Memory, Visitor, origins, visit
from tests.rig.curl import Proxy, fetch
from tests.rig.site import Site
from tests.rig.volunteer import flip, until
from tests.rig.way import Way

MEANING = """
One real Chromium on a publisher's page, everything on this machine. Files: the widget's own that
were fetched by then, after gzip, 1 KB = 1,024 bytes. Other origins: hosts that the page asked for,
by Chromium's own record, WebSockets included, that are neither its own, the broker's nor the
exit's. Long tasks: of the page's main thread, over 50 ms. CPU: all processes of the browser, in %
of one core, with the same page without a switch taken off. Leaks: of ten cycles that add a switch,
turn it on, and remove it, after as many to warm up. Stop: from the click to "off", and until no
connection of the browser to broker or exit is left.
"""
KB = 1024
CYCLES = 10
WARM_CYCLES = 10
IDLE_S = 20.0
QUICK_IDLE_S = 5.0
FILE_BYTES = 96_000_000
QUICK_FILE_BYTES = 16_000_000
STOPS = 3
SETTLE_S = 2.0
"""Time after which everything that a page's loading started has ended."""
LIVELY_S = 12.0
"""Time after which the globe has turned to somebody new and is at rest."""
POLL_S = 0.01
MAP = "passerelle-switch canvas"
HELPING_S = 30.0
KEPT = "() => globalThis.kept.filter((each) => each.deref()).length"
HEAP_ALLOWED_KB = 50.0
"""Growth that compiled code and inline caches cause; ten leaked switches would hold more."""

CYCLE = """async (network) => {
  globalThis.kept ??= [];
  const bridge = document.createElement('passerelle-switch');
  bridge.setAttribute('network', network);
  const phase = (wanted) => new Promise((resolve) => {
    const look = () => {
      if (!wanted.includes(bridge.snapshot.phase)) return;
      bridge.removeEventListener('passerelle-change', look);
      resolve();
    };
    bridge.addEventListener('passerelle-change', look);
    look();
  });
  document.body.append(bridge);
  bridge.start();
  await phase(['consent', 'waiting']);
  const press = () => bridge.shadowRoot.querySelector('.agree')?.click();
  while (bridge.snapshot.phase === 'consent') {
    press();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await phase(['waiting', 'helping']);
  const off = phase(['off']);
  bridge.stop();
  await off;
  // One that is gone from the page hears nothing more.
  bridge.remove();
  globalThis.kept.push(new WeakRef(bridge));
}"""


def measure(quick: bool) -> Iterable[Row]:
    """Yield all rows."""
    return asyncio.run(_measure(quick))


async def _measure(quick: bool) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as name:
        folder = Path(name)
        async with Site() as site:
            policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
            async with Way(folder, None, *policy) as way:
                idle_s = QUICK_IDLE_S if quick else IDLE_S
                base = await _blank_share(way, folder, idle_s)
                say(f"blank page: {base:.2f} % of a core")
                log = folder / "net.json"
                async with visit(way.publisher.url, log) as visitor:
                    rows += await _off(visitor, base, idle_s)
                    rows += await _on(visitor, base, idle_s)
                    rows += await _help(visitor, base, way, idle_s)
                    rows += await _relay(visitor, way, site, folder, quick)
                    rows += await _stop(visitor, way)
                rows.append(_strangers(log, way))
                async with visit(way.publisher.url, folder / "leak.json") as visitor:
                    rows += await _leaks(visitor, way.invite)
    return rows


async def _blank_share(way: Way, folder: Path, idle_s: float) -> float:
    """Return the browser's CPU share for the same page without the switch."""
    async with visit(way.publisher.url, folder / "blank.json") as visitor:
        await visitor.page.evaluate("() => document.querySelector('passerelle-switch').remove()")
        await asyncio.sleep(SETTLE_S)
        return await visitor.cpu_share(idle_s)


async def _off(visitor: Visitor, base: float, idle_s: float) -> list[Row]:
    await visitor.page.get_by_role("switch").wait_for()
    await asyncio.sleep(SETTLE_S)
    tasks = await visitor.long_tasks_ms()
    files = visitor.fetched()
    say(f"to a working switch: {files}; long tasks: {tasks}")
    share = max(0.0, await visitor.cpu_share(idle_s) - base)
    return [
        Row("script to a working switch", sum(files.values()) / KB, "KB", at_most(12), 2),
        Row("long tasks at load", len(tasks), "", at_most(0), 0),
        Row("CPU while off", share, "%", at_most(0.5), 2),
    ]


async def _on(visitor: Visitor, base: float, idle_s: float) -> list[Row]:
    await flip(visitor.page)
    await asyncio.sleep(SETTLE_S)
    files = visitor.fetched()
    say(f"after the click: {files}")
    relay = sum(size for name, size in files.items() if name.startswith("relay."))
    world = sum(size for name, size in files.items() if name.startswith("map."))
    others = sum(files.values()) - relay - world
    rows = [
        Row("relay, fetched on start", relay / KB, "KB", at_most(10), 2),
        Row("map and its data, fetched when shown", world / KB, "KB", at_most(60), 2),
        Row("other parts fetched on start", others / KB, "KB", None, 2),
    ]
    visible = await visitor.page.locator(MAP).count() > 0
    share = max(0.0, await visitor.cpu_share(idle_s) - base)
    name = "CPU while waiting, map visible" if visible else "CPU while waiting, no map"
    return [*rows, Row(name, share, "%", at_most(2), 2)]


async def _help(visitor: Visitor, base: float, way: Way, idle_s: float) -> list[Row]:
    """Measure while somebody is helped who reads, so that only the switch and globe are at work."""
    async with way.client() as (client, _port):
        await client.expect("Connected through a volunteer")
        await until(visitor.page, "s.people === 1", HELPING_S)
        await asyncio.sleep(LIVELY_S)
        share = max(0.0, await visitor.cpu_share(idle_s) - base)
    await until(visitor.page, "s.people === 0", HELPING_S)
    return [Row("CPU while helping somebody who reads", share, "%", None, 2)]


async def _relay(visitor: Visitor, way: Way, site: Site, folder: Path, quick: bool) -> list[Row]:
    """Measure while one file is carried at full speed, with the map visible."""
    size = QUICK_FILE_BYTES if quick else FILE_BYTES
    await visitor.long_tasks_ms()
    async with way.client() as (client, port):
        await client.expect("Connected through a volunteer")
        await until(visitor.page, "s.people === 1", HELPING_S)
        start_s = time.monotonic()
        url = f"http://127.0.0.1:{site.port}/bytes/{size}"
        got = await fetch(Proxy.SOCKS, port, folder / "file", url)
        took_s = time.monotonic() - start_s
        assert got.status == 200, got.text
    tasks = await visitor.long_tasks_ms()
    say(f"long tasks during the relay: {[round(task) for task in tasks]}")
    return [
        Row("relayed", size * 8 / took_s / 1e6, "Mbit/s"),
        Row("long tasks during the relay", len(tasks), "", at_most(0), 0),
    ]


async def _stop(visitor: Visitor, way: Way) -> list[Row]:
    """Measure turning the switch off, a few times."""
    off_s, closed_s = [], []
    for number in range(STOPS):
        if number:
            await visitor.page.get_by_role("switch").click()
            await until(visitor.page, "s.phase === 'waiting'", HELPING_S)
        start_s = time.monotonic()
        await visitor.page.get_by_role("switch").click()
        await until(visitor.page, "s.phase === 'off'", HELPING_S)
        off_s.append(time.monotonic() - start_s)
        async with asyncio.timeout(HELPING_S):
            while await _connections(way):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(POLL_S)
        closed_s.append(time.monotonic() - start_s)
    return [
        Row("from the click to off", median(off_s), "s", at_most(2), 2),
        Row("from the click to no connection left, slowest", max(closed_s), "s", at_most(2), 2),
    ]


async def _connections(way: Way) -> str:
    """Return the open TCP connections to broker and exit, once there are no clients."""
    ports = " or ".join(f"dport = :{port}" for port in way.ports)
    words = ("state", "connected", "exclude", "time-wait", f"( {ports} )")
    process = await asyncio.create_subprocess_exec(
        "ss", "-Htn", *words, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode()


def _strangers(log: Path, way: Way) -> Row:
    known = {f"127.0.0.1:{port}" for port in (*way.ports, way.publisher.port)}
    strangers = origins(log) - known
    if strangers:
        say(f"other origins: {strangers}")
    return Row("requests to other origins", len(strangers), "", at_most(0), 0)


async def _leaks(visitor: Visitor, invite: str) -> list[Row]:
    page = visitor.page
    await page.evaluate("() => document.querySelector('passerelle-switch').remove()")
    before = Memory(0, 0, 0)
    for number in range(WARM_CYCLES + CYCLES):
        if number == WARM_CYCLES:
            before = await visitor.memory()
        async with asyncio.timeout(HELPING_S):
            await page.evaluate(CYCLE, invite)
    await asyncio.sleep(SETTLE_S)
    after = await visitor.memory()
    left = await page.evaluate(KEPT)
    say(f"before: {before}; after: {after}; switches left: {left}")
    heap_kb = (after.heap_bytes - before.heap_bytes) / KB
    return [
        Row("switches left after ten cycles", left, "", at_most(0), 0),
        Row("nodes gained", after.nodes - before.nodes, "", at_most(0), 0),
        Row("listeners gained", after.listeners - before.listeners, "", at_most(0), 0),
        Row("heap gained", heap_kb, "KB", at_most(HEAP_ALLOWED_KB)),
    ]


if __name__ == "__main__":
    main("widget", measure, MEANING)
