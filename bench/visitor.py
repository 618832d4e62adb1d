"""A visitor's Chromium, and what it tells of its page: files, long tasks, CPU time, memory."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import CDPSession, Page, Request

from bench.errors import Unmeasured
from passerelle.serve import BUILT_WIDGET
from tests.rig.volunteer import Chromium

LONG_TASKS = """() => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => globalThis.longTasks.push(
    ...list.getEntries().map(({ duration }) => duration),
  )).observe({ type: 'longtask', buffered: true });
}"""
"""Tasks of the page's main thread over 50 ms (https://www.w3.org/TR/longtasks-1/)."""
EVERY_REQUEST = "--net-log-capture-mode=Default"


@dataclass(frozen=True, slots=True)
class Memory:
    """What a page holds after a collection of garbage."""

    heap_bytes: int
    nodes: int
    listeners: int


class Visitor:
    """One page in a Chromium, and its protocol session."""

    def __init__(self, chromium: Chromium, page: Page, session: CDPSession) -> None:
        self.page = page
        self._chromium = chromium
        self._session = session
        self._files: list[str] = []
        self._sizes = _sizes()
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self._files.append(Path(urlsplit(request.url).path).name)

    def fetched(self) -> dict[str, int]:
        """Return the widget's files fetched since the last call, and their bytes after gzip."""
        found = {name: self._sizes[name] for name in self._files if name in self._sizes}
        self._files.clear()
        return found

    async def long_tasks_ms(self) -> list[float]:
        """Return the lengths of the long tasks since the last call."""
        return list(await self.page.evaluate("() => globalThis.longTasks.splice(0)"))

    async def memory(self) -> Memory:
        """Collect garbage; return what is left."""
        for _ in range(3):
            await self._session.send("HeapProfiler.collectGarbage")
        told = await self._session.send("Performance.getMetrics")
        values = {each["name"]: int(each["value"]) for each in told["metrics"]}
        return Memory(values["JSHeapUsedSize"], values["Nodes"], values["JSEventListeners"])

    async def cpu_share(self, seconds: float) -> float:
        """Return the CPU time of all of Chromium's processes over `seconds`, in % of one core."""
        before = await self._cpu_s()
        await asyncio.sleep(seconds)
        return (await self._cpu_s() - before) / seconds * 100

    async def _cpu_s(self) -> float:
        session = await self._chromium.browser.new_browser_cdp_session()
        told = await session.send("SystemInfo.getProcessInfo")
        await session.detach()
        return sum(float(process["cpuTime"]) for process in told["processInfo"])


@asynccontextmanager
async def visit(url: str, log: Path) -> AsyncIterator[Visitor]:
    """Open a page in a Chromium of its own, which writes what it does on the network to `log`."""
    async with Chromium(f"--log-net-log={log}", EVERY_REQUEST) as chromium:
        page = await (await chromium.browser.new_context()).new_page()
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        visitor = Visitor(chromium, page, session)
        await page.add_init_script(f"({LONG_TASKS})()")
        await page.goto(url)
        yield visitor


def origins(log: Path) -> set[str]:
    """Return the hosts and ports that pages asked for, by Chromium's own record.

    Requests that the browser makes by itself do not have a page's origin as their initiator.
    """
    try:
        told: dict[str, Any] = json.loads(log.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Unmeasured("Chromium's record of its requests is incomplete") from error
    asked = [event["params"] for event in told["events"] if "initiator" in event.get("params", {})]
    urls = [each["url"] for each in asked if each["initiator"] != "not an origin"]
    if not urls:
        raise Unmeasured("Chromium's record holds no request of a page")
    return {urlsplit(url).netloc for url in urls if re.match(r"(https?|wss?)://", url)}


def _sizes() -> dict[str, int]:
    """Return each built file's bytes after gzip."""
    try:
        manifest = json.loads((BUILT_WIDGET / "manifest.json").read_text())
    except OSError as error:
        raise Unmeasured("the widget is not built. Run `make widget`, then try again.") from error
    return {part["file"]: part["gzip_bytes"] for part in manifest.values()}
