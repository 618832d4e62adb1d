"""Metrics of a running process for its operator's Prometheus: `/metrics` on a loopback port.

To count is to add to a plain integer; all formatting is done when Prometheus asks. Labels are
members of closed sets (reasons, directions), never text that a peer sent. Numbers of people, or of
what people do, are rounded up to a multiple of `COUNT_STEP`, so that nobody can see a single reader
come and go.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from passerelle.core.rounding import COUNT_STEP, rounded
from passerelle.errors import ConfigError
from passerelle.io.server.web import WebServer, application
from passerelle.io.tasks import TaskSet

LAG_INTERVAL_S: Final = 0.25
LAG_SAMPLES: Final = 240
"""How many samples of the event loop's lag the maximum is taken over: one minute's."""

_PREFIX = "passerelle_"
_ROUNDED = f" Rounded up to a multiple of {COUNT_STEP}."
"""What the help text of every number says that is not shown exactly: a dashboard shows the help,
and 8 readers where there is one would otherwise be taken for a fault."""


class Counter:
    """A number that only grows. With `values`, there is one number for each value of a label."""

    __slots__ = ("by_value",)

    def __init__(self, values: Iterable[str] = ("",)) -> None:
        self.by_value = dict.fromkeys(values, 0)

    def add(self, count: int = 1, value: str = "") -> None:
        """Add `count` under the label's `value`. Raises KeyError for a value not declared."""
        self.by_value[value] += count


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self._families: list[Callable[[], Metric]] = []
        self._lags: deque[float] = deque(maxlen=LAG_SAMPLES)
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
        """Declare and return a counter.

        `exact` shows it without rounding, which is only for numbers that count neither people nor
        what they do.
        """
        made = Counter(values)
        told = _help(meaning, exact=exact)

        def family() -> Metric:
            out = CounterMetricFamily(_PREFIX + name, told, labels=[label] if label else None)
            for value, count in made.by_value.items():
                shown = count if exact else rounded(count)
                out.add_metric([value] if label else [], shown)
            return out

        self._families.append(family)
        return made

    def gauge(
        self, name: str, meaning: str, read: Callable[[], float], *, exact: bool = False
    ) -> None:
        """Declare a value that `read` returns whenever Prometheus asks; `exact` as in `counter`."""
        told = _help(meaning, exact=exact)

        def family() -> Metric:
            value = read()
            return GaugeMetricFamily(_PREFIX + name, told, value=value if exact else rounded(value))

        self._families.append(family)

    def gauges(
        self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Declare values, one for each value of a label; shown without rounding as in `counter`."""
        told = _help(meaning, exact=True)

        def family() -> Metric:
            out = GaugeMetricFamily(_PREFIX + name, told, labels=[label])
            for value, number in read().items():
                out.add_metric([value], number)
            return out

        self._families.append(family)

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families, as `prometheus_client` requires of a collector."""
        for family in self._families:
            yield family()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
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


def _help(meaning: str, *, exact: bool) -> str:
    return meaning if exact else meaning + _ROUNDED


class MetricsServer:
    """Serves `GET /metrics` on a loopback address during an `async with`."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        """Raises ConfigError when `host` is an address that other machines could reach."""
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
        """The port that the server listens on."""
        return self._server.port

    async def __aenter__(self) -> Self:
        """Listen. Raises LocalError when the port cannot be opened."""
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
    """Return how much memory of this process is resident, shared pages included."""
    # The second field of statm is the number of resident pages (proc(5)).
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
