"""Numbers about a running process, for its operator's Prometheus: `/metrics` on a loopback port.

Counting is adding to a plain integer; all formatting happens when somebody asks. Labels are members
of closed sets (reasons, directions), never what a peer sent. What counts people or what they do is
rounded up to a multiple of `COUNT_STEP`, so that no single reader can be seen coming and going.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from passerelle.errors import ConfigError
from passerelle.io.server.web import WebServer, application
from passerelle.io.tasks import TaskSet

COUNT_STEP: Final = 8
LAG_INTERVAL_S: Final = 0.25
LAG_KEPT: Final = 240
"""Samples of the loop's lag that the shown maximum looks back on: a minute's worth."""

_PREFIX = "passerelle_"


def rounded(count: float) -> float:
    """Return `count` rounded up to a multiple of `COUNT_STEP`."""
    return -(-count // COUNT_STEP) * COUNT_STEP


class Counter:
    """Something that only grows, split by one label if it has `values`."""

    __slots__ = ("by_value",)

    def __init__(self, values: Iterable[str] = ("",)) -> None:
        self.by_value = dict.fromkeys(values, 0)

    def add(self, count: int = 1, value: str = "") -> None:
        """Add `count` under the label's `value`. Raises KeyError for one not declared."""
        self.by_value[value] += count


class Metrics:
    """All numbers of one process."""

    def __init__(self) -> None:
        self._families: list[Callable[[], Metric]] = []
        self._lags: deque[float] = deque(maxlen=LAG_KEPT)
        self.gauge("process_memory_bytes", "Resident memory.", resident_bytes, exact=True)
        self.gauge(
            "loop_lag_seconds",
            "Longest delay of the event loop in the last minute.",
            lambda: max(self._lags, default=0.0),
            exact=True,
        )

    def counter(
        self,
        name: str,
        meaning: str,
        *,
        label: str = "",
        values: Iterable[str] = ("",),
        exact: bool = False,
    ) -> Counter:
        """Declare a counter; `exact` for what does not count people or their doings."""
        made = Counter(values)

        def family() -> Metric:
            out = CounterMetricFamily(_PREFIX + name, meaning, labels=[label] if label else None)
            for value, count in made.by_value.items():
                shown = count if exact else rounded(count)
                out.add_metric([value] if label else [], shown)
            return out

        self._families.append(family)
        return made

    def gauge(
        self, name: str, meaning: str, read: Callable[[], float], *, exact: bool = False
    ) -> None:
        """Declare a value that is read when somebody asks."""

        def family() -> Metric:
            value = read()
            return GaugeMetricFamily(
                _PREFIX + name, meaning, value=value if exact else rounded(value)
            )

        self._families.append(family)

    def collect(self) -> Iterator[Metric]:
        """Yield all families: what `prometheus_client` asks of a collector."""
        for family in self._families:
            yield family()

    def text(self) -> bytes:
        """Return all numbers in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    async def watch_loop(self) -> None:
        """Measure the event loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            start_s = loop.time()
            await asyncio.sleep(LAG_INTERVAL_S)
            self._lags.append(max(0.0, loop.time() - start_s - LAG_INTERVAL_S))


class MetricsServer:
    """Serve `GET /metrics` on a loopback address for the length of an `async with`."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        """Raises ConfigError for an address that others could reach."""
        if not _is_loopback(host):
            raise ConfigError(
                f"Metrics are for this machine only, and {host or 'every address'} is open to "
                "others. Listen on 127.0.0.1 or [::1]; let Prometheus come through a tunnel."
            )
        self._metrics = metrics
        app = application()
        app.router.add_get("/metrics", self._show)
        self._server = WebServer(app, host, port)
        self._tasks = TaskSet("metrics")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError when that is impossible."""
        await self._server.__aenter__()
        self._tasks.spawn(self._metrics.watch_loop(), "lag")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._tasks.close()
        await self._server.__aexit__(kind, error, trace)

    async def _show(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.text(),
            headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
        )


def resident_bytes() -> int:
    """Return the memory this process has in use, shared pages included."""
    # proc(5): the second field of statm is resident pages.
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
